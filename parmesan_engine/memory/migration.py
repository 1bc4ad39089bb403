"""Bring a memory of an older format to the present one: in one transaction, so that a kill leaves the old or the new one.

Formats: 1, and 2 for keys in half precision: no checksums. 3: every block of the manifest ends with one and names that of its
rows in the key files (see `codec`, `sums`). Content and versions stay the same, so nobody sees a difference but in safety.
"""

import numpy as np

from parmesan_engine.errors import MEND, StoreError
from parmesan_engine.memory.codec import pack, unpack
from parmesan_engine.memory.hashing import entry_digests, origin_digest
from parmesan_engine.memory.keyfile import KeyFile
from parmesan_engine.memory.manifest import CHUNK_FIELDS, FORMAT, Manifest
from parmesan_engine.memory.records import DIGEST_BYTES
from parmesan_engine.memory.sums import stored_sum


def migrate(manifest: Manifest, keys: KeyFile, coarse: KeyFile) -> None:
    """Give every block its checksum, after comparing the rows with their digests. Raises StoreError where they differ."""
    with manifest.transaction():
        if manifest.format == FORMAT:  # another process was quicker
            return
        names = dict(manifest.names_after(-1))
        for *fields, data in manifest.chunks_after(-1):
            row, (arrays, _) = dict(zip(CHUNK_FIELDS, fields, strict=True)), unpack(data, summed=False)
            _compare(row, names, arrays, keys)
            rows_sum = stored_sum(keys, coarse, row["first"], ~arrays["digests"].any(axis=1), arrays["parents"])
            manifest.insert_chunk(fields, pack(arrays, {"rows": rows_sum}))
        for table in ("changes", "purges"):
            for seq, data in manifest.blocks(table):
                manifest.set_block(table, seq, pack(*unpack(data, summed=False)))
        manifest.set_meta("format", str(FORMAT))


def _compare(row: dict, names: dict[int, str], arrays: dict[str, np.ndarray], keys: KeyFile) -> None:
    """Raise StoreError unless the rows of a block that are not purged match their digests: what is damaged gets no checksum."""
    origin = origin_digest(*(names[row[name]] for name in ("sample_hash", "source", "author")))
    features = keys.read(np.arange(row["first"], row["first"] + row["count"]))
    digests = entry_digests(np.broadcast_to(origin, (len(features), DIGEST_BYTES)), features,
                            *(arrays[name] for name in ("coordinates", "labels", "weights")))
    kept = arrays["digests"].any(axis=1)
    if (digests != arrays["digests"])[kept].any():
        raise StoreError(f"intact features of entries {row['first']} to {row['first'] + row['count'] - 1}", "others in the key files", MEND)
