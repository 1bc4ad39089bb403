"""Unlearning for good: first in the log, in one transaction, then in the bytes of the files, resumable when killed."""

import sqlite3
from pathlib import Path

import numpy as np

from parmesan_engine.memory.codec import ids_to_runs, pack, unpack
from parmesan_engine.memory.entries import NAME_FIELDS, Entries
from parmesan_engine.memory.hashing import version_of
from parmesan_engine.memory.keyfile import KeyArray, KeyFile
from parmesan_engine.memory.manifest import CHUNK_FIELDS, FILE_NAME, Manifest
from parmesan_engine.memory.records import VersionRecord
from parmesan_engine.memory.sums import stored_sum

NEEDLE_DIGESTS = 8  # digests of removed entries looked for in the raw files; each costs one pass over the manifest
NEEDLE_NAME_BYTES = 6  # shorter names turn up by chance in megabytes of numbers; the table of names is checked for them
ZERO_CHECK_ROWS = 1 << 16


def scrub(manifest: Manifest, keys: KeyFile | KeyArray, coarse: KeyFile | KeyArray, ids: np.ndarray, novelty: float) -> np.ndarray:
    """Take rows out of the log as if they had never been; inside the transaction of the unlearn.

    Blanks them in their chunks (and the chunk's names where nothing else is left in it), takes them out of every change, and
    rewrites the digest sums, hashes and counts of all versions. Returns the runs of coarse rows that nobody needs any more.
    """
    chunks = manifest.chunks_after(-1)
    gone = np.zeros(chunks[-1][0] + chunks[-1][1], bool)
    gone[ids] = True
    shadow = Entries()  # holds the doomed rows only: replaying them tells what they put into each version
    shadow.reserve(len(gone))
    for *fields, data in chunks:
        shadow.append_chunk(fields, data)
    codes = {row["author"] for row in shadow.chunk_table[shadow.chunk_of(ids)]}
    authors = {text for code, text in manifest.names_after(0) if code in codes}
    _scrub_versions(manifest, gone, shadow, authors, novelty)
    for *fields, data in chunks:
        _scrub_chunk(manifest, keys, coarse, dict(zip(CHUNK_FIELDS, fields, strict=True)), data, gone)
    manifest.drop_unused_names()
    return _orphans(shadow, gone)


def _orphans(shadow: Entries, gone: np.ndarray) -> np.ndarray:
    """Return the (runs, 2) coarse rows that only doomed rows use."""
    keep = ~gone & ~shadow.purged[: shadow.rows]
    used, doomed = (np.zeros(shadow.coarse_rows, bool) for _ in range(2))
    used[shadow.parents[: shadow.rows][keep]] = True
    for chunk in shadow.chunk_table[np.unique(shadow.chunk_of(np.flatnonzero(gone)))]:
        doomed[chunk["coarse_first"] : chunk["coarse_first"] + chunk["coarse_count"]] = True
    return ids_to_runs(np.flatnonzero(doomed & ~used))


def _scrub_versions(manifest: Manifest, gone: np.ndarray, shadow: Entries, authors: set[str], novelty: float) -> None:
    rewritten = set()
    for (record, total), (_, change) in zip(manifest.versions_after(-1), manifest.changes_after(-1), strict=True):
        doomed = change.only(gone)
        shadow.apply(doomed)
        if doomed.empty and not shadow.count:
            continue
        total -= shadow.total
        fields = record.__dict__ | {
            "version": version_of(total, novelty),
            "entries": record.entries - shadow.count,
            "added": record.added - len(doomed.added),
            "removed": record.removed - len(doomed.removed),
        }
        concerned = change.added if len(change.added) else change.touched
        if len(concerned) and gone[concerned].all():  # nothing that the gesture made is left: nor its name, nor who made it
            fields |= {"gesture": "", "note": "", "author": "" if record.author in authors else record.author}
        if fields["version"] != record.version:
            rewritten.add(record.version)
        manifest.insert_version(VersionRecord(**fields), change.only(~gone), total)
    found = manifest.metric()
    if found and found[1] in rewritten:  # a metric fitted on purged entries still knows them
        manifest.drop_metric()


