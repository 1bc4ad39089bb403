"""Reading one version of a memory: the same for the current version (`Memory`) and an older one (`Checkout`)."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from parmesan_engine.errors import MEND, ShapeError, StoreError, UnknownNameError, VersionError
from parmesan_engine.memory.consolidate import consolidate
from parmesan_engine.memory.entries import Entries
from parmesan_engine.memory.hashing import lots_of, ties_of, version_of
from parmesan_engine.memory.keyfile import KeyArray, KeyFile
from parmesan_engine.memory.records import Change
from parmesan_engine.memory.sums import stored_sum
from parmesan_engine.types import MemoryDelta, Provenance, TaskSpec

UNKNOWN_EPOCH = -1  # of a state in RAM that must be loaded again, or is being loaded


@dataclass(frozen=True)
class Overview:
    """Entries for tables, as columns of equal length. `names[code]` is the text of a code.

    label: class id (most of the histogram) or the value; weight: 0 for an entry that is switched off.
    """

    ids: np.ndarray
    sample: np.ndarray
    source: np.ndarray
    author: np.ndarray
    gesture: np.ndarray
    label: np.ndarray
    weight: np.ndarray
    time: np.ndarray
    names: dict[int, str]


class Reader:
    """Columns of one version. Every id of a row that is not purged can be read, also when it is not active.

    Thread-safe: several threads may read one object while another commits through it.
    """

    def __init__(
        self,
        entries: Entries,
        task: TaskSpec,
        keys: KeyFile | KeyArray,
        coarse: KeyFile | KeyArray,
        novelty: float,
        purge_epoch: Callable[[], int],
        lock: threading.RLock,
    ) -> None:
        self._entries, self._task, self._novelty = entries, task, novelty
        self._keys, self._coarse = keys, coarse
        self._purge_epoch = purge_epoch
        self._known_epoch = purge_epoch()
        self._lock = lock

    @property
    def task(self) -> TaskSpec:
        return self._task

    @property
    def channels(self) -> int:
        return self._keys.channels

    @property
    def key_format(self) -> str:
        """How keys are stored: "float32" or "float16"."""
        return self._keys.format

    @property
    def novelty(self) -> float:
        return self._novelty

    @property
    def version(self) -> str:
        """32 hex digits over the content: equal content, equal version, whatever the order and the history."""
        return version_of(self._entries.total, self._novelty)

    @property
    def ids(self) -> np.ndarray:
        """Active entry ids, ascending (n,) int64, read-only."""
        with self._lock:
            return self._entries.ids

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def stored(self) -> int:
        """Number of entries in this version, those switched off or held back by novelty pruning included."""
        return self._entries.count

    def is_stored(self, ids: np.ndarray) -> np.ndarray:
        """Return the (n,) mask of entries that this version holds, active or not; the others were removed."""
        with self._lock:
            return self._entries.stored[self._checked(ids)]

    def _checked(self, ids: np.ndarray) -> np.ndarray:
        ids = np.atleast_1d(np.asarray(ids))
        if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
            raise ShapeError(
                "a flat array of integer entry ids",
                f"{ids.dtype} of shape {ids.shape}",
                "pass ids as the memory gave them",
            )
        ids = ids.astype(np.int64, copy=False)
        bad = (ids < 0) | (ids >= self._entries.rows)
        if not bad.any():
            bad = self._entries.purged[ids]
        if bad.any():
            raise UnknownNameError(
                "ids of entries in this memory", f"{int(ids[bad][0])}", "ask the memory for its ids again"
            )
        return ids

    def keys(self, ids: np.ndarray) -> np.ndarray:
        """Return the (n, D) float32 features of entries, a fresh array. Raises VersionError when purged meanwhile."""
        with self._lock:
            ids = self._checked(ids)
            self._compare_sums(self._entries, self._entries.chunk_of(ids))
            rows = self._keys.read(ids)
            self._check_not_purged()
            return rows

    def coarse_keys(self, parents: np.ndarray) -> np.ndarray:
        """Return the (n, D) float32 features of coarse nodes, by the numbers that `parents` gives."""
        with self._lock:
            parents = np.atleast_1d(np.asarray(parents)).astype(np.int64, copy=False)
            if parents.size and not 0 <= parents.min() <= parents.max() < self._entries.coarse_rows:
                raise UnknownNameError(
                    "coarse nodes of this memory", f"{parents.min()} to {parents.max()}", "use memory.parents"
                )
            self._compare_sums(self._entries, self._entries.chunks_of_coarse(parents))
            rows = self._coarse.read(parents)
            self._check_not_purged()
            return rows

    def _compare_sums(self, entries: Entries, chunks: np.ndarray) -> None:
        """Compare the rows of blocks with their checksums, each block once in a process. Raises StoreError, VersionError."""
        table = entries.chunk_table
        for place in np.unique(chunks[~table["read"][chunks]]).tolist():
            first, rows = int(table["first"][place]), slice(table["first"][place], table["first"][place] + table["count"][place])
            found = stored_sum(self._keys, self._coarse, first, entries.purged[rows], entries.parents[rows])
            if found != table["sum"][place]:
                if self._known_epoch != UNKNOWN_EPOCH:
                    self._check_not_purged()
                raise StoreError(f"the features of entries {first} to {rows.stop - 1} as they were stored", "others in the key files", MEND)
            table["read"][place] = True

    def check(self) -> None:
        """Raise VersionError when examples were unlearned since this version was read: it must not be used any more."""
        with self._lock:
            self._check_not_purged()

    def _check_not_purged(self) -> None:
        """Reading comes first: another process counts its purge up before it overwrites a row."""
        if self._purge_epoch() != self._known_epoch:
            raise VersionError(
                "a version whose examples still exist",
                "examples that were unlearned meanwhile",
                "refresh, and start again with the new version",
            )

    def _column(self, name: str, ids: np.ndarray) -> np.ndarray:
        with self._lock:
            return getattr(self._entries, name)[self._checked(ids)]

    def labels(self, ids: np.ndarray) -> np.ndarray:
        """Return the (n, L) float32 labels, padded with zeros for classes that came later."""
        with self._lock:
            self._entries.widen(self._task.label_dim)
            return self._column("labels", ids)[:, : self._task.label_dim]

    def answers(self, ids: np.ndarray) -> np.ndarray:
        """Return the (n,) class id, int64 (most of the histogram), or float32 value of each entry."""
        labels = self.labels(ids)
        return labels.argmax(axis=1) if self._task.kind == "segmentation" else labels[:, 0]

    def weights(self, ids: np.ndarray) -> np.ndarray:
        return self._column("weights", ids)

    def parents(self, ids: np.ndarray) -> np.ndarray:
        """Return the (n,) int64 number of the coarse node of each entry."""
        return self._column("parents", ids)

    def coordinates(self, ids: np.ndarray) -> np.ndarray:
        """Return (n, spatial_dims) int64 pixel coordinates."""
        return self._column("coordinates", ids).astype(np.int64)

    def ties(self, ids: np.ndarray) -> np.ndarray:
        """Return (n,) int64 keys that depend on the content only; they order entries at equal distances."""
        return ties_of(self._column("digests", ids))

    def lots(self, ids: np.ndarray) -> np.ndarray:
        """Return (n,) uint64 numbers, even and independent, that depend on the content only (see `budget`)."""
        return lots_of(self._column("digests", ids))

    def provenance(self, ids: np.ndarray) -> list[Provenance]:
        with self._lock:
            ids, names = self._checked(ids), self._entries.names
            rows, places = (
                self._entries.chunk_table[self._entries.chunk_of(ids)],
                self._entries.coordinates[ids].tolist(),
            )
            return [
                Provenance(
                    names[int(row["sample"])],
                    names[int(row["sample_hash"])],
                    tuple(place),
                    names[int(row["gesture"])],
                    names[int(row["author"])],
                    names[int(row["source"])],
                    float(row["time"]),
                    int(row["experience"]),
                )
                for row, place in zip(rows, places, strict=True)
            ]

    def groups(self, ids: np.ndarray) -> list[np.ndarray]:
        """Return ascending ids in parts that share sample, gesture, author, source and time."""
        with self._lock:
            ids = self._checked(ids)
            return np.split(ids, np.flatnonzero(np.diff(self._entries.chunk_of(ids))) + 1) if len(ids) else []

    def born(self, ids: np.ndarray) -> np.ndarray:
        """Return the (n,) number (`seq`) of the version that learned each entry."""
        with self._lock:
            return self._entries.chunk_table["seq"][self._entries.chunk_of(self._checked(ids))]

    def samples_of(self, ids: np.ndarray) -> list[str]:
        """Return the ids of the samples that entries come from, each once, in alphabetical order."""
        with self._lock:
            codes = self._entries.chunk_table["sample"][self._entries.chunk_of(self._checked(ids))]
            return sorted(self._entries.names[int(code)] for code in np.unique(codes))

    def columns(self, *, stored: bool = False) -> Overview:
        """Return all active entries as columns for tables. stored: all that this version holds, active or not."""
        with self._lock:
            entries, table = self._entries, self._entries.chunk_table
            ids = np.flatnonzero(entries.stored[: entries.rows]) if stored else entries.ids
            chunks = self._entries.chunk_of(ids)
            codes = {name: table[name][chunks] for name in ("sample", "source", "author", "gesture", "time")}
            return Overview(
                ids,
                label=self.answers(ids),
                weight=self._entries.weights[ids],
                **codes,
                names=dict(self._entries.names),
            )

    def select(
        self,
        *,
        source: str | None = None,
        sample: str | None = None,
        author: str | None = None,
        gesture: str | None = None,
        before: float | None = None,
        label: int | None = None,
        coordinates: tuple[str, np.ndarray] | None = None,
        removed: bool = False,
    ) -> np.ndarray:
        """Return ascending ids of the stored entries that meet all conditions.

        Entries switched off or held back by novelty pruning are among them, so that forgetting reaches them. before: time in
        seconds since 1970; label: class id; coordinates: (sample id, (m, spatial_dims) pixels); removed=True also gives
        entries that only older versions hold: what `unlearn` must have to leave nothing behind.
        """
        with self._lock:
            table, codes = self._entries.chunk_table, self._entries.codes
            wanted = np.ones(len(table), bool)
            for name, text in (
                ("source", source),
                ("sample", sample),
                ("author", author),
                ("gesture", gesture),
                ("sample", coordinates and coordinates[0]),
            ):
                if text is not None:
                    wanted &= table[name] == codes.get(text, -1)
            if before is not None:
                wanted &= table["time"] < before
            mask = np.repeat(wanted, table["count"])
            rows = self._entries.rows
            mask &= ~self._entries.purged[:rows] if removed else self._entries.stored[:rows]
            ids = np.flatnonzero(mask)
            if label is not None:
                ids = ids[self.answers(ids) == label]
            return ids if coordinates is None else ids[self._within(ids, np.asarray(coordinates[1]))]

    def _within(self, ids: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Return the (n,) mask of entries whose coordinates are among (m, spatial_dims) places."""
        own = self._entries.coordinates[ids].astype(np.int64)
        if places.ndim != 2 or (len(own) and places.shape[1] != own.shape[1]):
            raise ShapeError(f"(m, {own.shape[1]}) coordinates", f"shape {places.shape}", "give one row per pixel")
        if not len(own):
            return np.zeros(0, bool)
        sizes = own.max(axis=0) + 1
        places = places[((places >= 0) & (places < sizes)).all(axis=1)].astype(np.int64)
        return np.isin(
            np.ravel_multi_index(tuple(own.T), tuple(sizes)), np.ravel_multi_index(tuple(places.T), tuple(sizes))
        )

    def without(self, ids: np.ndarray, returning: np.ndarray) -> "Checkout":
        """Return the version that removing entries `ids` and reviving removed entries `returning` would make; commits nothing.

        Ids that are removed already, or are there already, stay as they are.
        """
        with self._lock:
            self._check_not_purged()
            entries, back, gone = self._entries.copy(), np.unique(self._checked(returning)), np.unique(self._checked(ids))
            entries.apply(Change(back[~entries.stored[back]], gone[entries.stored[gone]]))
            entries.activate(self._active_of(entries))
            return Checkout(entries, self._task, self._keys, self._coarse, self._novelty, self._purge_epoch, self._lock)

    def _active_of(self, entries: Entries) -> np.ndarray:
        """Return the mask of the entries that are used: stored, not switched off by weight 0, kept by novelty among those."""
        on = entries.stored & (entries.weights > 0)
        if not self._novelty:
            return on
        ids = np.flatnonzero(on)
        active = np.zeros_like(on)
        active[ids] = self._consolidated(entries, ids)[0]
        return active

    def _consolidated(self, entries: Entries, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values = self._task.kind == "regression"
        labels = entries.labels[ids][:, 0] if values else entries.labels[ids].argmax(axis=1)
        self._compare_sums(entries, entries.chunk_of(ids))
        return consolidate(self._keys.read(ids), labels, entries.ties(ids), self._novelty, values=values)


def difference(old: Reader | tuple, new: Reader | tuple, verb: str) -> MemoryDelta:
    """Return what changes from one version to another of the same memory. A tuple is what `mark` returned."""
    before, after = (side if isinstance(side, tuple) else mark(side) for side in (old, new))
    (version_before, active_before, digests_before), (version_after, active_after, digests_after) = before, after
    rows = min(len(active_before), len(active_after))
    longer = active_after if len(active_after) > rows else active_before
    both = active_before[:rows] & active_after[:rows]
    tail = np.flatnonzero(longer[rows:]) + rows
    added = np.flatnonzero(active_after[:rows] & ~active_before[:rows])
    removed = np.flatnonzero(active_before[:rows] & ~active_after[:rows])
    kept = np.flatnonzero(both)
    modified = kept[(digests_before[kept] != digests_after[kept]).any(axis=1)]
    if longer is active_after:
        added = np.concatenate([added, tail])
    else:
        removed = np.concatenate([removed, tail])
    return MemoryDelta(version_before, version_after, added, removed, modified, verb)


def mark(reader: Reader) -> tuple[str, np.ndarray, np.ndarray]:
    """Return copies of what `difference` needs to know of a version that is about to change."""
    with reader._lock:
        entries = reader._entries
        return reader.version, entries.active[: entries.rows].copy(), entries.digests[: entries.rows].copy()


class Checkout(Reader):
    """An older version, read-only, with the reading interface of `Memory`."""
