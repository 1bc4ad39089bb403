"""Checksums of the rows in the key files: one per block of entries, compared when a process first reads rows of the block.

A sum counts the rows that are not purged and the coarse nodes that these use: so it is right before and after an unlearn
overwrites the others, also when it was killed in between.
"""

import zlib

import numpy as np

from parmesan_engine.memory.keyfile import KeyArray, KeyFile


def sum_of(rows: np.ndarray, coarse: np.ndarray) -> int:
    """Return the CRC-32 of (n, D) and of (m, D) float32 features, as the upper and the lower half of one number."""
    return zlib.crc32(np.ascontiguousarray(rows, "<f4")) << 32 | zlib.crc32(np.ascontiguousarray(coarse, "<f4"))


def stored_sum(keys: KeyFile | KeyArray, coarse: KeyFile | KeyArray, first: int, purged: np.ndarray, parents: np.ndarray) -> int:
    """Return the sum of a block as the files hold it now. purged: (n,) mask, parents: (n,) int64, of its rows from `first` on."""
    kept = np.flatnonzero(~purged)
    return sum_of(keys.read(first + kept), coarse.read(np.unique(parents[kept])))
