"""Exact search of one processor's keys with the compiled kernel: keeps the keys' sketches in the kernel's order and calls it.

Neighbouring rows share a panel, a block and its bounding box, so most blocks are never looked at; queries are arranged in
the same way, so neighbouring queries look at the same blocks while these are in the cache.
"""

import ctypes

import torch

from parmesan_engine.search import kernel
from parmesan_engine.search.sketch import SCALE, Axes

ARRAYS = ("_panels", "_half", "_boxes", "_clusters")
NO_ROOM = "not enough memory for this search; close other programs, or ask for fewer queries at a time"
EMPTY_BOX = torch.tensor([1e6, -1e6])  # a box that nothing is in, far from everything


class Sketches:
    """The sketches of the rows in slots 0 .. capacity - 1, with a bounding box for each block of them."""

    def __init__(self, axes: Axes, capacity: int = 0) -> None:
        library = kernel.load()
        self.axes, self.panel, self.block, self.cluster = axes, library.panel_rows(), library.block_rows(), library.cluster_blocks()
        clusters = -(-capacity // (self.block * self.cluster))
        blocks = clusters * self.cluster
        panels = blocks * self.block // self.panel
        self._panels = torch.zeros((panels, axes.columns // 2, self.panel, 2), dtype=torch.int16)
        self._half = torch.zeros((panels, self.panel), dtype=torch.int32)
        self._boxes = EMPTY_BOX[:, None].repeat(blocks, 1, library.box_columns())
        self._clusters = EMPTY_BOX[:, None].repeat(clusters, 1, library.box_columns())

    @property
    def bytes(self) -> int:
        return sum(getattr(self, name).nbytes for name in ARRAYS)

    def copy(self) -> "Sketches":
        """Return sketches that can change by themselves."""
        other = Sketches(self.axes)
        for name in ARRAYS:
            setattr(other, name, getattr(self, name).clone())
        return other

    def grow(self, capacity: int) -> None:
        """Make room for slots below `capacity`."""
        if capacity <= len(self._panels) * self.panel:
            return
        larger = Sketches(self.axes, capacity)
        for name in ARRAYS:
            old = getattr(self, name)
            getattr(larger, name)[: len(old)] = old
            setattr(self, name, getattr(larger, name))

    def put(self, slots: torch.Tensor, sketch: torch.Tensor) -> None:
        """Put the (n, columns) sketches of rows into their (n,) slots, and the boxes around them right."""
        if not len(slots):
            return
        slots, sketch = slots.contiguous(), sketch.contiguous()
        kernel.load().put(self._panels.data_ptr(), self._half.data_ptr(), sketch.data_ptr(), self.axes.columns, slots.data_ptr(),
                          len(slots))
        blocks = torch.unique(slots // self.block)
        inside = self._panels.view(-1, self.block // self.panel, *self._panels.shape[1:])[blocks]
        width = min(self.axes.columns, self._boxes.shape[2])
        for side, ends in enumerate((inside.amin((1, 3)), inside.amax((1, 3)))):  # (blocks, columns / 2, 2)
            self._boxes[blocks, side] = 0  # columns that a short sketch does not have
            self._boxes[blocks, side, :width] = ends.flatten(1)[:, :width].float()
        clusters = torch.unique(blocks // self.cluster)
        inside = self._boxes.view(-1, self.cluster, *self._boxes.shape[1:])[clusters]  # (clusters, blocks, 2, columns)
        self._clusters[clusters] = torch.stack([inside[:, :, 0].amin(1), inside[:, :, 1].amax(1)], 1)

    def keys(self, codes: torch.Tensor, ties: torch.Tensor) -> kernel.Keys:
        """Return the kernel's view of (N, D) codes in slots 0 .. N - 1. It keeps all of them alive."""
        view = kernel.keys_of(codes, ties=ties.data_ptr(), panels=self._panels.data_ptr(), half=self._half.data_ptr(),
                              boxes=self._boxes.data_ptr(), clusters=self._clusters.data_ptr(), columns=self.axes.columns)
        view.owner = codes, ties, *(getattr(self, name) for name in ARRAYS)
        return view


class Arranged:
    """Queries sketched for some axes, neighbours beside each other. rows: (Q, D) float32."""

    def __init__(self, rows: torch.Tensor, axes: Axes, *, sort: bool = True) -> None:
        self.axes, self.rows = axes, rows.float().contiguous()
        self.sketch = axes.sketch(self.rows)
        self.order = torch.arange(len(rows), dtype=torch.int32)
        if sort:
            arrange(self.sketch, kernel.load().tile_rows(), self.order)

    def part(self, start: int, stop: int) -> kernel.Queries:
        """Return the kernel's view of the queries that come start-th to stop-th. It keeps them alive."""
        order = self.order[start:stop]
        view = kernel.Queries(self.rows.data_ptr(), self.sketch.data_ptr(), order.data_ptr(), len(order))
        view.owner = self
        return view


def arrange(sketch: torch.Tensor, leaf: int, order: torch.Tensor) -> None:
    """Sort the (n,) int32 `order` in place so that neighbours in the (n, columns) sketch share a run of `leaf`."""
    kernel.load().arrange(sketch.data_ptr(), sketch.shape[1], len(order), leaf, order.data_ptr(), torch.get_num_threads())


def nearest(keys: kernel.Keys, queries: kernel.Queries, distances: torch.Tensor, slots: torch.Tensor) -> int:
    """Write the nearest of some queries into their rows of (Q, width) float32 and int64; return how many distances it took.

    Ascending by (distance, tie). Needs width <= number of keys.
    """
    width = distances.shape[1]
    taken = kernel.load().nearest(keys, queries, SCALE, width, distances.data_ptr(), slots.data_ptr(), torch.get_num_threads())
    if taken < 0:
        raise MemoryError(NO_ROOM)
    return taken


def within(keys: kernel.Keys, queries: kernel.Queries, limits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return (P,) queries, slots and distances of all pairs no farther apart than the query's float32 limit, in no order."""
    library, count, limits = kernel.load(), ctypes.c_int64(), limits.float().contiguous()
    found = library.within(keys, queries, SCALE, limits.data_ptr(), torch.get_num_threads(), count)
    if found is None:
        raise MemoryError(NO_ROOM)
    rows, slots = (torch.empty(count.value, dtype=torch.int64) for _ in range(2))
    distances = torch.empty(count.value, dtype=torch.float32)
    library.take_pairs(found, rows.data_ptr(), slots.data_ptr(), distances.data_ptr())
    return rows, slots, distances


def pair_distances(queries: torch.Tensor, codes: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """As `distance.pair_distances`, by the kernel: the same bits as `nearest` and `within` give."""
    queries, codes, rows, columns = queries.float().contiguous(), codes.contiguous(), rows.long().contiguous(), columns.long().contiguous()
    out = torch.empty(len(rows), dtype=torch.float32)
    keys = kernel.keys_of(codes)
    if not kernel.load().pair_distances(keys, queries.data_ptr(), rows.data_ptr(), columns.data_ptr(), len(rows), out.data_ptr(),
                                        torch.get_num_threads()):
        raise MemoryError(NO_ROOM)
    return out


def rows_with(ids: torch.Tensor, dead: torch.Tensor) -> torch.Tensor:
    """Return the ascending rows of (Q, W) int64 ids, -1 where there is none, that hold an id marked in the bool `dead`."""
    ids, dead = ids.contiguous(), dead.contiguous()
    marks = torch.empty(len(ids), dtype=torch.bool)
    kernel.load().mark_rows(ids.data_ptr(), *ids.shape, dead.data_ptr(), marks.data_ptr(), torch.get_num_threads())
    return marks.nonzero().flatten()
