"""Live search: keep each query's neighbours and, when the memory changes, search only what changed.

Added entries are compared with all queries (one small matrix product) and merged into the few lists they reach; removed
entries are taken out of the lists, which keep spare neighbours, so that seldom a query must be searched again. By the
floors of `ranking` the first k always equal those of a full search, bit for bit.

What a gesture pushed out of the lists is kept for a while: taking the newest gesture back, the most frequent removal, puts
the old lists back instead of searching for what the gesture had displaced.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace

import torch

from parmesan_engine.search.distance import pair_distances, score_error, scores
from parmesan_engine.search.exact import ExactIndex
from parmesan_engine.search.ranking import RankedLists, merge
from parmesan_engine.types import Neighbors

SLACK = 2  # neighbours kept per neighbour used; removals then seldom need a new search (performance.md)
QUERY_BLOCK = 2048  # scores of a block stay in the cache
NEW_BLOCK = 2048  # new entries compared at a time
KEPT_ROWS = 2  # lists kept of before recent gestures, per query: bounds their memory


@dataclass
class _Before:
    """The lists of some rows as they were before the entries `ids` came."""

    ids: torch.Tensor
    rows: torch.Tensor
    lists: RankedLists


class LiveSearch:
    """The k nearest entries of a fixed set of queries, kept up to date with an index.

    The owner removes from the index, then calls `removed`; adds to the index, then calls `added`; never both at once, since
    a search after a removal would already find what is about to be added.
    queries: (Q, D) unit rows on the index' device.
    """

    def __init__(self, index: ExactIndex, queries: torch.Tensor, *, k: int,
                 progress: Callable[[float], None] | None = None) -> None:
        self.index, self.queries, self.k = index, queries, k
        self.searched_again = 0  # queries that lost too many neighbours since the start
        self._lists = index.ranked(queries, k, width=SLACK * k, progress=progress)
        self._before: list[_Before] = []  # newest last

    @property
    def neighbors(self) -> Neighbors:
        """The current (Q, k) neighbours. The tensors are views: copy them before the next change."""
        return Neighbors(self._lists.distances[:, : self.k], self._lists.ids[:, : self.k])

    def rows(self, rows: torch.Tensor) -> Neighbors:
        """Return a copy of the (n, k) current neighbours of some queries."""
        return Neighbors(self._lists.distances[rows, : self.k], self._lists.ids[rows, : self.k])

    def copy(self, index: ExactIndex) -> "LiveSearch":
        """Return a search with the same lists that follows `index`, a copy of this one's index."""
        other = copy(self)
        other.index, other._lists = index, self._lists.copy()
        other._before = [replace(before, lists=before.lists.copy()) for before in self._before]
        return other

    def added(self, ids: torch.Tensor, keys: torch.Tensor, ties: torch.Tensor) -> torch.Tensor:
        """Take up new entries; return the rows whose lists changed, ascending."""
        if len(ids) == 0:
            return ids
        parts = [slice(start, start + NEW_BLOCK) for start in range(0, len(ids), NEW_BLOCK)]
        came = [self._added(ids[part], keys[part].contiguous(), ties[part]) for part in parts]
        self._before += came
        while sum(len(before.rows) for before in self._before) > KEPT_ROWS * len(self.queries):
            self._before.pop(0)
        return torch.unique(torch.cat([before.rows for before in came]))

    def removed(self, ids: torch.Tensor) -> torch.Tensor:
        """Drop entries that the index no longer has; return the rows whose lists changed, ascending."""
        if len(ids) == 0:
            return ids
        dead = self._marks(ids)
        changed = []
        while self._before and bool(dead[self._before[-1].ids].all()):
            before = self._before.pop()
            self._lists.put(before.rows, before.lists)
            changed.append(before.rows)
        changed.append(self._lists.drop(dead))
        for before in self._before:
            before.lists.drop(dead)
        lost = self._lists.uncertain(self.k)
        if len(lost):
            self.searched_again += len(lost)
            self._lists.put(lost, self.index.ranked(self.queries[lost], self.k, width=self._lists.width))
        return torch.unique(torch.cat(changed))

    def _added(self, ids: torch.Tensor, keys: torch.Tensor, ties: torch.Tensor) -> _Before:
        """Merge new entries into the lists that they can reach; return those lists as they were."""
        width, error = self._lists.width, score_error(self.queries.shape[1])
        reached = [torch.empty(0, dtype=torch.int64, device=self.queries.device)]
        old = [self._lists.rows(reached[0])]
        for start in range(0, len(self.queries), QUERY_BLOCK):
            queries = self.queries[start : start + QUERY_BLOCK]
            least = 1 - self._lists.floor_distance[start : start + QUERY_BLOCK] - error  # no entry below it can enter
            block = scores(queries, keys)
            rows = (block.amax(1) >= least).nonzero().flatten()
            if len(rows) == 0:
                continue
            near, columns = (block[rows] >= least[rows, None]).nonzero(as_tuple=True)
            distances = pair_distances(queries, keys, rows[near], columns)
            new = RankedLists.of_pairs(near, distances, ties[columns], ids[columns], queries=len(rows))
            reached.append(rows + start)
            old.append(self._lists.rows(reached[-1]))
            self._lists.put(reached[-1], merge(old[-1], new, width))
        return _Before(ids, torch.cat(reached), RankedLists.concatenate(old))

    def _marks(self, ids: torch.Tensor) -> torch.Tensor:
        """Return a mask over all ids, with one element more that stays False: the place of id -1."""
        marks = torch.zeros(self.index.top + 1, dtype=torch.bool, device=self.queries.device)
        marks[ids] = True
        return marks
