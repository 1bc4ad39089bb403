"""Live search: keep each query's neighbours and, when the memory changes, search only what changed.

Added entries are compared with all queries (bounds first, see `sketch`) and merged into the few lists they reach; removed
entries are taken out of the lists, which keep spare neighbours, so that seldom a query must be searched again. By the
floors of `ranking` the first k always equal those of a full search, bit for bit.

On an index that is not exact, a list is never worse than what was there less what was removed: every added entry is compared
with every query, and what a new search misses of the old list stays.

What a gesture pushed out of the lists is kept for a while: taking the newest gesture back, the most frequent removal, puts
the old lists back instead of searching for what the gesture had displaced.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace

import torch

from parmesan_engine.search import kernel, scan
from parmesan_engine.search.distance import pair_distances, score_error, scores
from parmesan_engine.search.exact import ExactIndex
from parmesan_engine.search.ranking import RankedLists, merge, union
from parmesan_engine.search.sketch import Axes
from parmesan_engine.types import Neighbors

SLACK = 2  # neighbours kept per neighbour used; removals then seldom need a new search (performance.md)
Pairs = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # (P,) rows of queries, ascending; (P,) rows of new keys; (P,) distances
QUERY_BLOCK = 2048  # scores of a block stay in the cache
NEW_BLOCK = 2048  # new entries compared at a time
MERGE_PLACES = 1 << 22  # pairs found times new entries, from which they are merged: few merges a stroke, in bounded memory
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
    index: any of `INDEXES`; queries: (Q, D) unit rows on its device; coarse: (Q, D) keys of their coarse nodes, for one that takes them.
    """

    def __init__(self, index: ExactIndex, queries: torch.Tensor, *, k: int, coarse: torch.Tensor | None = None,
                 progress: Callable[[float], None] | None = None) -> None:
        self.index, self.queries, self.coarse, self.k = index, queries, coarse, k
        self.searched_again = 0  # queries that lost too many neighbours since the start
        self._lists = self._ranked(slice(None), progress)
        self._before: list[_Before] = []  # newest last
        self._arranged: scan.Arranged | None = None  # the queries as the kernel wants them
        if queries.device.type == "cpu" and kernel.load() and len(queries):
            self._arranged = scan.Arranged(queries, Axes.fit(queries), sort=False)  # as they come, so that pairs come by block

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
        changed = [self._lists.drop(dead)]
        for before in self._before:
            before.lists.drop(dead)
        while self._before and bool(dead[self._before[-1].ids].all()):
            before = self._before.pop()
            self._put(before.rows, before.lists)
            changed.append(before.rows)
        lost = self._lost()
        if len(lost):
            self.searched_again += len(lost)
            self._put(lost, self._ranked(lost))
        return torch.unique(torch.cat(changed))

    def _ranked(self, rows: torch.Tensor | slice, progress: Callable[[float], None] | None = None) -> RankedLists:
        """Return new lists of some queries."""
        given = {} if self.coarse is None else {"coarse": self.coarse[rows]}
        return self.index.ranked(self.queries[rows], self.k, width=SLACK * self.k, progress=progress, **given)

    def _put(self, rows: torch.Tensor, lists: RankedLists) -> None:
        """Replace some lists; one that is not exact takes over what it lacks of the old one."""
        self._lists.put(rows, lists if self.index.exact else union(self._lists.rows(rows), lists))

    def _lost(self) -> torch.Tensor:
        """Return the rows that may lack neighbours: not certain, or fewer than there are entries (of an index that is not exact)."""
        least = min(self.k, len(self.index))
        short = (self._lists.ids[:, least - 1 : least] < 0).any(1).nonzero().flatten()  # the last of them: empty places come last
        return torch.unique(torch.cat([self._lists.uncertain(self.k), short]))

    def _added(self, ids: torch.Tensor, keys: torch.Tensor, ties: torch.Tensor) -> _Before:
        """Merge new entries into the lists that they can reach; return those lists as they were."""
        none = torch.empty(0, dtype=torch.int64, device=self.queries.device)
        rows, old, waiting, pairs = [none], [self._lists.rows(none)], [], 0
        reached_by, size = self._finder(keys, ties)
        for start in range(0, len(self.queries), size):
            waiting.append(reached_by(start))
            pairs += len(waiting[-1][0])
            if start + size < len(self.queries) and pairs * len(keys) < MERGE_PLACES:
                continue
            near, columns, distances = (torch.cat(parts) for parts in zip(*waiting, strict=True))
            waiting, pairs = [], 0
            if len(near) == 0:
                continue
            reached, place = torch.unique_consecutive(near, return_inverse=True)
            new = RankedLists.of_pairs(place, distances, ties[columns], ids[columns], queries=len(reached))
            rows.append(reached)
            old.append(self._lists.rows(reached))
            self._lists.put(reached, merge(old[-1], new, self._lists.width))
        return _Before(ids, torch.cat(rows), RankedLists.concatenate(old))

    def _finder(self, keys: torch.Tensor, ties: torch.Tensor) -> tuple[Callable[[int], Pairs], int]:
        """Return what finds the pairs (query, new key, distance), by query, in which the key may enter the list; and its block."""
        if self._arranged is None:
            return lambda start: self._reached(start, keys), QUERY_BLOCK
        axes, size = self._arranged.axes, max(MERGE_PLACES // len(keys), 1)  # bounds the pairs found while lists are not full
        sketches = scan.Sketches(axes, len(keys))
        sketches.put(torch.arange(len(keys)), axes.sketch(keys))

        def reached(start: int) -> Pairs:
            block = self._arranged.part(start, start + size)
            near, columns, distances = scan.within(sketches.keys(keys, ties), block, self._lists.floor_distance)
            order = torch.argsort(near, stable=True)
            return near[order], columns[order], distances[order]

        return reached, size

    def _reached(self, start: int, keys: torch.Tensor) -> Pairs:
        """Return the pairs of one block of queries from a product with all new keys, within its rounding error."""
        block = slice(start, start + QUERY_BLOCK)
        least = 1 - self._lists.floor_distance[block] - score_error(self.queries.shape[1])  # no entry below it can enter
        near = scores(self.queries[block], keys)
        rows = (near.amax(1) >= least).nonzero().flatten()
        place, columns = (near[rows] >= least[rows, None]).nonzero(as_tuple=True)
        rows = rows[place] + start
        return rows, columns, pair_distances(self.queries, keys, rows, columns)

    def _marks(self, ids: torch.Tensor) -> torch.Tensor:
        """Return a mask over all ids, with one element more that stays False: the place of id -1."""
        marks = torch.zeros(self.index.top + 1, dtype=torch.bool, device=self.queries.device)
        marks[ids] = True
        return marks
