"""Files to labelled samples of the size, channels and dimensions that a stream has."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from parmesan_engine.continual.steps import Pair
from parmesan_engine.errors import LimitError
from parmesan_engine.io import Dataset, Item
from parmesan_engine.types import Sample

MOST_BYTES = 4 << 30  # of all samples of a stream together


def read_pairs(dataset: Dataset, items: Iterable[Item], *, size: int | None, slices: int, ids: np.ndarray | None = None,
               limit: int = MOST_BYTES) -> list[Pair]:
    """Return the samples with their labels, at most `size` pixels long and, where slices > 0, cut across their first axis.

    ids: new id of each class, see `grouping.united`. Raises LimitError when they need more than `limit` bytes.
    """
    pairs, total = [], 0
    for item in items:
        sample, labels = dataset.read_sample(item), dataset.read_label(item)
        labels = labels if ids is None or labels.dtype.kind == "f" else ids[labels]
        for pair in cut(sample, labels, slices) if slices else [(sample, labels)]:
            pairs.append(shrunk(*pair, size))
            total += pairs[-1][0].array.nbytes + pairs[-1][1].nbytes
            if total > limit:
                raise LimitError(f"samples of at most {limit / 2**30:.3g} GiB together", f"more, after {len(pairs)}",
                                 "choose fewer samples, or a smaller size")
    return pairs


def shrunk(sample: Sample, labels: np.ndarray, size: int | None) -> Pair:
    """Return a sample whose longest side is at most `size`: means over blocks of n pixels a side, and the label in the middle of each.

    Labels are not mixed: a mean of class ids is no class, and that of two depths is a place where nothing is.
    """
    shape = sample.spatial_shape
    step = 1 if size is None else -(-max(shape) // size)
    if step == 1:
        return sample, labels
    steps = [min(step, n) for n in shape]
    grid = [n // s for n, s in zip(shape, steps, strict=True)]
    whole = sample.array[(slice(None), *(slice(0, n * s) for n, s in zip(grid, steps, strict=True)))]
    parts = [sample.channels, *(part for n, s in zip(grid, steps, strict=True) for part in (n, s))]
    means = whole.reshape(parts).mean(tuple(range(2, len(parts), 2)), dtype=np.float32)
    array = np.rint(means).astype(whole.dtype) if whole.dtype.kind in "iu" else means.astype(whole.dtype)
    spacing = sample.spacing and tuple(a * s for a, s in zip(sample.spacing, steps, strict=True))
    small = replace(sample, array=array, spacing=spacing, affine=None, notes=(*sample.notes, f"one pixel for {step} a side"))
    return small, labels[tuple(slice(s // 2, n * s, s) for n, s in zip(grid, steps, strict=True))]


def cut(sample: Sample, labels: np.ndarray, slices: int) -> list[Pair]:
    """Return planes of a volume, spread evenly over its first axis."""
    depth = sample.spatial_shape[0]
    places = sorted({(2 * number + 1) * depth // (2 * slices) for number in range(slices)})
    spacing = sample.spacing and sample.spacing[1:]
    return [(replace(sample, array=sample.array[:, z], name=f"{sample.name}-{z}", spacing=spacing, affine=None), labels[z]) for z in places]
