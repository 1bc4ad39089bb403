"""What the list of versions implies: what undo and redo would revert, which version a prefix means, how deltas combine."""

import numpy as np

from parmesan_engine.errors import FormatError, VersionError
from parmesan_engine.memory.entries import Entries
from parmesan_engine.memory.records import Change, Modified, VersionRecord
from parmesan_engine.types import MemoryDelta

MIN_PREFIX = 6
MAX_TAG = 80  # characters of the label of a version


class UndoStack:
    """One stack for all authors and processes: a function of the verbs in the history, so it survives restarts."""

    def __init__(self) -> None:
        self._done: list[VersionRecord] = []
        self._undone: list[VersionRecord] = []

    def push(self, record: VersionRecord) -> None:
        """Take note of the next version."""
        if record.verb == "undo":
            self._done.pop()
            self._undone.append(record)
        elif record.verb == "redo":
            self._undone.pop()
            self._done.append(record)
        elif record.verb != "create":
            self._done.append(record)
            self._undone.clear()

    def to_undo(self) -> int:
        """Return the seq whose change undo must invert. Raises VersionError."""
        if not self._done:
            raise VersionError("a change to undo", "a memory as it was at first", "label something first, or redo what was undone")
        if self._done[-1].verb == "unlearn":
            raise VersionError(
                "a change that can be undone", "an unlearn, which purged its examples for good", "learn them again"
            )
        return self._done[-1].seq

    def to_redo(self) -> int:
        """Return the seq of the undo whose change redo must invert. Raises VersionError."""
        if not self._undone:
            raise VersionError("an undone change to redo", "none", "redo works only right after undo")
        return self._undone[-1].seq


def find_version(records: list[VersionRecord], version: str | int) -> VersionRecord:
    """Return the newest record of a version, given by its hash or at least its first 6 digits; or the one with a seq, as a number.

    Several records have the same version when a content came back. Raises VersionError.
    """
    todo = "choose one of the versions in the history"
    if isinstance(version, int):
        if not 0 <= version < len(records) or records[version].seq != version:
            raise VersionError(f"a number from 0 to {len(records) - 1}", f"{version}", todo)
        return records[version]
    if not isinstance(version, str) or len(version) < MIN_PREFIX:
        raise VersionError(f"a version hash or its first {MIN_PREFIX} digits", repr(version), todo)
    found = [record for record in records if record.version.startswith(version)]
    if not found:
        raise VersionError("a version of this memory", f"{version}, which does not exist or was purged", todo)
    if len({record.version for record in found}) > 1:
        raise VersionError("the prefix of one version", f"{version}, which fits several", "give more digits")
    return found[-1]


def undone(records: list[VersionRecord]) -> set[int]:
    """Return the seqs of the versions that are undone now; an undo that was redone is one of them."""
    found: set[int] = set()
    for record in reversed(records):
        if record.undoes is not None and record.seq not in found:
            found.add(record.undoes)
    return found


def done_again(record: VersionRecord, by_seq: dict[int, VersionRecord]) -> VersionRecord:
    """Return the version that a redo does again, another verb's own, and for an undo one that has no gesture and did nothing."""
    turns = 0
    while record.undoes is not None:
        record, turns = by_seq[record.undoes], turns + 1
    return record if turns % 2 == 0 else VersionRecord("", -1, 0.0, "undo", "", 0, 0, 0, "", None, "")


def standing(records: list[VersionRecord], first: int) -> set[str]:
    """Return the verbs of the versions from place `first` on that still stand: neither what was undone among them nor its undo.

    A redo of something earlier is what it does again, an undo of something earlier is "undo".
    """
    by_seq, later = {record.seq: record for record in records}, records[first:]
    seqs, gone = {record.seq for record in later}, undone(later)
    return {done_again(record, by_seq).verb for record in later if record.seq not in gone and record.undoes not in seqs}


def checked_tag(text: str) -> str:
    """Return a label of a version on one line. Raises FormatError when it is too long."""
    text = " ".join(str(text).split())
    if len(text) > MAX_TAG:
        raise FormatError(f"a label of at most {MAX_TAG} characters", f"{len(text)}", "shorten it")
    return text


def change_between(now: Entries, then: Entries) -> Change:
    """Return the change that turns the stored entries of `now` into those of `then` (two states of the same rows)."""
    differs = then.stored & (now.digests != then.digests).any(axis=1)
    ids = np.flatnonzero(differs[: now.rows])
    width = max(now.labels.shape[1], then.labels.shape[1])
    now.widen(width)
    then.widen(width)
    modified = Modified(
        ids, now.labels[ids], then.labels[ids], now.weights[ids], then.weights[ids], now.digests[ids], then.digests[ids]
    )
    added, removed = then.stored & ~now.stored, now.stored & ~then.stored
    return Change(np.flatnonzero(added[: now.rows]), np.flatnonzero(removed[: now.rows]), modified)


def compose(first: MemoryDelta | None, second: MemoryDelta) -> MemoryDelta:
    """Return what two deltas in a row change together."""
    if first is None:
        return second
    back = np.intersect1d(first.removed, second.added)
    added = np.union1d(np.setdiff1d(first.added, second.removed), np.setdiff1d(second.added, back))
    removed = np.union1d(np.setdiff1d(first.removed, back), np.setdiff1d(second.removed, first.added))
    modified = np.union1d(np.union1d(first.modified, second.modified), back)
    modified = np.setdiff1d(modified, np.union1d(added, removed))
    return MemoryDelta(first.before, second.after, added, removed, modified, second.verb)
