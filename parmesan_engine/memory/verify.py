"""Check a memory against itself: files against manifest, content against digests, history against hashes."""

import numpy as np

from parmesan_engine.memory.entries import Entries
from parmesan_engine.memory.hashing import digest_sum, entry_digests, origin_digest, version_of
from parmesan_engine.memory.keyfile import KeyArray, KeyFile
from parmesan_engine.memory.manifest import Manifest
from parmesan_engine.memory.sums import stored_sum


def problems_of(
    manifest: Manifest, keys: KeyFile | KeyArray, coarse: KeyFile | KeyArray, entries: Entries, novelty: float
) -> list[str]:
    """Return what is wrong, in words; empty when all is well. entries: the state in RAM, equal to the newest version."""
    problems = manifest.problems()
    if keys.rows < entries.rows or coarse.rows < entries.coarse_rows:
        return [
            *problems,
            f"key files hold {keys.rows} and {coarse.rows} rows, the manifest counts {entries.rows} and "
            f"{entries.coarse_rows}",
        ]
    stops = entries.chunk_table["first"] + entries.chunk_table["count"]
    if (entries.chunk_table["first"][1:] != stops[:-1]).any() or (stops[-1:] != entries.rows).any():
        problems.append("manifest: rows are missing between blocks of entries")
    return problems + _wrong_entries(keys, coarse, entries) + _wrong_versions(manifest, entries, novelty)


def _wrong_entries(keys: KeyFile | KeyArray, coarse: KeyFile | KeyArray, entries: Entries) -> list[str]:
    """Compute every digest again from the bytes in the key file."""
    problems = []
    for chunk in entries.chunk_table:
        ids = np.arange(chunk["first"], chunk["first"] + chunk["count"])
        features, purged = keys.read(ids), entries.purged[ids]
        if stored_sum(keys, coarse, int(chunk["first"]), purged, entries.parents[ids]) != chunk["sum"]:
            problems.append(f"entries {ids[0]} to {ids[-1]} or their coarse nodes do not match their checksum")
        origin = origin_digest(*(entries.names[int(chunk[name])] for name in ("sample_hash", "source", "author")))
        digests = entry_digests(
            np.broadcast_to(origin, (len(ids), len(origin))),
            features,
            entries.coordinates[ids],
            entries.labels[ids],
            entries.weights[ids],
        )
        bad = np.where(purged, features.any(axis=1), (digests != entries.digests[ids]).any(axis=1))
        if bad.any():
            problems.append(
                f"{bad.sum()} entries from {ids[bad][0]} on do not match their digest, or are not blank though purged"
            )
    return problems


def _wrong_versions(manifest: Manifest, entries: Entries, novelty: float) -> list[str]:
    """Replay the history and compare each version's sum, hash and count; compare the outcome with the state in RAM."""
    problems, replay = [], Entries()
    replay.reserve(entries.rows)
    for *fields, data in manifest.chunks_after(-1):
        replay.append_chunk(fields, data)
    for (record, total), (_, change) in zip(manifest.versions_after(-1), manifest.changes_after(-1), strict=True):
        replay.apply(change)
        if (version_of(replay.total, novelty), replay.count) != (record.version, record.entries) or (
            version_of(total, novelty) != record.version
        ):
            problems.append(f"version {record.version} (number {record.seq}) does not match its changes")
    rows = entries.rows
    if (replay.stored[:rows] != entries.stored[:rows]).any() or replay.total % 2**128 != entries.total % 2**128:
        problems.append("the state in use differs from the newest version on disk")
    if digest_sum(entries.digests[:rows][entries.stored[:rows]]) != entries.total % 2**128:
        problems.append("the version hash does not match the stored entries")
    return problems
