"""Which entries a gesture had pushed out, so that forgetting the gesture can bring them back. Reads the log only."""

import numpy as np

from parmesan_engine.memory.entries import Entries
from parmesan_engine.memory.history import done_again
from parmesan_engine.memory.manifest import Manifest
from parmesan_engine.memory.records import VersionRecord


def displaced_by(manifest: Manifest, records: list[VersionRecord], entries: Entries, ids: np.ndarray) -> np.ndarray:
    """Return the ids, ascending, of entries that are gone because of gestures whose entries are all among `ids`.

    An entry counts when the last version that took it out was such a gesture (or its redo), it is not purged, and what the
    gesture put in its place is still there or is itself gone because of such a gesture: whoever painted over or erased that
    later would have painted over or erased the older entry too. An entry whose own gesture was forgotten meanwhile stays away.
    """
    table, chunks = entries.chunk_table, entries.chunk_of(ids)
    named = {entries.names[int(code)] for code in np.unique(table["gesture"][chunks])}
    stored, going = entries.stored[: entries.rows], np.zeros(entries.rows, bool)
    going[ids] = True
    whole = {name for name in named if name and not (_of(entries, name) & stored & ~going).any()}
    by_seq = {record.seq: record for record in records}
    origins = {record.seq: done_again(record, by_seq) for record in records}
    if not any(origin.gesture in whole for origin in origins.values()):
        return np.empty(0, np.int64)
    last = np.full(entries.rows, -1, np.int64)
    for seq, change in manifest.changes_after(0):
        last[change.removed] = seq
    forgotten = _forgotten(entries, stored, last, [record.seq for record in records if record.verb == "remove"])
    codes = np.unique(np.repeat(table["gesture"], table["count"])[forgotten])
    links = whole | {entries.names[int(code)] for code in codes}  # what was forgotten before lies between others, and stays away itself
    gestures = {seq: origin.seq for seq, origin in origins.items() if origin.gesture and origin.gesture in links}
    gone = ~stored & ~entries.purged[: entries.rows] & np.isin(last, list(gestures))
    if not gone.any():
        return np.empty(0, np.int64)
    places, made_by = _places(entries), np.repeat(table["seq"], table["count"])
    returning, on = np.zeros(entries.rows, bool), entries.weights[: entries.rows] > 0
    for seq in sorted(gestures, reverse=True):  # what covers an entry went later than the entry: decide it first
        mine, candidates = made_by == gestures[seq], np.flatnonzero(gone & (last == seq))
        at = places[candidates]
        lifted = np.isin(at, places[mine & (stored | returning)])
        covered = places[stored & ~going & (on | (made_by > seq))]  # painting passes over what is switched off at the time
        erased = ~np.isin(at, places[mine]) & ~np.isin(at, covered)
        returning[candidates] = lifted | erased
    return np.flatnonzero(returning & ~going & ~forgotten)


def _forgotten(entries: Entries, stored: np.ndarray, last: np.ndarray, removals: list[int]) -> np.ndarray:
    """Return the (rows,) mask of entries whose gesture was taken back by a removal that left nothing of it."""
    gesture = np.repeat(entries.chunk_table["gesture"], entries.chunk_table["count"])
    left = np.unique(gesture[stored])
    newest = np.full(int(gesture.max(initial=0)) + 1, -1, np.int64)
    np.maximum.at(newest, gesture, last)  # the version that took the last of each gesture
    return np.isin(newest[gesture], removals) & ~np.isin(gesture, left)


def _places(entries: Entries) -> np.ndarray:
    """Return the (rows,) int number of the (sample, coordinates) of each row: equal places, equal numbers."""
    sample = np.repeat(entries.chunk_table["sample"], entries.chunk_table["count"])
    columns = np.column_stack([sample, entries.coordinates[: entries.rows]]).astype(np.int64)
    order = np.lexsort(columns.T)
    new = np.concatenate([[False], (np.diff(columns[order], axis=0) != 0).any(axis=1)])
    places = np.empty(len(columns), np.int64)
    places[order] = np.cumsum(new)
    return places


def _of(entries: Entries, gesture: str) -> np.ndarray:
    """Return the (rows,) mask of the entries of a gesture."""
    table = entries.chunk_table
    return np.repeat(table["gesture"] == entries.codes.get(gesture, -1), table["count"])
