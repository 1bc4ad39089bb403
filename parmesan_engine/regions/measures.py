"""How large, where and how bright: rows for tables, one per class or per object of a sample.

Places and bounds are in pixels along z, y, x (t for signals): pixel i covers i to i + 1. Lengths, areas, volumes and centroids are in
physical units where the sample's spacing is known, in pixels elsewhere; the unit stands beside.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # its parts load when they are used: that of images takes half a second

from parmesan_engine.regions.objects import Objects
from parmesan_engine.types import Sample, TaskSpec

AXES = {1: ("t",), 2: ("y", "x"), 3: ("z", "y", "x")}
SIZE = {1: "length", 2: "area", 3: "volume"}
VALUE_COLUMNS = ("unit", "pixels", "fraction", "mean", "std", "min", "p5", "median", "p95", "max")
_POWER = {1: "", 2: "^2", 3: "^3"}
_PIXELS = 2**22  # measured at once


@dataclass(frozen=True)
class Measures:
    """Of groups 1, 2, ... of an index: pixels (n,), centroids (n, dims) in pixels, means (n, channels), boxes of slices or None."""

    pixels: np.ndarray
    centroids: np.ndarray
    means: np.ndarray
    boxes: list[tuple[slice, ...] | None]


def columns(dims: int, channels: Sequence[str]) -> list[str]:
    """Return the names that rows of classes and objects share, in order, for samples with `dims` axes and channels of these names."""
    size, axes = SIZE[dims], AXES[dims]
    return ["pixels", "fraction", size, f"{size}_unit", *(f"centroid_{axis}" for axis in axes), "centroid_unit",
            *(f"{axis}_{end}" for axis in axes for end in ("start", "stop")), *(f"mean_{name}" for name in channels)]  # fmt: skip


def numbered(channels: int) -> list[str]:
    """Return names for channels without any: "1", "2", ..."""
    return [str(number + 1) for number in range(channels)]


def object_rows(objects: Objects, sample: Sample, task: TaskSpec, channels: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return a row per object: object, class_id, class and `columns`. channels: their names, numbers when there are none."""
    measures = measure(objects.index, len(objects), sample.array)
    rows = []
    for number, label in enumerate(objects.classes.tolist()):
        named = {"object": number + 1, "class_id": label, "class": task.classes[label]}
        rows.append(named | _row(measures, number, sample, channels))
    return rows


def class_rows(labels: np.ndarray, sample: Sample, task: TaskSpec, channels: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return a row per class, also of those that do not occur, and one for "unknown" (id -1) where some pixels are.

    A row has class_id, class and `columns`.
    """
    measures = measure(labels.astype(np.int32) + 2, len(task.classes) + 1, sample.array)
    rows = []
    for number, name in enumerate(("unknown", *task.classes)):
        if number or measures.pixels[0]:
            rows.append({"class_id": number - 1, "class": name} | _row(measures, number, sample, channels))
    return rows


def value_row(values: np.ndarray, task: TaskSpec) -> dict[str, Any]:
    """Return `VALUE_COLUMNS` of predicted values (NaN = unknown); pixels and fraction are of the known ones."""
    known = values[np.isfinite(values)].astype(np.float64)
    numbers = [np.nan] * 7
    if known.size:
        low, middle, high = np.quantile(known, (0.05, 0.5, 0.95))
        numbers = [known.mean(), known.std(), known.min(), low, middle, high, known.max()]
    return dict(zip(VALUE_COLUMNS, (task.unit, known.size, known.size / values.size, *map(float, numbers)), strict=True))


def measure(index: np.ndarray, count: int, array: np.ndarray) -> Measures:
    """Measure groups 1..count of a (*spatial) index over the (channels, *spatial) values beneath, a slab at a time."""
    dims, channels = index.ndim, len(array)
    pixels, places, sums = np.zeros(count + 1, np.int64), np.zeros((dims, count + 1)), np.zeros((channels, count + 1))
    step = max(_PIXELS // max(int(np.prod(index.shape[1:])), 1), 1)
    for start in range(0, len(index), step):
        slab = index[start : start + step]
        inside = np.nonzero(slab)
        groups = slab[inside]
        pixels += np.bincount(groups, minlength=count + 1)
        for axis, at in enumerate(inside):
            places[axis] += np.bincount(groups, at + (start + 0.5 if axis == 0 else 0.5), count + 1)
        for channel in range(channels):
            sums[channel] += np.bincount(groups, array[channel, start : start + step][inside], count + 1)
    some = np.maximum(pixels[1:], 1)
    means = np.where(pixels[1:, None] > 0, sums[:, 1:].T / some[:, None], np.nan)
    centroids = np.where(pixels[1:, None] > 0, places[:, 1:].T / some[:, None], np.nan)
    return Measures(pixels[1:], centroids, means, scipy.ndimage.find_objects(index, count))


def _row(measures: Measures, number: int, sample: Sample, channels: Sequence[str]) -> dict[str, Any]:
    dims, pixels = sample.spatial_dims, int(measures.pixels[number])
    spacing, unit = (sample.spacing, sample.unit) if sample.spacing else ((1.0,) * dims, "px")
    row = {"pixels": pixels, "fraction": pixels / int(np.prod(sample.spatial_shape)), SIZE[dims]: pixels * float(np.prod(spacing)),
           f"{SIZE[dims]}_unit": unit + _POWER[dims]}  # fmt: skip
    for axis, at, size in zip(AXES[dims], measures.centroids[number].tolist(), spacing, strict=True):
        row[f"centroid_{axis}"] = at * size
    row["centroid_unit"] = unit
    for axis, bounds in zip(AXES[dims], measures.boxes[number] or (None,) * dims, strict=True):
        row |= {f"{axis}_start": bounds.start if bounds else None, f"{axis}_stop": bounds.stop if bounds else None}
    names = channels or numbered(sample.channels)
    return row | {f"mean_{name}": mean for name, mean in zip(names, measures.means[number].tolist(), strict=False)}
