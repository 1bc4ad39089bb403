"""Live search: keep each query's neighbours and, when the memory changes, search only what changed.

Added entries are compared with all queries (one small matrix product) and merged into the few lists they reach; removed
entries are taken out of the lists, which keep spare neighbours, so that seldom a query must be searched again. By the
floors of `ranking` the first k always equal those of a full search, bit for bit.
"""

from collections.abc import Callable

import torch

from parmesan_engine.search.distance import pair_distances, score_error, scores
from parmesan_engine.search.exact import ExactIndex
from parmesan_engine.search.ranking import RankedLists, merge
from parmesan_engine.types import Neighbors

SLACK = 2  # neighbours kept per neighbour used; removals then seldom need a new search (performance.md)
QUERY_BLOCK = 2048  # scores of a block stay in the cache
NEW_BLOCK = 2048  # new entries compared at a time


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

    @property
    def neighbors(self) -> Neighbors:
        """The current (Q, k) neighbours. The tensors are views: copy them before the next change."""
        return Neighbors(self._lists.distances[:, : self.k], self._lists.ids[:, : self.k])

    def rows(self, rows: torch.Tensor) -> Neighbors:
        """Return a copy of the (n, k) current neighbours of some queries."""
        return Neighbors(self._lists.distances[rows, : self.k], self._lists.ids[rows, : self.k])

    def added(self, ids: torch.Tensor, keys: torch.Tensor, ties: torch.Tensor) -> torch.Tensor:
        """Take up new entries; return the rows whose lists changed."""
        changed = [torch.empty(0, dtype=torch.int64, device=self.queries.device)]
        for start in range(0, len(ids), NEW_BLOCK):
            part = slice(start, start + NEW_BLOCK)
            changed += self._added(ids[part], keys[part].contiguous(), ties[part])
        return torch.unique(torch.cat(changed))

    def removed(self, ids: torch.Tensor) -> torch.Tensor:
        """Drop entries that the index no longer has; return the rows whose lists changed."""
        if len(ids) == 0:
            return ids
        rows = self._lists.drop(self._marks(ids))
        lost = self._lists.uncertain(self.k)
        if len(lost):
            self.searched_again += len(lost)
            self._lists.put(lost, self.index.ranked(self.queries[lost], self.k, width=self._lists.width))
        return rows

    def _added(self, ids: torch.Tensor, keys: torch.Tensor, ties: torch.Tensor) -> list[torch.Tensor]:
        width, error = self._lists.width, score_error(self.queries.shape[1])
        changed = []
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
            rows += start
            self._lists.put(rows, merge(self._lists.rows(rows), new, width))
            changed.append(rows)
        return changed

    def _marks(self, ids: torch.Tensor) -> torch.Tensor:
        """Return a mask over all ids, with one element more that stays False: the place of id -1."""
        top = max(int(ids.max()), int(self._lists.ids.max())) + 2
        marks = torch.zeros(top, dtype=torch.bool, device=self.queries.device)
        marks[ids] = True
        return marks
