"""Folders of labelled samples: `dataset.json`, `SPLIT/images`, `SPLIT/labels`, the same stem in both."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from parmesan_engine.errors import FormatError, ShapeError, UnknownNameError
from parmesan_engine.io.files import MAX_BYTES, SUPPORTED, stem_of, suffix_of
from parmesan_engine.io.palette import distinct_colors
from parmesan_engine.io.reading import read, read_label_array, spatial_shape
from parmesan_engine.types import Sample, TaskSpec


@dataclass(frozen=True)
class Item:
    """One labelled sample on disk; `name` is the stem of both files."""

    name: str
    image_path: Path
    label_path: Path


@dataclass(frozen=True)
class Dataset:
    """A folder opened. spacing: along each spatial axis in `unit`, for samples whose files have none of their own."""

    folder: Path
    name: str
    task: TaskSpec
    spatial_dims: int
    spacing: tuple[float, ...] | None = None
    unit: str = "px"

    def splits(self) -> list[str]:
        """Return the names of the parts, such as test and train."""
        return sorted(path.parent.name for path in self.folder.glob("*/images"))

    def items(self, split: str) -> list[Item]:
        """Return the samples of a part by name. Raises UnknownNameError for a part, FormatError for a missing label."""
        images = self.folder / split / "images"
        if not images.is_dir():
            raise UnknownNameError(
                f"a part of {self.name} ({', '.join(self.splits()) or 'none found'})",
                repr(split),
                "check the name; a part is a folder with images and labels in it",
            )
        labels = {
            stem_of(path): path for path in (self.folder / split / "labels").glob("*") if suffix_of(path) in SUPPORTED
        }
        items = []
        for path in sorted(images.iterdir()):
            if suffix_of(path) in SUPPORTED and not path.name.startswith("."):
                if stem_of(path) not in labels:
                    raise FormatError(
                        f"a label file for {split}/images/{path.name}",
                        f"none of that name in {split}/labels",
                        "add it or remove the image",
                    )
                items.append(Item(stem_of(path), path, labels[stem_of(path)]))
        return items

    def read_sample(self, item: Item, *, max_bytes: int = MAX_BYTES) -> Sample:
        """Return the image; its own spacing counts, else the dataset's."""
        sample = read(item.image_path, max_bytes=max_bytes, spatial_dims=self.spatial_dims)
        if sample.spacing is None and self.spacing is not None:
            sample = replace(sample, spacing=self.spacing, unit=self.unit)
        return sample

    def read_label(self, item: Item, *, max_bytes: int = MAX_BYTES) -> np.ndarray:
        """Return (*spatial) int16 class ids, -1 = unlabelled, or float32 values in `task.unit`, NaN = unlabelled.

        Raises ShapeError when the image has another shape, FormatError for a class id that the dataset does not have.
        """
        stored = read_label_array(item.label_path, max_bytes=max_bytes)
        if stored.ndim == self.spatial_dims + 1 and stored.shape[0] == 1:
            stored = stored[0]
        shape = spatial_shape(item.image_path, max_bytes=max_bytes, spatial_dims=self.spatial_dims)
        if stored.shape != shape:
            raise ShapeError(
                f"labels of shape {shape}, as {item.image_path.name}",
                f"{stored.shape} in {item.label_path.name}",
                "make both the same size",
            )
        return (
            _values(stored, self.task)
            if self.task.kind == "regression"
            else _class_ids(stored, self.task, item.label_path)
        )


def _values(stored: np.ndarray, task: TaskSpec) -> np.ndarray:
    values = stored.astype(np.float32)
    if task.invalid_value is not None:
        values[stored == task.invalid_value] = np.nan
    return values


def _class_ids(stored: np.ndarray, task: TaskSpec, path: Path) -> np.ndarray:
    ignored = np.zeros(stored.shape, bool) if task.ignore_index is None else stored == task.ignore_index
    unknown = ~ignored & ~((stored >= 0) & (stored < len(task.classes)) & (stored == np.floor(stored)))
    if unknown.any():
        first = tuple(int(i) for i in np.unravel_index(int(unknown.argmax()), unknown.shape))
        also = "" if task.ignore_index is None else f" or {task.ignore_index} for unlabelled"
        got = f"{stored[first]:g} at {first} and {int(unknown.sum()) - 1:,} more such in {path.name}"
        raise FormatError(
            f"class ids 0 to {len(task.classes) - 1}{also}", got, "add the class to dataset.json or mend the file"
        )
    return np.where(ignored, np.int16(-1), stored.astype(np.int16))  # cast first: as uint8, -1 would become 255