def _scrub_chunk(manifest: Manifest, keys: KeyFile | KeyArray, coarse: KeyFile | KeyArray, fields: dict, data: bytes,
                 gone: np.ndarray) -> None:
    """Blank the doomed rows of one chunk, and its names where nothing else is left in it."""
    doomed = gone[fields["first"] : fields["first"] + fields["count"]]
    if not doomed.any():
        return
    arrays = {name: array.copy() for name, array in unpack(data)[0].items()}
    for name, array in arrays.items():
        array[doomed] = fields["coarse_first"] if name == "parents" else 0
    if not arrays["digests"].any():
        fields = fields | dict.fromkeys(NAME_FIELDS, 0) | {"time": 0.0, "experience": 0}
    rows_sum = stored_sum(keys, coarse, fields["first"], ~arrays["digests"].any(axis=1), arrays["parents"])
    manifest.insert_chunk(tuple(fields[name] for name in CHUNK_FIELDS), pack(arrays, {"rows": rows_sum}))


def finish(
    manifest: Manifest, keys: KeyFile | KeyArray, coarse: KeyFile | KeyArray, folder: Path | None, needles: list[bytes]
) -> list[dict]:
    """Remove what pending unlearns left in the files; return their receipts. Safe to repeat, also by two processes at once.

    needles: bytes that must not be in the manifest files any more. When another process keeps reading so that the log cannot
    be emptied, the receipt says verified = False and the purge stays pending: the next one to open the memory finishes it.
    """
    receipts = []
    for seq, data in manifest.purges():
        arrays, receipt = unpack(data)
        keys.erase(arrays["rows"])
        coarse.erase(arrays["coarse"])
        with manifest.transaction():  # nobody is writing rows while the debris of killed writers goes
            rows, coarse_rows = manifest.row_counts()
            keys.cut(rows)
            coarse.cut(coarse_rows)
        shredded = _shredded(manifest)
        blank = _blank(keys, arrays["rows"]) and _blank(coarse, arrays["coarse"])
        receipt = receipt | {"verified": shredded and blank and not traces(folder, needles)}
        if shredded:
            manifest.finish_purge(seq, receipt)
        receipts.append(receipt)
    return receipts


def _shredded(manifest: Manifest) -> bool:
    try:
        return manifest.shred()
    except sqlite3.OperationalError:  # another process holds the manifest: the purge stays pending
        return False


def _blank(keys: KeyFile | KeyArray, runs: np.ndarray) -> bool:
    return not any(
        keys.read(np.arange(first, min(first + ZERO_CHECK_ROWS, stop))).any()
        for start, stop in runs.tolist()
        for first in range(start, stop, ZERO_CHECK_ROWS)
    )


def needles_of(entries: Entries, kept_names: list[str], kept_texts: list[str], ids: np.ndarray) -> list[bytes]:
    """Return what must not be found once rows `ids` are purged: names that went with them, and some of their digests."""
    lost = set(entries.names.values()) - set(kept_names)
    texts = "\n".join([*kept_names, *kept_texts])
    names = [name.encode() for name in lost if len(name.encode()) >= NEEDLE_NAME_BYTES and name not in texts]
    digests = entries.digests[ids[:: max(1, len(ids) // NEEDLE_DIGESTS)]]
    stored = entries.digests[: entries.rows].view("<u8")[:, 0]
    stored = np.delete(stored, ids)
    return names + [digest.tobytes() for digest in digests if digest.view("<u8")[0] not in stored]


def traces(folder: Path | None, needles: list[bytes]) -> list[str]:
    """Return the manifest files that hold one of the needles, searched as raw bytes."""
    if folder is None:
        return []
    files = [path for path in sorted(folder.glob(FILE_NAME + "*")) if not path.name.endswith("-shm")]
    found = []
    for path in files:
        content = path.read_bytes()
        found += [path.name for needle in needles if needle in content]
    return found
