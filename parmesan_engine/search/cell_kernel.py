"""The compiled search of cells (`cells.cpp`): half of what Faiss needs, where a compiler is at hand and keys allow it."""

import ctypes
from pathlib import Path
from typing import Self

import numpy as np
import torch

from parmesan_engine.search import kernel, scan

SOURCE = Path(__file__).with_name("cells.cpp")
FLAGS = tuple(flag.replace("=off", "=fast") for flag in kernel.FLAGS)  # scores need not be equal bit for bit
HEADS = (16, 32, 64)  # columns that are looked at first, fewest first; 64 is MOST_HEAD in cells.cpp
SHARE = 0.9  # of the variance of the centres that they must hold, to rule out most entries


class _Cells(ctypes.Structure):
    """As `struct Cells` in cells.cpp."""

    _fields_ = [*((name, ctypes.c_void_p) for name in ("codes", "labels", "sizes", "centres", "columns")), ("count", ctypes.c_int64),
                ("channels", ctypes.c_int32), ("head", ctypes.c_int32)]


class CellKernel:
    """Searches cells that others own and shrink: float16 codes (n, D), labels (n,) by cell, their (C,) int64 sizes, (C, D) centres."""

    def __init__(self, library: ctypes.CDLL, columns: np.ndarray, codes: list[np.ndarray], labels: list[np.ndarray], sizes: np.ndarray,
                 centres: np.ndarray) -> None:
        self._library, self._columns = library, columns
        self._tables = [np.array([array.ctypes.data for array in arrays], np.uint64) for arrays in (codes, labels)]
        self._kept = codes, labels, sizes, centres  # what the addresses lead to
        self._cells = _Cells(*(array.ctypes.data for array in (*self._tables, sizes, centres, columns)), *centres.shape, len(columns))

    @classmethod
    def of(cls, codes: list[np.ndarray], labels: list[np.ndarray], sizes: np.ndarray, centres: np.ndarray) -> Self | None:
        """Return the kernel for some cells; None without a compiler, or where no few columns tell keys apart: then Faiss is as fast."""
        library, columns = kernel.compiled(SOURCE, FLAGS), _head(centres)
        return None if library is None or columns is None else cls(library, columns, codes, labels, sizes, centres)

    def nearest(self, queries: np.ndarray, width: int, probes: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (Q, width) labels, -1 where there are fewer, and (Q * width, D) float16 codes of about the nearest entries."""
        labels = np.empty((len(queries), width), np.int64)
        codes = np.empty((len(queries) * width, queries.shape[1]), np.float16)
        pointer, long = ctypes.c_void_p, ctypes.c_int64
        room = self._library.nearest_in_cells(ctypes.byref(self._cells), pointer(queries.ctypes.data), long(len(queries)), probes, width,
                                              pointer(labels.ctypes.data), pointer(codes.ctypes.data), torch.get_num_threads())
        if not room:
            raise MemoryError(scan.NO_ROOM)
        return labels, codes


def _head(centres: np.ndarray) -> np.ndarray | None:
    """Return the few columns that hold most of the variance of (C, D) centres, as int32; None where there are no few."""
    variance = centres.var(axis=0)
    columns = np.argsort(-variance, kind="stable").astype(np.int32)
    for head in HEADS:
        if head >= len(columns) or variance[columns[:head]].sum() >= SHARE * variance.sum():
            return np.ascontiguousarray(columns[:head])
    return None
