"""Content digests of entries, and their order-independent sum: the version of a memory.

The version is additive (AdHash, Bellare and Micciancio 1997): adding an entry adds its digest, forgetting it subtracts it,
so equal contents have equal versions whatever the order, and an entry can be taken out of old versions without the rest.
"""

import hashlib
import json

import numpy as np

from parmesan_engine.memory.records import DIGEST_BYTES

MODULUS = 1 << (8 * DIGEST_BYTES)
BLOCK_ROWS = 1 << 15  # rows hashed at a time: bounds the extra memory to about 10 MB at 64 channels


def blake(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def origin_digest(sample_hash: str, source: str, author: str) -> np.ndarray:
    """Return the (16,) uint8 digest of what all entries of one batch share."""
    return np.frombuffer(blake(json.dumps([sample_hash, source, author]).encode()), np.uint8)


def entry_digests(
    origins: np.ndarray, keys: np.ndarray, coordinates: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return the (n, 16) uint8 content digests of n entries.

    origins: (n, 16) uint8 from `origin_digest`; keys: (n, D) float32; coordinates: (n, d) int; labels: (n, L) float32;
    weights: (n,) float32. Trailing zero labels do not count, so a class added to the task leaves digests as they are.
    """
    out = np.empty((len(keys), DIGEST_BYTES), np.uint8)
    for start in range(0, len(keys), BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        out[part] = _digests_of_block(origins[part], keys[part], coordinates[part], labels[part], weights[part])
    return out


def _digests_of_block(
    origins: np.ndarray, keys: np.ndarray, coordinates: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    labels = np.ascontiguousarray(labels, "<f4") + np.float32(0)  # -0.0 becomes 0.0
    used = labels.shape[1] - np.argmax(labels[:, ::-1] != 0, axis=1)
    used[~labels.any(axis=1)] = 0
    columns = [
        np.ascontiguousarray(origins),
        np.ascontiguousarray(weights, "<f4").view(np.uint8).reshape(-1, 4),
        np.ascontiguousarray(coordinates, "<i8").view(np.uint8),
        np.ascontiguousarray(keys, "<f4").view(np.uint8),
        labels.view(np.uint8),
    ]
    rows = np.concatenate(columns, axis=1)
    width = rows.shape[1]
    ends = width - 4 * (labels.shape[1] - used)
    view, starts = memoryview(rows).cast("B"), range(0, rows.size, width)
    joined = b"".join(blake(view[start : start + end]) for start, end in zip(starts, ends.tolist(), strict=True))
    return np.frombuffer(joined, np.uint8).reshape(-1, DIGEST_BYTES)


def digest_sum(digests: np.ndarray) -> int:
    """Return the sum of (n, 16) uint8 digests as little-endian integers, modulo 2 ** 128."""
    words = np.ascontiguousarray(digests).view("<u4").sum(axis=0, dtype=np.uint64)
    return sum(int(word) << (32 * place) for place, word in enumerate(words)) % MODULUS


def sum_to_bytes(total: int) -> bytes:
    return (total % MODULUS).to_bytes(DIGEST_BYTES, "little")


def version_of(total: int, novelty: float) -> str:
    """Return the 32 hex digits of the content with this digest sum under this novelty setting."""
    return blake(sum_to_bytes(total) + repr(float(novelty)).encode()).hex()


def lots_of(digests: np.ndarray) -> np.ndarray:
    """Return the (n,) uint64 lots that decide who stays within a budget: the last 8 bytes of each digest, independent of the ties."""
    return np.ascontiguousarray(digests[:, 8:]).view("<u8").ravel()


def ties_of(digests: np.ndarray) -> np.ndarray:
    """Return the (n,) int64 content keys that break equal distances: the first 8 bytes of each digest."""
    return np.ascontiguousarray(digests[:, :8]).view("<i8").ravel()
