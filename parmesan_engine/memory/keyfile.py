"""Append-only rows of features on disk (or in RAM). Which rows count is the manifest's business: rows past it are debris.

Rows go in and come out as float32; in format "float16" they are stored in half the bytes. `rounded` gives what a row comes back
as: who writes such a row changes nothing by it, so digests, ties and answers can all be taken from the rounded row.
"""

import os
from pathlib import Path

import numpy as np

from parmesan_engine.errors import MEND, LimitError, StoreError

KEY_FORMATS = {"float32": np.dtype("<f4"), "float16": np.dtype("<f2")}
ERASE_ROWS = 1 << 14


def limit_of(form: str) -> float:
    """Return the largest number that a format can hold."""
    return float(np.finfo(KEY_FORMATS[form]).max)


def rounded(keys: np.ndarray, form: str) -> np.ndarray:
    """Return float32 keys as a file of this format gives them back. Raises LimitError for what it cannot hold."""
    if form == "float32" or not keys.size:
        return keys
    largest, limit = float(np.abs(keys).max()), limit_of(form)
    if largest > limit:
        raise LimitError(f"features of at most {limit:,.0f}, which {form} can hold", f"{largest:g}",
                         "scale the features down, or make the memory with keys as float32")
    return keys.astype(KEY_FORMATS[form]).astype(np.float32)


class KeyFile:
    """Rows of `channels` little-endian numbers in one file. Reading maps the file; it is never copied as a whole."""

    def __init__(self, path: Path, channels: int, create: bool, *, keys: str = "float32") -> None:
        self.path, self.channels, self.format, self._dtype = path, channels, keys, KEY_FORMATS[keys]
        self.row_bytes = channels * self._dtype.itemsize
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o644)
        self._map = np.empty((0, channels), self._dtype)

    @property
    def rows(self) -> int:
        """Whole rows in the file, committed or not. Raises StoreError after `close`."""
        if self._file < 0:
            raise StoreError(f"an open memory at {self.path.parent}", "a closed one", "open it again")
        return os.fstat(self._file).st_size // self.row_bytes

    def write(self, first: int, keys: np.ndarray) -> None:
        """Write (n, channels) rows from row `first` on. Durable only after `sync`."""
        self._write_bytes(
            np.ascontiguousarray(keys, self._dtype).data.cast("B") if keys.size else b"", first * self.row_bytes
        )

    def _write_bytes(self, data: memoryview | bytes, offset: int) -> None:
        done = 0
        while done < len(data):  # one call writes at most 2 GiB
            done += os.pwrite(self._file, data[done:], offset + done)

    def extend(self, rows: int) -> None:
        """Make room for so many rows in all; those that were not written are zeros."""
        os.ftruncate(self._file, max(rows, self.rows) * self.row_bytes)

    def sync(self) -> None:
        os.fdatasync(self._file)

    def read(self, ids: np.ndarray) -> np.ndarray:
        """Return a fresh (n, channels) float32 array of rows `ids`, which the caller has checked."""
        if not len(ids):
            return np.empty((0, self.channels), np.float32)
        if int(ids.max()) >= len(self._map):
            self._map = self._mapped(int(ids.max()) + 1)
        if ids[-1] - ids[0] == len(ids) - 1 and (np.diff(ids) == 1).all():
            return self._map[ids[0] : ids[-1] + 1].astype(np.float32)
        return self._map.take(ids, axis=0).astype(np.float32, copy=False)

    def _mapped(self, needed: int) -> np.ndarray:
        rows = self.rows
        if rows < needed:
            raise StoreError(
                f"{needed} rows in {self.path.name}", f"{rows} rows", MEND
            )
        return np.asarray(np.memmap(self.path, self._dtype, "r", shape=(rows, self.channels)))

    def erase(self, runs: np.ndarray) -> None:
        """Overwrite the rows in (runs, 2) half-open ranges with zeros, durably."""
        for start, stop in runs.tolist():
            for first in range(start, stop, ERASE_ROWS):
                count = min(ERASE_ROWS, stop - first)
                self._write_bytes(bytes(count * self.row_bytes), first * self.row_bytes)
        self.sync()

    def cut(self, rows: int) -> None:
        """Drop what a killed writer left behind row `rows`. The caller holds the write lock."""
        if os.fstat(self._file).st_size > rows * self.row_bytes:
            os.ftruncate(self._file, rows * self.row_bytes)
            self.sync()

    def close(self) -> None:
        self._map = np.empty((0, self.channels), self._dtype)
        os.close(self._file)
        self._file = -1


class KeyArray:
    """The same rows in RAM, for memories without a folder."""

    def __init__(self, channels: int, *, keys: str = "float32") -> None:
        self.channels, self.format = channels, keys
        self._rows = np.zeros((0, channels), KEY_FORMATS[keys])
        self.row_bytes = channels * self._rows.itemsize

    @property
    def rows(self) -> int:
        return len(self._rows)

    def write(self, first: int, keys: np.ndarray) -> None:
        end = first + len(keys)
        if end > len(self._rows):
            grown = np.zeros((max(end, len(self._rows) * 3 // 2), self.channels), self._rows.dtype)
            grown[:first] = self._rows[:first]
            self._rows = grown
        self._rows[first:end] = keys

    def sync(self) -> None:
        """RAM has nothing to wait for."""

    def read(self, ids: np.ndarray) -> np.ndarray:
        return self._rows.take(ids, axis=0).astype(np.float32, copy=False)

    def erase(self, runs: np.ndarray) -> None:
        for start, stop in runs.tolist():
            self._rows[start:stop] = 0

    def cut(self, rows: int) -> None:
        self._rows = self._rows[:rows].copy()

    def close(self) -> None:
        self._rows = self._rows[:0]
