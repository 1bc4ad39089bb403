"""Read what can be read of a damaged manifest, row by row; and make a memory of it, without what is damaged.

The history is kept up to the last version that can be read together with all before it. Of the entries, those are lost whose
block in the manifest is damaged, or whose features are and cannot be made anew; they are taken out of all versions.
"""

import itertools
import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from parmesan_engine.errors import StoreError
from parmesan_engine.memory.adding import CHUNK_ROWS
from parmesan_engine.memory.checks import MAX_ROWS
from parmesan_engine.memory.codec import pack, unpack, unpack_change
from parmesan_engine.memory.entries import NAME_FIELDS, Entries
from parmesan_engine.memory.folder import key_files
from parmesan_engine.memory.hashing import entry_digests, origin_digest, version_of
from parmesan_engine.memory.keyfile import KEY_FORMATS, KeyFile, rounded
from parmesan_engine.memory.manifest import CHUNK_FIELDS, FORMAT, Manifest
from parmesan_engine.memory.records import DIGEST_BYTES, Change, VersionRecord
from parmesan_engine.memory.sums import sum_of

NEEDED = ("channels", "novelty", "encoder", "task", "format", "epoch")
RECORD = ("version, seq, time, verb, (SELECT text FROM names WHERE code = author), entries, added, removed, "
          "(SELECT text FROM names WHERE code = gesture), undoes, note")
NOTHING_LEFT = "go back to a backup: backup --restore FILE.zip NEW; nothing was changed, and the samples are as they were"
Again = Callable[[str, np.ndarray], "list[np.ndarray] | tuple[np.ndarray, np.ndarray] | None"]
LOW = (1 << 32) - 1  # the half of a checksum that is of coarse rows


@dataclass
class Salvaged:
    """What could be read.

    lost: how many entries could not, by (sample, source, author); remade: of how many the features were made anew.
    """

    meta: dict[str, str]
    versions: list[tuple[VersionRecord, Change]] = field(default_factory=list)
    chunks: list[tuple[dict[str, Any], bytes]] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    receipts: list[tuple[int, dict]] = field(default_factory=list)
    purges: list[tuple[int, bytes]] = field(default_factory=list)
    metric: tuple[bytes, str] | None = None
    lost: Counter = field(default_factory=Counter)
    remade: int = 0

    @property
    def summed(self) -> bool:
        """Whether blocks end with their checksums."""
        return int(self.meta["format"]) >= FORMAT


def salvage(manifest: Path, fallback: dict[str, str]) -> Salvaged:
    """Read a manifest file that nobody else has open. Raises StoreError when not even the kind of memory can be read.

    fallback: what the table of settings says of such a memory, for those that cannot be read.
    """
    database = sqlite3.connect(manifest)
    database.execute("PRAGMA writable_schema = ON")  # else SQLite reads nothing of a file that was cut

    def ask(question: str, *values: Any) -> list[tuple]:
        try:
            return database.execute(question, values).fetchall()
        except sqlite3.Error:
            return []

    try:
        meta = {key: rows[0][0] for key in (*NEEDED, "keys") if (rows := ask("SELECT value FROM meta WHERE key = ?", key))}
        meta = {**fallback, **meta}
        if missing := [key for key in NEEDED if key not in meta]:
            raise StoreError(f"a manifest that says {', '.join(missing)}", "one of which that cannot be read any more", NOTHING_LEFT)
        saved, first = Salvaged(meta), 0
        columns = f"{', '.join(CHUNK_FIELDS)}, data FROM chunks"
        while rows := ask(f"SELECT {columns} WHERE first = ?", first) or ask(f"SELECT {columns} NOT INDEXED WHERE first = ?", first):
            row = dict(zip(CHUNK_FIELDS, rows[0], strict=False))
            if not _possible(row):
                break
            saved.chunks.append((row, rows[0][-1]))
            first += row["count"]
        for seq in itertools.count():
            record, change = ask(f"SELECT {RECORD} FROM versions WHERE seq = ?", seq), ask("SELECT data FROM changes WHERE seq = ?", seq)
            known = _readable(change[0][0], saved.summed) if record and change else None
            if known is None or known.touched.max(initial=-1) >= first:
                break
            saved.versions.append((VersionRecord(*(text if text is not None else "" if place in (4, 8, 10) else None
                                                   for place, text in enumerate(record[0]))), known))
        if not saved.versions:
            raise StoreError("a manifest with a history", "one of which that cannot be read any more", NOTHING_LEFT)
        last = len(saved.versions) - 1
        saved.chunks = [(row, data) for row, data in saved.chunks if row["seq"] <= last]
        for code in {row[name] for row, _ in saved.chunks for name in NAME_FIELDS}:
            saved.names |= dict(ask("SELECT code, text FROM names WHERE code = ?", code))
        for seq in range(last + 1):
            saved.receipts += [(seq, json.loads(text)) for (text,) in ask("SELECT data FROM receipts WHERE seq = ?", seq)]
            purges = ask("SELECT data FROM purges WHERE seq = ?", seq)
            saved.purges += [(seq, data) for (data,) in purges if _readable(data, saved.summed, unpack)]
        saved.metric = next(iter(ask("SELECT data, fitted_on FROM metric")), None)
        return saved
    finally:
        database.close()


