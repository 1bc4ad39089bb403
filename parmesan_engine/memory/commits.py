"""How a version is committed and how a memory follows the commits of other processes. The verbs are in `memory`."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from parmesan_engine.errors import MEND, StoreError
from parmesan_engine.memory import purge
from parmesan_engine.memory.checks import MAX_ROWS
from parmesan_engine.memory.codec import task_from_json
from parmesan_engine.memory.entries import Entries
from parmesan_engine.memory.hashing import version_of
from parmesan_engine.memory.history import UndoStack, checked_tag, compose, find_version
from parmesan_engine.memory.keyfile import KeyArray, KeyFile
from parmesan_engine.memory.manifest import Manifest, store_errors
from parmesan_engine.memory.reading import UNKNOWN_EPOCH, Reader, difference, mark
from parmesan_engine.memory.records import Change, Receipt, VersionRecord
from parmesan_engine.types import MemoryDelta


@dataclass(frozen=True)
class Plan:
    """A change about to be committed, with the (fields, data) of the chunks it writes and the digest sum of their rows.

    undoes: seq of the version that it reverts.
    """

    change: Change
    chunks: list[tuple[tuple, bytes]] = field(default_factory=list)
    fresh: int = 0
    undoes: int | None = None


class Committer(Reader):
    """A reader that can move: to a version it commits, or to the newest one of another process."""

    def __init__(
        self, folder: Path | None, manifest: Manifest, keys: KeyFile | KeyArray, coarse: KeyFile | KeyArray
    ) -> None:
        self._folder, self._manifest = folder, manifest
        self._task_at_start = task_from_json(manifest.meta_json("task"))
        novelty, lock = manifest.meta_json("novelty"), threading.RLock()
        super().__init__(Entries(), self._task_at_start, keys, coarse, novelty, manifest.epoch, lock)
        self._closed = False
        self._owed: MemoryDelta | None = None  # commits of others that no returned delta has told of yet
        try:
            with manifest.reading():
                self._load()
            if manifest.purges():  # a process was killed in the middle of an unlearn
                purge.finish(manifest, keys, coarse, folder, [])
        except BaseException:
            self.close()
            raise

    def _storing(self) -> AbstractContextManager[None]:
        return store_errors(self._manifest.place)

    def _load(self) -> None:
        """Read the whole state from the manifest, within a transaction of the caller."""
        self._known_epoch = UNKNOWN_EPOCH
        self._entries, self._records, self._stack, self._task = Entries(), [], UndoStack(), self._task_at_start
        self._seq = -1
        rows = self._manifest.row_counts()[0]
        self._entries.reserve(rows if isinstance(rows, int) and 0 <= rows <= MAX_ROWS else 0)  # else the block itself is refused
        self._load_newer()
        rows, coarse_rows = self._entries.rows, self._entries.coarse_rows
        if self._keys.rows < rows or self._coarse.rows < coarse_rows:
            raise StoreError(
                f"{rows} and {coarse_rows} rows in the key files of {self._manifest.place}",
                f"{self._keys.rows} and {self._coarse.rows}",
                MEND,
            )

    def _load_newer(self) -> None:
        """Read what was committed after the version in RAM."""
        seq, epoch = self._manifest.head()
        self._known_epoch = UNKNOWN_EPOCH  # if this is interrupted, the next call starts from scratch
        self._entries.add_names(self._manifest.names_after(self._entries.last_code))
        for *fields, data in self._manifest.chunks_after(self._seq):
            self._entries.append_chunk(fields, data)
        for _, change in self._manifest.changes_after(self._seq):
            self._follow(change)
        for record, _ in self._manifest.versions_after(self._seq):
            self._file(record)
        if self._records[-1].version != self.version:
            raise StoreError(f"examples that make up version {self._records[-1].version}", f"those of {self.version}", MEND)
        self._entries.activate(self._active_of(self._entries))
        self._known_epoch = epoch
        self._seq = seq

    def _follow(self, change: Change) -> None:
        self._entries.apply(change)
        if change.task_after:
            self._task = task_from_json(change.task_after)

    def _file(self, record: VersionRecord) -> None:
        self._records.append(record)
        self._stack.push(record)
        self._seq = record.seq

    def _take_notes(self) -> None:
        """Read the labels of versions, which change without a version."""
        notes = self._manifest.notes()
        for place, record in enumerate(self._records):
            if record.note != notes.get(record.seq, ""):
                self._records[place] = replace(record, note=notes.get(record.seq, ""))

    def _catch_up(self) -> None:
        """Move to the newest version, within a transaction of the caller; what it changed is owed to the user."""
        if self._manifest.head() == (self._seq, self._known_epoch):
            return
        before = mark(self)
        if self._manifest.epoch() == self._known_epoch:
            self._load_newer()
        else:
            self._load()
        self._owed = compose(self._owed, difference(before, mark(self), "refresh"))

    def _hand_over(self, delta: MemoryDelta) -> MemoryDelta:
        """Return a delta together with what was owed before it."""
        delta, self._owed = compose(self._owed, delta), None
        return delta

    def _write(self, verb: str, plan_of: Callable[[], Plan], author: str, gesture: str = "") -> MemoryDelta:
        """Commit what `plan_of` plans on the newest version: all of it, durably, or nothing."""
        with self._lock, self._storing():
            with self._manifest.transaction():
                self._catch_up()
                plan, entries = plan_of(), self._entries
                if plan.change.empty:
                    return self._hand_over(self._no_change(verb))
                record, total = self._record_of(verb, plan, author, gesture)
                for fields, data in plan.chunks:
                    self._manifest.insert_chunk(fields, data)
                self._manifest.insert_version(record, plan.change, total)
            epoch, self._known_epoch = self._known_epoch, UNKNOWN_EPOCH  # if interrupted here: load again
            before = mark(self) if self._novelty else None
            version, touched = self.version, np.unique(plan.change.touched)
            was = entries.active_among(touched)
            entries.add_names(self._manifest.names_after(entries.last_code))
            for fields, data in plan.chunks:
                entries.append_chunk(fields, data)
            self._follow(plan.change)
            self._file(record)
            entries.activate(self._active_of(entries))
            self._known_epoch = epoch
            if before:
                return self._hand_over(difference(before, mark(self), verb))
            now = entries.active_among(touched)
            changed = np.isin(touched, plan.change.modified.ids)
            return self._hand_over(MemoryDelta(version, record.version, touched[now & ~was], touched[was & ~now],
                                               touched[was & now & changed], verb))

    def _no_change(self, verb: str) -> MemoryDelta:
        nothing = np.empty(0, np.int64)
        return MemoryDelta(self.version, self.version, nothing, nothing, nothing, verb)

    def _record_of(self, verb: str, plan: Plan, author: str, gesture: str) -> tuple[VersionRecord, int]:
        """Return the record and the digest sum of the version that a plan makes."""
        change, after = plan.change, self._entries.total_after(plan.change, plan.fresh)
        record = VersionRecord(
            version_of(after, self._novelty),
            self._seq + 1,
            time.time(),
            verb,
            author,
            self._entries.count + len(change.added) - len(change.removed),
            len(change.added),
            len(change.removed),
            gesture,
            plan.undoes,
            "",
        )
        return record, after

    def history(self) -> list[VersionRecord]:
        """Return all versions, oldest first."""
        with self._lock:
            return list(self._records)

    def tag(self, version: str | int, text: str) -> VersionRecord:
        """Give a version a label, another one if it has one, none if the text is empty; return its record.

        Labels are no part of the content: the version stays what it is. Raises VersionError, FormatError.
        """
        text = checked_tag(text)
        with self._lock, self._storing():
            with self._manifest.transaction():
                self._catch_up()
                seq = find_version(self._records, version).seq
                self._manifest.set_note(seq, text)
            self._take_notes()
            return find_version(self._records, version)

    def receipts(self) -> list[Receipt]:
        """Return the receipts of all finished unlearns, oldest first."""
        with self._lock, self._storing():
            return [Receipt(**data) for data in self._manifest.receipts()]

    def close(self) -> None:
        """Release the files. Closing twice does nothing."""
        with self._lock, self._storing():
            if not self._closed:
                self._closed = True
                self._manifest.close()
                self._keys.close()
                self._coarse.close()

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
