"""Which entries a gesture had pushed out, so that forgetting the gesture can bring them back. Reads the log only."""

import numpy as np

from parmesan_engine.memory.entries import Entries
from parmesan_engine.memory.manifest import Manifest
from parmesan_engine.memory.records import VersionRecord


def displaced_by(manifest: Manifest, records: list[VersionRecord], entries: Entries, ids: np.ndarray) -> np.ndarray:
    """Return the ids, ascending, of entries that are gone because of gestures whose entries are all among `ids`.

    An entry counts when the last version that took it out was such a gesture (or its redo), and it is not purged.
    """
    table, chunks = entries.chunk_table, entries.chunk_of(ids)
    named = {entries.names[int(code)] for code in np.unique(table["gesture"][chunks])}
    going = np.zeros(entries.rows, bool)
    going[ids] = True
    whole = {
        name for name in named if name and not (_of(entries, name) & entries.stored[: entries.rows] & ~going).any()
    }
    by_seq = {record.seq: record for record in records}
    gestures = {record.seq for record in records if _origin(record, by_seq).gesture in whole}
    if not gestures:
        return np.empty(0, np.int64)
    last = np.full(entries.rows, -1, np.int64)
    for seq, change in manifest.changes_after(min(gestures) - 1):
        last[change.removed] = seq
    gone = ~entries.stored[: entries.rows] & ~entries.purged[: entries.rows] & ~going
    return np.flatnonzero(gone & np.isin(last, list(gestures)))


def _of(entries: Entries, gesture: str) -> np.ndarray:
    """Return the (rows,) mask of the entries of a gesture."""
    table = entries.chunk_table
    return np.repeat(table["gesture"] == entries.codes.get(gesture, -1), table["count"])


def _origin(record: VersionRecord, by_seq: dict[int, VersionRecord]) -> VersionRecord:
    """Return the version that a redo does again; for an undo, none that has a gesture."""
    turns = 0
    while record.undoes is not None:
        record, turns = by_seq[record.undoes], turns + 1
    return record if turns % 2 == 0 else VersionRecord("", -1, 0.0, "", "", 0, 0, 0, "", None, "")
