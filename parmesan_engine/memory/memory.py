"""The memory: labelled features with provenance, durable and versioned. Verbs change it and say what they changed."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from parmesan_engine.errors import EmptyMemoryError, LimitError, ShapeError, UnknownNameError
from parmesan_engine.memory import folder, purge
from parmesan_engine.memory.adding import chunks_of
from parmesan_engine.memory.checks import MAX_ROWS, check_batch, check_labels, check_weights
from parmesan_engine.memory.codec import ids_to_runs, pack, task_from_json, task_to_json
from parmesan_engine.memory.commits import Committer, Plan
from parmesan_engine.memory.displaced import displaced_by
from parmesan_engine.memory.hashing import blake, digest_sum, version_of
from parmesan_engine.memory.history import change_between, find_version
from parmesan_engine.memory.manifest import store_errors
from parmesan_engine.memory.modifying import modified, weights_when_on
from parmesan_engine.memory.reading import UNKNOWN_EPOCH, Checkout, difference, mark
from parmesan_engine.memory.records import Change, Receipt, VersionRecord
from parmesan_engine.memory.verify import problems_of
from parmesan_engine.types import EntryBatch, MemoryDelta, TaskSpec

Lesson = tuple[list[EntryBatch], np.ndarray, TaskSpec]
Relabelling = tuple[np.ndarray, np.ndarray, TaskSpec]


class Memory(Committer):
    """Entries, their versions, and the verbs add, modify, remove, unlearn, undo, redo, restore, set_task.

    Every verb is one transaction, is durable when it returns, and returns a MemoryDelta. Nothing is stored on an error.
    """

    @classmethod
    def create(
        cls, path: str | Path | None, *, channels: int, task: TaskSpec, encoder: dict[str, Any], novelty: float = 0.0,
        keys: str = "float32"
    ) -> "Memory":
        """Make an empty memory in folder `path`, or in RAM when None. Raises StoreError when there is one already.

        channels: width of a key; encoder: recipe that the keys come from; novelty: cosine distance in [0, 2) up to which an
        entry with the same label as a kept one is held back, 0 to keep all; keys: "float32", or "float16" for half the bytes:
        then a key is rounded once, when it is added, and everything works on what it was rounded to.
        """
        with store_errors(str(path)):
            return cls(*folder.make(path, channels=channels, task=task, encoder=encoder, novelty=novelty, keys=keys))

    @classmethod
    def open(cls, path: str | Path) -> "Memory":
        """Open the memory in a folder at its newest version; finishes an interrupted unlearn. Raises StoreError, VersionError."""
        with store_errors(str(path)):
            return cls(*folder.open_parts(path))

    @staticmethod
    def is_at(path: str | Path) -> bool:
        """Whether a folder holds a memory whose creation was finished."""
        with store_errors(str(path)):
            return folder.is_at(path)

    @property
    def encoder(self) -> dict[str, Any]:
        """The recipe of the encoder that made the keys."""
        with self._lock, self._storing():
            return self._manifest.meta_json("encoder")

    @property
    def path(self) -> Path | None:
        return self._folder

    @property
    def bytes(self) -> int:
        """Bytes of the files, or of the same content in RAM."""
        with self._lock, self._storing():
            return sum(keys.rows * keys.row_bytes for keys in (self._keys, self._coarse)) + self._manifest.size()

    def add(
        self, batches: list[EntryBatch], *, remove: np.ndarray | None = None, author: str = "", gesture: str = ""
    ) -> MemoryDelta:
        """Learn batches and take out entries `remove`, as one version. Gesture and author default to the first batch's."""
        author = author or (batches[0].author if batches else "")
        gesture = gesture or (batches[0].gesture if batches else "")
        return self._write("add", lambda: self._plan_add(batches, remove), author, gesture)

    def learn(self, choose: Callable[["Memory"], Lesson], *, verb: str = "add", author: str = "", gesture: str) -> MemoryDelta:
        """Learn batches, take entries out and change the list of classes, as one version.

        choose: returns (batches, ids to take out, task) for the newest version; it is called inside the transaction.
        """
        return self._write(verb, lambda: self._plan_learn(*choose(self)), author, gesture)

    def _plan_learn(self, batches: list[EntryBatch], remove: np.ndarray, task: TaskSpec) -> Plan:
        plan, task_change = self._plan_add(batches, remove, task), self._plan_task(task).change
        return replace(plan, change=replace(plan.change, task_before=task_change.task_before, task_after=task_change.task_after))

    def _plan_add(self, batches: list[EntryBatch], remove: np.ndarray | None, task: TaskSpec | None = None) -> Plan:
        entries = self._entries
        checked = [check_batch(batch, self.channels, task or self._task, self.key_format) for batch in batches]
        first, coarse_first, chunks, fresh = entries.rows, entries.coarse_rows, [], 0
        axes = {arrays["coordinates"].shape[1] for arrays in checked}
        axes |= {entries.coordinates.shape[1]} if entries.rows else set()
        if len(axes) > 1:
            raise ShapeError("coordinates with one number of axes", f"{sorted(axes)}", "use one memory per dimensionality")
        removed = self._stored_ids(np.empty(0, np.int64) if remove is None else remove)
        for batch, arrays in zip(batches, checked, strict=True):
            rows, coarse_rows = len(arrays["keys"]), len(arrays["coarse"])
            if first + rows > MAX_ROWS:
                raise LimitError(f"at most {MAX_ROWS} entries", f"{first + rows}", "start another memory")
            if rows:
                new, total = chunks_of(batch, arrays, first, coarse_first, self._seq + 1, self._manifest.intern)
                self._keys.write(first, arrays["keys"])
                self._coarse.write(coarse_first, arrays["coarse"])
                chunks, fresh = chunks + new, fresh + total
                first, coarse_first = first + rows, coarse_first + coarse_rows
        if chunks:
            self._keys.sync()
            self._coarse.sync()
        return Plan(Change(np.arange(entries.rows, first), removed), chunks, fresh)

    def _stored_ids(self, ids: np.ndarray) -> np.ndarray:
        """Return ids ascending and unique. Raises UnknownNameError unless this version stores all of them."""
        ids = np.unique(self._checked(ids))
        missing = ids[~self._entries.stored[ids]]
        if len(missing):
            raise UnknownNameError(
                "ids of entries in this version", f"{missing[0]}, which was removed", "ask the memory for its ids again"
            )
        return ids

    def modify(
        self,
        ids: np.ndarray,
        labels: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        *,
        author: str = "",
        gesture: str = "",
    ) -> MemoryDelta:
        """Give entries new (n, L) labels, new (n,) weights, or both. Entries that already have them are left alone.

        Weight 0 switches an entry off: it stays, but counts for nothing, as if it had been removed.
        """
        return self._write(
            "modify", lambda: self._plan_modify(np.atleast_1d(np.asarray(ids)), labels, weights), author, gesture
        )

    def relabel(self, choose: Callable[["Memory"], Relabelling], *, author: str = "") -> MemoryDelta:
        """Give entries new labels, and the task other classes, as one version. Keys and weights stay.

        choose: returns (ids ascending, (n, L) labels, task with L classes) for the newest version; it is called inside the
        transaction. Entries that older versions alone hold may be among the ids: should they come back, they come relabelled.
        """
        return self._write("modify", lambda: self._plan_relabel(*choose(self)), author)

    def _plan_relabel(self, ids: np.ndarray, labels: np.ndarray, task: TaskSpec) -> Plan:
        ids = self._checked(ids)
        change = modified(self._entries, self.keys(ids), ids, check_labels(labels, len(ids), task), None)
        before, after = task_to_json(self._task), task_to_json(task)
        return Plan(Change(modified=change) if before == after else Change(modified=change, task_before=before, task_after=after))

    def _plan_modify(self, given: np.ndarray, labels: np.ndarray | None, weights: np.ndarray | None) -> Plan:
        ids = self._stored_ids(given)
        if len(ids) != len(given):
            raise ShapeError("each id once", f"{len(given)} ids, {len(ids)} different", "drop the repeated ones")
        order = np.argsort(given, kind="stable")
        new_labels = None if labels is None else check_labels(labels, len(ids), self._task)[order]
        new_weights = None if weights is None else check_weights(weights, len(ids))[order]
        return Plan(Change(modified=modified(self._entries, self.keys(ids), ids, new_labels, new_weights)))

    def remove(
        self, ids: np.ndarray, *, revive: np.ndarray | None = None, author: str = "", gesture: str = ""
    ) -> MemoryDelta:
        """Take entries out and bring removed entries `revive` back, as one version. Undo reverts both; see `unlearn`."""
        return self._write("remove", lambda: self._plan_remove(ids, revive), author, gesture)

    def _plan_remove(self, ids: np.ndarray, revive: np.ndarray | None) -> Plan:
        return Plan(Change(added=self._removed_ids(revive), removed=self._stored_ids(ids)))

    def consolidate(self, choose: Callable[["Memory"], np.ndarray], *, author: str = "") -> MemoryDelta:
        """Take out what a budget has no room for, as one version. choose: the ids, of the newest version; called inside the transaction.

        They are removed, not switched off: so a source that is switched off and on does not bring them back, painting has nothing
        unseen to collide with, and merging into a new project leaves them behind on disk too. Undo and `restore` bring them back.
        Forgetting reaches them as it reaches all that history holds: `unlearn` of `select(..., removed=True)` erases them
        for good. What stays is not affected by what is forgotten later (see `budget`); entries that novelty holds back are
        admitted as ever, from what is stored then. What a forgotten stroke had painted over comes back where its own
        examples had stayed.
        """
        return self._write("consolidate", lambda: self._plan_remove(choose(self), None), author)

    def _removed_ids(self, ids: np.ndarray | None) -> np.ndarray:
        """Return ids ascending and unique. Raises UnknownNameError unless this version has removed all of them."""
        ids = np.unique(self._checked(np.empty(0, np.int64) if ids is None else ids))
        if self._entries.stored[ids].any():
            raise UnknownNameError(
                "ids of removed entries to bring back", "some that are there", "ask `displaced_by` again"
            )
        return ids

    def switch(self, on: bool, *, author: str = "", **selection: Any) -> MemoryDelta:
        """Switch entries on or off, as one version. selection: keywords of `select`.

        Off is weight 0: the entry stays, but counts for nothing, as if it had been removed. On again, it has the weight of
        before. Entries that older versions alone hold are switched too: should they come back, they come as the others are.
        """
        return self._write("switch", lambda: self._plan_switch(on, selection), author)

    def _plan_switch(self, on: bool, selection: dict[str, Any]) -> Plan:
        ids = self.select(**selection, removed=True)
        weights = weights_when_on(self._manifest, self._entries, ids) if on else np.zeros(len(ids), np.float32)
        return Plan(Change(modified=modified(self._entries, self.keys(ids), ids, None, weights)))

    def displaced_by(self, ids: np.ndarray) -> np.ndarray:
        """Return the removed entries that gestures wholly among `ids` had painted over: what forgetting them should revive."""
        with self._lock, self._storing(), self._manifest.reading():
            return displaced_by(self._manifest, self._records, self._entries, np.unique(self._checked(ids)))

    def undo(self, *, author: str = "", gesture: str = "") -> MemoryDelta:
        """Revert the newest change that is not undone, whoever made it. Raises VersionError."""
        return self._write("undo", lambda: self._plan_inverse(self._stack.to_undo()), author, gesture)

    def redo(self, *, author: str = "", gesture: str = "") -> MemoryDelta:
        """Revert the newest undo. Raises VersionError when something else was changed since."""
        return self._write("redo", lambda: self._plan_inverse(self._stack.to_redo()), author, gesture)

    def _plan_inverse(self, seq: int) -> Plan:
        return Plan(self._manifest.change(seq).inverse(), undoes=seq)

    def set_task(self, task: TaskSpec | Callable[[TaskSpec], TaskSpec], *, author: str = "") -> MemoryDelta:
        """Rename, recolour or add classes. Entries stay as they are; label rows are padded with zeros.

        A function is given the newest task, inside the transaction: what others changed meanwhile stays.
        """
        return self._write("set_task", lambda: self._plan_task(task(self._task) if callable(task) else task), author)

    def _plan_task(self, task: TaskSpec) -> Plan:
        used = self._entries.labels[self._entries.stored, task.label_dim :].any()
        if task.kind != self._task.kind or used:
            raise ShapeError(
                f"a {self._task.kind} task with all classes that examples have",
                f"{task.kind}, {task.label_dim} columns",
                "remove the examples of a class before the class",
            )
        before, after = task_to_json(self._task), task_to_json(task)
        return Plan(Change() if before == after else Change(task_before=before, task_after=after))

    def restore(self, version: str, *, author: str = "") -> MemoryDelta:
        """Make the content of an older version the newest version. Undo takes it back. Raises VersionError."""
        return self._write("restore", lambda: self._plan_restore(version), author)

    def _plan_restore(self, version: str) -> Plan:
        then = self.checkout(version)
        change = change_between(self._entries, then._entries)
        before, after = task_to_json(self._task), task_to_json(then.task)
        if before != after:
            change = Change(change.added, change.removed, change.modified, before, after)
        return Plan(change)

    def checkout(self, version: str) -> Checkout:
        """Return a read-only view of a version, given by its hash or at least 6 digits of it. Raises VersionError."""
        with self._lock, self._storing():
            self._check_not_purged()
            seq = find_version(self._records, version).seq
            entries, task = self._entries.copy(), task_to_json(self._task)
            for later in range(self._seq, seq, -1):
                change = self._manifest.change(later).inverse()
                entries.apply(change)
                task = change.task_after or task
            entries.activate(self._active_of(entries))
            return Checkout(
                entries,
                task_from_json(task),
                self._keys,
                self._coarse,
                self._novelty,
                self._purge_epoch,
                self._lock,
            )

    def unlearn(
        self, ids: np.ndarray, reason: str = "", *, revive: np.ndarray | None = None, author: str = ""
    ) -> tuple[MemoryDelta, Receipt]:
        """Remove entries for good: from all versions and from the bytes on disk. Cannot be undone.

        ids may be of removed entries too: `select(..., removed=True)` finds all that history holds of a source. revive: other
        removed entries that come back in the same version. The reason is kept as a digest only. Raises EmptyMemoryError when
        there are no ids.
        """
        with self._lock, self._storing():
            with self._manifest.transaction():
                self._catch_up()
                ids = np.unique(self._checked(ids))
                if not len(ids):
                    raise EmptyMemoryError("entries to unlearn", "none", "check the selection")
                before, old = mark(self), self._entries
                receipt = self._scrub(ids, np.setdiff1d(self._removed_ids(revive), ids), reason, author)
            self._known_epoch = UNKNOWN_EPOCH
            with self._manifest.reading():
                self._load()
            kept_texts = [
                self._manifest.meta("encoder"),
                self._manifest.meta("task"),
                json.dumps(task_to_json(self._task)),
                *self._manifest.notes().values(),
            ]
            needles = purge.needles_of(old, list(self._entries.names.values()), kept_texts, ids)
            receipts = purge.finish(self._manifest, self._keys, self._coarse, self._folder, needles)
            return self._hand_over(difference(before, mark(self), "unlearn")), Receipt(**(receipts or [receipt])[-1])

    def _scrub(self, ids: np.ndarray, back: np.ndarray, reason: str, author: str) -> dict:
        """Take rows out of the log and note that the files still hold them; within a transaction. Returns the receipt so far."""
        entries, now = self._entries, time.time()
        stored = ids[entries.stored[ids]]
        total = entries.total - digest_sum(entries.digests[stored]) + digest_sum(entries.digests[back])
        count = entries.count - len(stored) + len(back)
        removed = np.sort(entries.digests[ids].view("<u8").reshape(-1, 2).view("V16").ravel()).tobytes()
        receipt = Receipt(
            now,
            author,
            blake(reason.encode()).hex(),
            len(ids),
            blake(removed).hex(),
            self.version,
            version_of(total, self._novelty),
            False,
        )
        coarse = purge.scrub(self._manifest, self._keys, self._coarse, ids, self._novelty)
        record = VersionRecord(
            receipt.version_after, self._seq + 1, now, "unlearn", author, count, len(back), len(ids), "", None, ""
        )
        self._manifest.insert_version(record, Change(added=back), total)
        self._manifest.set_meta("epoch", str(self._known_epoch + 1))
        self._manifest.insert_purge(record.seq, pack({"rows": ids_to_runs(ids), "coarse": coarse}, asdict(receipt)))
        return asdict(receipt)

    @property
    def behind(self) -> bool:
        """Whether another process has committed since, or has a commit that no delta told of yet: one short query."""
        with self._lock, self._storing():
            return self._owed is not None or self._manifest.head() != (self._seq, self._known_epoch)

    def refresh(self) -> MemoryDelta:
        """Move to the newest version that any process has committed, and to the newest labels of versions."""
        with self._lock, self._storing():
            with self._manifest.reading():
                self._catch_up()
                self._take_notes()
            return self._hand_over(self._no_change("refresh"))

    def verify(self) -> list[str]:
        """Check files, digests and history against each other; return the problems in words, none when all is well."""
        with self._lock, self._storing(), self._manifest.reading():
            self._catch_up()
            return problems_of(self._manifest, self._keys, self._coarse, self._entries, self._novelty)

    def save_metric(self, blob: bytes, fitted_on: str) -> None:
        """Store a fitted metric and the version it was fitted on. It is no part of the content hash."""
        with self._lock, self._storing(), self._manifest.transaction():
            self._manifest.set_metric(blob, fitted_on)

    def load_metric(self) -> tuple[bytes, str] | None:
        """Return (blob, version it was fitted on), None when there is none or its version held entries since unlearned."""
        with self._lock, self._storing():
            return self._manifest.metric()
