"""Choose some of many: labelled pixels as an annotator with little time would, samples of a dataset, rows evenly spread."""

import hashlib

import numpy as np

from parmesan_engine.errors import FormatError


def choose_pixels(labels: np.ndarray, per_class: int, *, seed: int, name: str) -> np.ndarray:
    """Return (n, spatial_dims) coordinates: up to `per_class` random pixels of each class, or of all valid values.

    labels: (*spatial) int16 class ids with -1 for unlabelled, or float32 values with NaN for unlabelled. The choice depends on
    seed and name alone, so it does not matter in which order samples are learned.
    """
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    random = np.random.default_rng(int.from_bytes(digest, "big"))
    flat = labels.ravel()
    if labels.dtype.kind == "f":
        pools = [np.flatnonzero(np.isfinite(flat))]
    else:
        pools = [np.flatnonzero(flat == c) for c in np.unique(flat[flat >= 0])]
    chosen = [random.choice(pool, min(per_class, len(pool)), replace=False) for pool in pools if len(pool)]
    if not chosen:
        return np.empty((0, labels.ndim), np.int64)
    return np.stack(np.unravel_index(np.concatenate(chosen), labels.shape), 1)


def evenly(rows: np.ndarray, most: int) -> np.ndarray:
    """Return at most `most` of the rows of an array, spread evenly over them."""
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)]


def choose_items(items: list, count: int | None, *, seed: int) -> list:
    """Return `count` of the items (all when None or when there are fewer), the same ones for the same seed.

    Raises FormatError when there are none.
    """
    if not items:
        raise FormatError("at least one labelled sample in this part of the dataset", "none", "choose another part")
    if count is None or count >= len(items):
        return list(items)
    chosen = np.random.default_rng(seed).permutation(len(items))[:count]
    return [items[i] for i in sorted(chosen)]