def _possible(row: dict[str, Any]) -> bool:
    """Whether a block's numbers, which nothing protects but SQLite, are ones that a memory can hold."""
    whole = all(isinstance(row[name], int) and 0 <= row[name] <= MAX_ROWS for name in CHUNK_FIELDS if name != "time")
    return whole and 0 < row["count"] <= CHUNK_ROWS and row["coarse_first"] + row["coarse_count"] <= MAX_ROWS


def _readable(data: bytes, summed: bool, read=unpack_change):
    try:
        return read(data, summed=summed)
    except StoreError:
        return None


def rebuild(saved: Salvaged, old: Path, target: Path, again: Again) -> None:
    """Make in the new folder `target` the memory that was read, with the rows of the key files in `old`; notes what is lost.

    again: makes features anew, from (sample id, (n, d) coordinates): (n, D) of the entries and (n, D) of their coarse nodes, or None.
    They are taken only where they match the digests and checksums, so that they are the old ones, bit for bit.
    """
    channels, form = json.loads(saved.meta["channels"]), json.loads(saved.meta.get("keys", '"float32"'))
    target.mkdir()
    files = [_rows(old / name, channels, form) for name in key_files(form)]
    made = [KeyFile(target / name, channels, create=True, keys=form) for name in key_files(form)]
    dims = next((read[0]["coordinates"].shape[1] for _, data in saved.chunks if (read := _readable(data, saved.summed, unpack))), 2)
    blocks, gone = [], [np.zeros(0, bool)]
    for row, data in saved.chunks:
        block = _checked(row, data, dims, saved, files, lambda *asked: [rounded(part, form) for part in again(*asked) or ()])
        if block.lost.any():
            saved.lost[tuple(saved.names.get(row[name], "") for name in ("sample", "source", "author"))] += int(block.lost.sum())
        made[0].write(row["first"], block.features)
        for parent, coarse in zip(block.parents.tolist(), block.coarse, strict=True):
            made[1].write(parent, coarse[None])
        made[1].extend(row["coarse_first"] + row["coarse_count"])
        blocks.append((row, pack(block.arrays, {"rows": sum_of(block.features[block.arrays["digests"].any(axis=1)], block.coarse)})))
        gone.append(block.lost)
    for file in made:
        file.sync()
        file.close()
    _write(saved, target, blocks, np.concatenate(gone))


@dataclass
class Block:
    """A block of entries with what is damaged, or purged, blanked. lost: (n,) mask of the damaged; coarse: rows `parents`."""

    arrays: dict[str, np.ndarray]
    lost: np.ndarray
    features: np.ndarray
    parents: np.ndarray
    coarse: np.ndarray