def open_dataset(folder: str | Path) -> Dataset:
    """Return a dataset after checking every field of its dataset.json. Raises FormatError, which names the field."""
    folder = Path(folder)
    path = folder / "dataset.json"
    if not path.is_file():
        raise FormatError("a folder with dataset.json in it", f"{folder}", "check the path")
    try:
        fields = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise FormatError("JSON in dataset.json", f"{error}", "mend the file") from error
    if not isinstance(fields, dict):
        raise FormatError("an object in dataset.json", f"{type(fields).__name__}", 'write {"task": ..., ...}')
    _require("task", fields.get("task"), ("segmentation", "regression"))
    dims = _require("spatial_dims", fields.get("spatial_dims"), (1, 2, 3))
    spacing, unit = _spacing(fields, dims)
    name = fields.get("name", folder.name)
    if not isinstance(name, str):
        raise _wrong("name", "text", name)
    return Dataset(folder, name, _task(fields), dims, spacing, unit)


def _task(fields: dict[str, Any]) -> TaskSpec:
    unit, shown, ignore = fields.get("unit", ""), fields.get("display_range"), fields.get("ignore_index")
    if not isinstance(unit, str):
        raise _wrong("unit", "text", unit)
    if fields["task"] == "regression":
        if shown is not None and not (_numbers(shown, 2) and shown[0] < shown[1]):
            raise _wrong("display_range", "[low, high]", shown)
        invalid = fields.get("invalid_value")
        if invalid is not None and not _numbers([invalid], 1):
            raise _wrong("invalid_value", "a number", invalid)
        return TaskSpec("regression", invalid_value=invalid, unit=unit, display_range=shown and tuple(shown))
    classes = fields.get("classes")
    if not isinstance(classes, list) or not classes or not all(isinstance(name, str) and name for name in classes):
        raise _wrong("classes", "a list of names", classes)
    if len(set(classes)) != len(classes):
        raise _wrong("classes", "names that differ", classes)
    if ignore is not None and (type(ignore) is not int or 0 <= ignore < len(classes)):
        raise _wrong("ignore_index", f"a whole number that is no class id (0 to {len(classes) - 1})", ignore)
    colors = fields.get("colors", distinct_colors(len(classes)))
    good = isinstance(colors, list | tuple) and all(
        _numbers(c, 3) and all(type(v) is int and 0 <= v <= 255 for v in c) for c in colors
    )
    if not good or len(colors) != len(classes):
        raise _wrong("colors", f"{len(classes)} colours [red, green, blue] of 0 to 255", colors)
    return TaskSpec("segmentation", tuple(classes), tuple(tuple(c) for c in colors), ignore_index=ignore)


def _spacing(fields: dict[str, Any], dims: int) -> tuple[tuple[float, ...] | None, str]:
    """Return the spacing in axis order (z, y, x) and its unit."""
    millimetres, rate = fields.get("spacing_mm"), fields.get("sampling_rate_hz")
    if millimetres is not None:
        if not _numbers(millimetres, dims) or min(millimetres) <= 0:
            raise _wrong("spacing_mm", f"{dims} positive numbers", millimetres)
        return tuple(float(s) for s in millimetres), "mm"
    if rate is not None:
        if dims != 1 or not _numbers([rate], 1) or rate <= 0:
            raise _wrong("sampling_rate_hz", "a positive number, in a dataset of one spatial axis", rate)
        return (1.0 / rate,), "s"
    return None, "px"


def _require(field: str, value: Any, allowed: tuple) -> Any:
    if value not in allowed or isinstance(value, bool):
        raise _wrong(field, " or ".join(map(str, allowed)), value)
    return value


def _numbers(values: Any, count: int) -> bool:
    return (
        isinstance(values, list | tuple)
        and len(values) == count
        and all(isinstance(v, int | float) and not isinstance(v, bool) and np.isfinite(v) for v in values)
    )


def _wrong(field: str, expected: str, value: Any) -> FormatError:
    return FormatError(f'"{field}" in dataset.json to be {expected}', f"{value!r}"[:120], "mend dataset.json")
