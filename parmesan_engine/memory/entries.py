"""The entries in RAM, as columns. Row number = entry id. Keys stay in the key file.

Static columns only ever grow; the others (stored, active, labels, weights, digests) are what versions differ in.
"""

from copy import copy

import numpy as np

from parmesan_engine.errors import MEND, StoreError
from parmesan_engine.memory.codec import unpack
from parmesan_engine.memory.hashing import digest_sum, ties_of
from parmesan_engine.memory.manifest import CHUNK_FIELDS
from parmesan_engine.memory.records import DIGEST_BYTES, Change

NAME_FIELDS = ("sample", "sample_hash", "gesture", "author", "source")
CHUNK_DTYPE = np.dtype([*((name, np.float64 if name == "time" else np.int64) for name in CHUNK_FIELDS),
                        ("sum", np.uint64), ("read", np.bool_)])
COLUMNS = {"parents": np.int64, "weights": np.float32, "stored": np.bool_, "active": np.bool_, "purged": np.bool_}


class Entries:
    """All rows ever written, and which of them the current version stores and uses.

    Columns of length `capacity` >= rows: coordinates (.., d) int32, parents int64 (row of the coarse key file), labels (.., L)
    float32, weights float32, digests (.., 16) uint8, and the masks stored, active (stored, not of weight 0, not pruned), purged.
    """

    def __init__(self) -> None:
        self.rows = self.coarse_rows = self.count = self.total = 0  # count, total: stored entries and their digest sum
        self.chunk_count = 0
        self.chunks = np.zeros(0, CHUNK_DTYPE)
        self.coordinates = np.zeros((0, 1), np.int32)
        self.labels = np.zeros((0, 1), np.float32)
        self.digests = np.zeros((0, DIGEST_BYTES), np.uint8)
        for name, dtype in COLUMNS.items():
            setattr(self, name, np.zeros(0, dtype))
        self.names: dict[int, str] = {0: ""}
        self.codes: dict[str, int] = {"": 0}
        self.last_code = 0
        self._ids: np.ndarray | None = None

    @property
    def ids(self) -> np.ndarray:
        """Active ids, ascending."""
        if self._ids is None:
            self._ids = np.flatnonzero(self.active[: self.rows])
            self._ids.flags.writeable = False
        return self._ids

    def ties(self, ids: np.ndarray) -> np.ndarray:
        return ties_of(self.digests[ids])

    @property
    def chunk_table(self) -> np.ndarray:
        return self.chunks[: self.chunk_count]

    def chunk_of(self, ids: np.ndarray) -> np.ndarray:
        """Return the (n,) index into `chunk_table` of each row."""
        return np.searchsorted(self.chunk_table["first"], ids, side="right") - 1

    def chunks_of_coarse(self, parents: np.ndarray) -> np.ndarray:
        """Return the (n,) indices into `chunk_table` of all blocks that may use coarse rows: a large batch has several."""
        begins = self.chunk_table["coarse_first"]
        last = np.unique(np.searchsorted(begins, np.unique(parents), side="right") - 1)
        return np.flatnonzero(np.isin(begins, begins[last]))

    def add_names(self, names: list[tuple[int, str]]) -> None:
        """Learn (code, text) pairs, ascending, of names that came to the manifest."""
        self.last_code = names[-1][0] if names else self.last_code
        self.names.update(names)
        self.codes.update((text, code) for code, text in names)

    def reserve(self, rows: int) -> None:
        """Make room for `rows` rows in all, growing by half so that appends stay cheap."""
        if rows > len(self.stored):
            capacity = max(rows, len(self.stored) * 3 // 2)
            for name in (*COLUMNS, "coordinates", "labels", "digests"):
                old = getattr(self, name)
                new = np.zeros((capacity, *old.shape[1:]), old.dtype)
                new[: self.rows] = old[: self.rows]
                setattr(self, name, new)

    def append_chunk(self, fields: tuple, data: bytes) -> None:
        """Add the rows of one chunk as read from the manifest. They count as stored once a change says so."""
        arrays, extra = unpack(data)
        try:
            row = np.array([(*fields, extra["rows"], False)], CHUNK_DTYPE)  # read: compared with the sum of its rows
            if row["first"][0] != self.rows or row["count"][0] != len(arrays["digests"]):
                raise ValueError(f"{row['count'][0]} from {row['first'][0]} on")
        except (TypeError, ValueError, OverflowError) as error:
            raise StoreError(f"a block of {len(arrays['digests'])} entries from {self.rows} on", str(error), MEND) from error
        first, stop = int(row["first"][0]), int(row["first"][0] + row["count"][0])
        if self.rows == 0:
            self.coordinates = np.zeros((len(self.stored), arrays["coordinates"].shape[1]), np.int32)
        self.reserve(stop)
        self.widen(arrays["labels"].shape[1])
        part = slice(first, stop)
        for name in ("coordinates", "parents", "weights", "digests"):
            getattr(self, name)[part] = arrays[name]
        self.labels[part, : arrays["labels"].shape[1]] = arrays["labels"]
        self.purged[part] = ~arrays["digests"].any(axis=1)
        if self.chunk_count == len(self.chunks):
            self.chunks = np.concatenate([self.chunks, np.zeros(max(16, len(self.chunks)), CHUNK_DTYPE)])
        self.chunks[self.chunk_count] = row[0]
        self.chunk_count += 1
        self.rows, self.coarse_rows = stop, int(row["coarse_first"][0] + row["coarse_count"][0])

    def widen(self, width: int) -> None:
        """Pad label rows with zeros for classes that came later."""
        if width > self.labels.shape[1]:
            self.labels = np.pad(self.labels, ((0, 0), (0, width - self.labels.shape[1])))

    def apply(self, change: Change) -> None:
        """Make a change of the stored set. `active` follows in a step of its own (see Memory)."""
        self.total = self.total_after(change)
        self.stored[change.removed] = False
        self.stored[change.added] = True
        self.count += len(change.added) - len(change.removed)
        modified = change.modified
        if len(modified.ids):
            self.widen(modified.labels_after.shape[1])
            self.labels[modified.ids] = 0
            self.labels[modified.ids, : modified.labels_after.shape[1]] = modified.labels_after
            self.weights[modified.ids] = modified.weights_after
            self.digests[modified.ids] = modified.digests_after
        self._ids = None

    def total_after(self, change: Change, fresh: int = 0) -> int:
        """Return the digest sum after a change. fresh: digest sum of rows in it that are not appended yet."""
        added, modified = change.added[change.added < self.rows], change.modified
        total = self.total + fresh + digest_sum(self.digests[added]) - digest_sum(self.digests[change.removed])
        if len(modified.ids):
            counts = np.isin(modified.ids, added) | (self.stored[modified.ids] & ~np.isin(modified.ids, change.removed))
            total += digest_sum(modified.digests_after[counts]) - digest_sum(self.digests[modified.ids[counts]])
        return total

    def activate(self, active: np.ndarray) -> None:
        """Set which rows are used; (capacity,) mask."""
        self.active, self._ids = active, None

    def active_among(self, ids: np.ndarray) -> np.ndarray:
        """Return the (n,) mask of ids that are used; False for rows that are not there yet."""
        known = ids < self.rows
        return known & self.active[np.where(known, ids, 0)] if self.rows else known

    def copy(self) -> "Entries":
        """Return an independent state that shares the static columns."""
        other = copy(self)
        for name in ("stored", "active", "labels", "weights", "digests"):
            setattr(other, name, getattr(self, name).copy())
        return other
