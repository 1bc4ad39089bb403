"""From a checked batch to the blocks that the manifest stores of it. The keys themselves go to the key file."""

from collections.abc import Callable

import numpy as np

from parmesan_engine.memory.codec import pack
from parmesan_engine.memory.hashing import digest_sum, entry_digests, origin_digest
from parmesan_engine.memory.records import DIGEST_BYTES
from parmesan_engine.memory.sums import sum_of
from parmesan_engine.types import EntryBatch

CHUNK_ROWS = 1 << 16  # rows whose labels and coordinates lie in one block of the manifest


def chunks_of(batch: EntryBatch, arrays: dict[str, np.ndarray], first: int, coarse_first: int, seq: int,
              intern: Callable[[str], int]) -> tuple[list[tuple[tuple, bytes]], int]:
    """Return the (fields, data) of the blocks a batch is stored in, and the digest sum of its entries.

    arrays: what `check_batch` returned; first, coarse_first: rows of the key files that it begins at; intern: name to code.
    """
    rows, coarse_rows = len(arrays["keys"]), len(arrays["coarse"])
    origins = np.broadcast_to(origin_digest(batch.sample_hash, batch.source, batch.author), (rows, DIGEST_BYTES))
    digests = entry_digests(origins, arrays["keys"], arrays["coordinates"], arrays["labels"], arrays["weights"])
    names = [intern(name) for name in (batch.sample_id, batch.sample_hash, batch.gesture, batch.author, batch.source)]
    made = (float(batch.time), int(batch.experience), coarse_first, coarse_rows)
    columns = {name: arrays[name] for name in ("labels", "coordinates", "weights")}
    columns |= {"parents": arrays["parents"] + coarse_first, "digests": digests}
    chunks = []
    for start in range(0, rows, CHUNK_ROWS):
        part = {name: column[start : start + CHUNK_ROWS] for name, column in columns.items()}
        used = np.unique(arrays["parents"][start : start + CHUNK_ROWS])
        rows_sum = sum_of(arrays["keys"][start : start + CHUNK_ROWS], arrays["coarse"][used])
        chunks.append(((first + start, len(part["labels"]), seq, *names, *made), pack(part, {"rows": rows_sum})))
    return chunks, digest_sum(digests)