def _checked(row: dict, data: bytes, dims: int, saved: Salvaged, files: list[np.ndarray], again: Again) -> Block:
    read, count, channels = _readable(data, saved.summed, unpack), row["count"], files[0].shape[1]
    if read is None:
        arrays = {"labels": np.zeros((count, 1), np.float32), "coordinates": np.zeros((count, dims), np.int32),
                  "weights": np.zeros(count, np.float32), "parents": np.full(count, row["coarse_first"]),
                  "digests": np.zeros((count, DIGEST_BYTES), np.uint8)}
        nothing = np.zeros((0, channels), np.float32)
        return Block(arrays, np.ones(count, bool), np.zeros((count, channels), np.float32), np.zeros(0, np.int64), nothing)
    arrays, kept = {name: array.copy() for name, array in read[0].items()}, read[0]["digests"].any(axis=1)
    parents, one_of_each = np.unique(arrays["parents"][kept], return_index=True)
    features, coarse = _taken(files[0], np.arange(row["first"], row["first"] + count)), _taken(files[1], parents)
    wanted = read[1]["rows"] & LOW if saved.summed else None
    lost = kept & _differ(features, arrays, row, saved.names)
    whole = (parents < len(files[1])).all() and wanted in (None, sum_of(features[:0], coarse) & LOW)
    if (lost.any() or not whole) and (new := again(saved.names.get(row["sample"], ""), arrays["coordinates"])):
        damaged = lost if whole else kept
        features[lost] = new[0][lost]
        lost = kept & _differ(features, arrays, row, saved.names)
        if not whole:
            coarse = new[1][kept][one_of_each]
            whole = wanted == sum_of(features[:0], coarse) & LOW
        saved.remade += int((damaged & ~lost).sum()) if whole else 0
    lost = lost if whole else kept  # which of the coarse rows are damaged nobody knows
    for name, array in arrays.items():
        array[lost] = row["coarse_first"] if name == "parents" else 0
    features[lost | ~kept] = 0
    used = np.isin(parents, arrays["parents"][kept & ~lost])
    return Block(arrays, lost, features, parents[used], coarse[used])


def _differ(features: np.ndarray, arrays: dict[str, np.ndarray], row: dict, names: dict[int, str]) -> np.ndarray:
    """Return the (n,) mask of entries whose content does not match their digest."""
    origin = origin_digest(*(names.get(row[name], "") for name in ("sample_hash", "source", "author")))
    digests = entry_digests(np.broadcast_to(origin, (len(features), DIGEST_BYTES)), features,
                            *(arrays[name] for name in ("coordinates", "labels", "weights")))
    return (digests != arrays["digests"]).any(axis=1)


def _write(saved: Salvaged, target: Path, blocks: list[tuple[dict, bytes]], gone: np.ndarray) -> None:
    """Write the manifest: the history anew, from the entries that are left."""
    manifest, state, novelty = Manifest(target), Entries(), json.loads(saved.meta["novelty"])
    state.reserve(len(gone))
    for row, data in blocks:
        state.append_chunk(tuple(row[name] for name in CHUNK_FIELDS), data)
    meta = {key: text for key, text in saved.meta.items() if key != "epoch"} | {"format": str(FORMAT)}
    manifest.create(meta, saved.versions[0][0])
    with manifest.transaction():
        manifest.set_meta("epoch", str(int(saved.meta["epoch"]) + 1))
        for record, change in saved.versions:
            change, doomed = change.only(~gone), change.only(gone)
            state.apply(change)
            record = replace(record, version=version_of(state.total, novelty), entries=state.count,
                             added=record.added - len(doomed.added), removed=record.removed - len(doomed.removed))
            manifest.insert_version(record, change, state.total)
        for row, data in blocks:
            names = {name: manifest.intern(saved.names.get(row[name], "")) for name in NAME_FIELDS}
            manifest.insert_chunk(tuple({**row, **names}[name] for name in CHUNK_FIELDS), data)
        for seq, data in saved.purges:
            manifest.insert_purge(seq, pack(*unpack(data, summed=saved.summed)))
        if saved.metric and not gone.any():
            manifest.set_metric(*saved.metric)
    for seq, receipt in saved.receipts:
        manifest.finish_purge(seq, receipt)
    manifest.close()


def _rows(path: Path, channels: int, form: str) -> np.ndarray:
    """Return the (rows, D) that a key file has, none where there is no file."""
    dtype = KEY_FORMATS[form]
    count = path.stat().st_size // (channels * dtype.itemsize) if path.is_file() else 0
    return np.memmap(path, dtype, "r", shape=(count, channels)) if count else np.zeros((0, channels), dtype)


def _taken(rows: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Return (n, D) float32 rows, zeros for those that are missing."""
    out = np.zeros((len(ids), rows.shape[1]), np.float32)
    there = ids < len(rows)
    out[there] = rows[ids[there]]
    return out

