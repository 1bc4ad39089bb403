"""Exact search by brute force that rarely looks twice: on a CPU the compiled kernel, else a fast scan and a certificate.

With the kernel (`scan`, `sketch`), lower bounds rule out nearly all entries and exact distances order the rest. Without it,
Faiss' blocked scan on a CPU, a fused scan on a GPU (`gpu`): candidates, ordered by exact distances; where the rounding
bound cannot tell the k-th neighbour from the first one left out, the query is settled by a second scan that keeps every
entry within the bound. Either way the result is that of exact arithmetic on the pair distances, ties by content.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
import torch

from parmesan_engine.errors import LimitError, ShapeError
from parmesan_engine.search import kernel, scan
from parmesan_engine.search.codes import decode, rounding
from parmesan_engine.search.distance import load_faiss, pair_distances, score_error, scores
from parmesan_engine.search.gpu import scan_gpu
from parmesan_engine.search.ranking import FIRST, RankedLists, merge
from parmesan_engine.search.rows import Rows
from parmesan_engine.search.sketch import Axes
from parmesan_engine.types import Neighbors

QUERY_CHUNK = 16384  # queries between two progress reports
WIDER = 8  # a longer list for the queries that one bound leaves open: on a GPU far cheaper than to settle them
SETTLE_ROWS, SETTLE_KEYS = 64, 65536  # tile of the second scan: 16 MiB of scores
REARRANGE, FEW = 2, 1024  # rows are arranged anew when there are so many times (and so many) more than the last time,
FOREIGN = 1 / 8  # or when so many of them lie where others were, among rows that they are unlike
MOVED = 1 << 20  # rows moved at a time, so that an index in a file is never in RAM as a whole


class ExactIndex(Rows):
    """The nearest entries by cosine distance, exactly. What it holds and how: `Rows`.

    >>> index = ExactIndex(channels=2)
    >>> index.add(torch.tensor([7, 9]), torch.eye(2), torch.tensor([0, 1]))
    >>> index.search(torch.tensor([[0.0, 1.0]]), 2).ids.tolist()
    [[9, 7]]
    """

    exact = True
    takes_coarse = False  # whether entries and queries may come with the keys of their coarse nodes

    def __init__(self, *, channels: int, device: str = "cpu", key_format: str = "float32", folder: str | Path | None = None) -> None:
        super().__init__(channels=channels, device=device, key_format=key_format, folder=folder)
        self._compiled = not self.on_gpu and kernel.load() is not None
        self._sketches: scan.Sketches | None = None
        self._arranged = self._foreign = 0  # entries when the rows were last put in the order of neighbours; rows put among them since

    @property
    def note(self) -> str:
        """What a prediction says of this search where it is not that of the keys as they came; else empty."""
        return f"exact among {rounding(self.key_format)}" if rounding(self.key_format) else ""

    @property
    def bytes_per_entry(self) -> float:
        """Bytes of the arrays in use, sketches included, over the number of entries; nan when there is none."""
        return super().bytes_per_entry + (self._sketches.bytes / len(self) if self._sketches and len(self) else 0)

    def copy(self) -> Self:
        """Return an index with the same entries that can change by itself."""
        other = super().copy()
        other._sketches, other._arranged, other._foreign = self._sketches and self._sketches.copy(), self._arranged, self._foreign
        return other

    def search(self, queries: torch.Tensor, k: int) -> Neighbors:
        """Return the k nearest entries of each of (Q, D) unit queries; rows are filled up with -1 where N < k."""
        lists = self.ranked(queries, k, width=k if self._compiled else k + min(k, 16))
        return Neighbors(lists.distances[:, :k].contiguous(), lists.ids[:, :k].contiguous())

    def ranked(self, queries: torch.Tensor, k: int, *, width: int,
               progress: Callable[[float], None] | None = None) -> RankedLists:
        """Return ranked lists of at least `width` entries whose first k are exact (see `ranking`)."""
        check_query(self, queries, k, width)
        result = RankedLists.empty(len(queries), width, self.device)
        if len(self) == 0:
            if progress:
                progress(1.0)
            return result
        if self._sketches:
            self._nearest(queries, result, progress)
            return result
        for start in range(0, len(queries), QUERY_CHUNK):
            rows = torch.arange(start, min(start + QUERY_CHUNK, len(queries)), device=self.device)
            part = self._ranked(queries[start : start + QUERY_CHUNK], width)
            uncertain = part.uncertain(k)
            if len(uncertain) and self.on_gpu:
                wider = self._ranked(queries[start + uncertain], WIDER * width)
                wider.cut(width)
                part.put(uncertain, wider)
                uncertain = part.uncertain(k)
            if len(uncertain):
                self._settle(queries[start : start + QUERY_CHUNK], part, uncertain, k)
            result.put(rows, part)
            if progress:
                progress(float(rows[-1] + 1) / len(queries))
        return result

    def _changed(self, slots: torch.Tensor) -> None:
        """Keep the sketches of the rows in some slots right; arrange all rows anew when there are many more."""
        if not self._compiled or len(self) == 0:
            return
        self._foreign += int((slots < self._arranged).sum())
        if self._sketches is None or len(self) > REARRANGE * self._arranged + FEW or self._foreign > FOREIGN * self._arranged + FEW:
            self._arrange()
        elif len(slots):
            sketches, self._sketches = self._sketches, None  # should this fail, for want of room, the search goes on without
            sketches.grow(len(self._codes))
            sketches.put(slots, sketches.axes.sketch(self._codes[slots]))
            self._sketches = sketches

    def _arrange(self) -> None:
        """Put the rows in an order in which neighbours are together, on axes fitted to them, and sketch them all."""
        self._sketches, self._arranged, self._foreign = None, 0, 0  # should this fail, for want of room, the search goes on without
        axes = Axes.fit(self.codes)
        sketch, order = axes.sketch(self.codes), torch.arange(len(self), dtype=torch.int32)
        sketches = scan.Sketches(axes, len(self._codes))
        scan.arrange(sketch, sketches.block, order)
        order = order.long()
        sketches.put(torch.arange(len(self)), sketch[order])
        moved = {name: self._moved(getattr(self, name), order) for name in self._arrays}
        for name, array in moved.items():
            setattr(self, name, array)
        self._slots[self.ids] = torch.arange(len(self))
        self._sketches, self._arranged = sketches, len(self)

    def _moved(self, old: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
        """Return an array like `old` with its first rows in another order."""
        new = self._array(old.shape, old.dtype)
        for start in range(0, len(order), MOVED):
            new[start : min(start + MOVED, len(order))] = old[order[start : start + MOVED]]
        return new

    def _nearest(self, queries: torch.Tensor, lists: RankedLists, progress: Callable[[float], None] | None) -> None:
        """Fill the lists by the kernel: as long as they are, and exact to their ends."""
        m = min(lists.width, len(self))
        arranged = scan.Arranged(queries, self._sketches.axes)
        distances, slots = torch.empty((len(queries), m), dtype=torch.float32), torch.empty((len(queries), m), dtype=torch.int64)
        for start in range(0, len(queries), QUERY_CHUNK):
            scan.nearest(self._sketches.keys(self.codes, self.ties), arranged.part(start, start + QUERY_CHUNK), distances, slots)
            if progress:
                progress(min(start + QUERY_CHUNK, len(queries)) / len(queries))
        lists.distances[:, :m], lists.ties[:, :m], lists.ids[:, :m] = distances, self._ties[slots], self._ids[slots]
        if m < len(self):
            lists.floor_distance, lists.floor_tie = lists.distances[:, m - 1].clone(), lists.ties[:, m - 1].clone()

    def _ranked(self, queries: torch.Tensor, width: int) -> RankedLists:
        m = min(width, len(self))
        lists = RankedLists.empty(len(queries), width, self.device)
        slots, floor = self._candidates(queries, m)
        rows = torch.arange(len(queries), device=self.device).repeat_interleave(m)
        distances = pair_distances(queries, self.codes, rows, slots.flatten())
        lists.distances[:, :m] = distances.reshape(-1, m)
        lists.ties[:, :m], lists.ids[:, :m] = self._ties[slots], self._ids[slots]
        if m < len(self):
            lists.floor_distance = floor
            lists.floor_tie.fill_(FIRST)
        lists.sort()
        return lists

    def _candidates(self, queries: torch.Tensor, m: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (Q, m) slots and the (Q,) distances below which every entry is among them."""
        if self.on_gpu:
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
            for first in range(0, len(self), SETTLE_KEYS):
                found = merge(found, self._within(distinct[part], limit[part], first, lists.width), lists.width)
            settled.put(torch.arange(start, start + len(limit[part]), device=self.device), found)
        lists.put(rows, settled.rows(inverse))

    def _within(self, queries: torch.Tensor, limit: torch.Tensor, first: int, width: int) -> RankedLists:
        """Return the nearest entries of one tile of keys among those no farther than `limit`."""
        keys = decode(self._codes[first : min(first + SETTLE_KEYS, len(self))])
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
