"""Exact search by brute force: a fast scan proposes candidates, exact pair distances order them, a bound certifies them.

CPU: Faiss' blocked scan over our own array (nothing is copied). GPU: a fused scan (`gpu`).
Where the bound cannot tell the k-th neighbour from the first one left out, the query is settled by a second scan that
keeps every entry within the bound, so the result is that of exact arithmetic on the pair distances, ties by content.
"""

from collections.abc import Callable

import numpy as np
import torch

from parmesan_engine.errors import LimitError, ShapeError
from parmesan_engine.search.codes import decode
from parmesan_engine.search.distance import load_faiss, pair_distances, score_error, scores
from parmesan_engine.search.gpu import scan_gpu
from parmesan_engine.search.ranking import FIRST, RankedLists, merge
from parmesan_engine.search.rows import Rows
from parmesan_engine.types import Neighbors

QUERY_CHUNK = 16384  # queries between two progress reports
SETTLE_ROWS, SETTLE_KEYS = 64, 65536  # tile of the second scan: 16 MiB of scores


class ExactIndex(Rows):
    """The nearest entries by cosine distance, exactly. What it holds and how: `Rows`.

    >>> index = ExactIndex(channels=2)
    >>> index.add(torch.tensor([7, 9]), torch.eye(2), torch.tensor([0, 1]))
    >>> index.search(torch.tensor([[0.0, 1.0]]), 2).ids.tolist()
    [[9, 7]]
    """

    exact, note = True, ""  # note: what a prediction says of the search where it is not exact
    takes_coarse = False  # whether entries and queries may come with the keys of their coarse nodes

    def search(self, queries: torch.Tensor, k: int) -> Neighbors:
        """Return the k nearest entries of each of (Q, D) unit queries; rows are filled up with -1 where N < k."""
        lists = self.ranked(queries, k, width=k + min(k, 16))
        return Neighbors(lists.distances[:, :k].contiguous(), lists.ids[:, :k].contiguous())

    def ranked(self, queries: torch.Tensor, k: int, *, width: int,
               progress: Callable[[float], None] | None = None) -> RankedLists:
        """Return ranked lists of at least `width` entries whose first k are exact (see `ranking`)."""
        check_query(self, queries, k, width)
        result = RankedLists.empty(len(queries), width, self.device)
        for start in range(0, len(queries), QUERY_CHUNK):
            rows = torch.arange(start, min(start + QUERY_CHUNK, len(queries)), device=self.device)
            part = self._ranked(queries[start : start + QUERY_CHUNK], width)
            uncertain = part.uncertain(k)
            if len(uncertain):
                self._settle(queries[start : start + QUERY_CHUNK], part, uncertain, k)
            result.put(rows, part)
            if progress:
                progress(float(rows[-1] + 1) / len(queries))
        return result

    def _ranked(self, queries: torch.Tensor, width: int) -> RankedLists:
        m = min(width, self._count)
        lists = RankedLists.empty(len(queries), width, self.device)
        if m == 0:
            return lists
        slots, floor = self._candidates(queries, m)
        rows = torch.arange(len(queries), device=self.device).repeat_interleave(m)
        distances = pair_distances(queries, self.codes, rows, slots.flatten())
        lists.distances[:, :m] = distances.reshape(-1, m)
        lists.ties[:, :m], lists.ids[:, :m] = self._ties[slots], self._ids[slots]
        if m < self._count:
            lists.floor_distance = floor
            lists.floor_tie.fill_(FIRST)
        lists.sort()
        return lists

    def _candidates(self, queries: torch.Tensor, m: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (Q, m) slots and the (Q,) distances below which every entry is among them."""
        if self.device.type != "cpu":
            return scan_gpu(queries, self.codes, m, self.scales)
        faiss = load_faiss()
        best, slots = faiss.knn(np.ascontiguousarray(queries.numpy()), self.keys.numpy(), m, metric=faiss.METRIC_INNER_PRODUCT)
        return torch.from_numpy(slots), 1 - torch.from_numpy(best[:, -1]) - score_error(self.channels)

    def _settle(self, queries: torch.Tensor, lists: RankedLists, rows: torch.Tensor, k: int) -> None:
        """Make the first k of some lists exact by collecting every entry within the error bound of their k-th distance."""
        distinct, inverse = torch.unique(queries[rows], dim=0, return_inverse=True)  # flat regions repeat one query
        limit = torch.zeros(len(distinct), device=self.device)
        limit[inverse] = lists.distances[rows, min(k, lists.width) - 1]  # equal queries have equal exact distances
        settled = RankedLists.empty(len(distinct), lists.width, self.device)
        for start in range(0, len(distinct), SETTLE_ROWS):
            part = slice(start, start + SETTLE_ROWS)
            found = RankedLists.empty(len(distinct[part]), lists.width, self.device)
            for first in range(0, self._count, SETTLE_KEYS):
                found = merge(found, self._within(distinct[part], limit[part], first, lists.width), lists.width)
            settled.put(torch.arange(start, start + len(limit[part]), device=self.device), found)
        lists.put(rows, settled.rows(inverse))

    def _within(self, queries: torch.Tensor, limit: torch.Tensor, first: int, width: int) -> RankedLists:
        """Return the nearest entries of one tile of keys among those no farther than `limit`."""
        keys = decode(self._codes[first : min(first + SETTLE_KEYS, self._count)])
        near = scores(queries, keys) >= (1 - limit - score_error(self.channels))[:, None]
        rows, columns = near.nonzero(as_tuple=True)
        distances = pair_distances(queries, keys, rows, columns)
        lists = RankedLists.of_pairs(rows, distances, self._ties[columns + first], self._ids[columns + first], queries=len(queries))
        lists.floor_distance = limit.clone()  # of_pairs left the floor's tie at LAST: all within the limit are here
        lists.cut(width)
        return lists


def check_query(index: Rows, queries: torch.Tensor, k: int, width: int) -> None:
    """Raise ShapeError or LimitError for what no index can be asked."""
    if queries.ndim != 2 or queries.shape[1] != index.channels:
        raise ShapeError(f"(Q, {index.channels}) queries", f"{tuple(queries.shape)}", "use the encoder of this memory")
    if not 1 <= k <= width:
        raise LimitError("1 <= k <= width", f"k={k}, width={width}", "choose a smaller k")
