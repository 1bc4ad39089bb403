"""OME-Zarr images (metadata 0.4 in Zarr 2, 0.5 in Zarr 3): a folder with a pyramid, of which the largest level that fits is read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parmesan_engine.errors import FormatError, ShapeError
from parmesan_engine.io.files import check_limit, decoding, fits
from parmesan_engine.io.frames import clean_names, frames_of
from parmesan_engine.io.tiff_sizes import in_unit, unit_name
from parmesan_engine.io.zarr_arrays import ZarrArray, attributes_of, open_array
from parmesan_engine.types import Sample

_UNITS = {"micrometer": "\u00b5m", "nanometer": "nm", "millimeter": "mm", "centimeter": "cm", "meter": "m", "second": "s",
          "millisecond": "ms", "minute": "min", "hour": "h"}
_ROLES = "tczyx"


@dataclass(frozen=True)
class _Image:
    """One image described: its axes as letters of `tczyx`, the levels with their steps, the names of its channels."""

    axes: str
    units: dict[str, str]
    levels: tuple[tuple[Path, tuple[float, ...]], ...]
    names: tuple[str, ...]
    notes: tuple[str, ...]


def read_zarr(path: Path, *, max_bytes: int) -> list[Sample]:
    """Return the time points as (channels, [z,] y, x), of the largest level within max_bytes. Raises LimitError when none is."""
    with decoding(path, "OME-Zarr"):
        image = _image(path)
        array, steps, notes = _level(image, max_bytes, path)
        numbers = _ordered(array.read(max_bytes), image.axes)
        spacing, unit = _spacing(image, steps, numbers.ndim - 2)
    about = Sample(numbers[0], path.name, spacing, unit, notes=(*image.notes, *notes),
                   channel_names=clean_names(list(image.names), numbers.shape[1]))
    return frames_of(numbers, about, interval=_interval(image, steps))


def zarr_shape(path: Path, *, max_bytes: int) -> tuple[int, ...]:
    """Return the spatial shape of the level that read_zarr would read. Raises LimitError when none fits."""
    with decoding(path, "OME-Zarr"):
        image = _image(path)
        array, _, _ = _level(image, max_bytes, path)
        sizes = dict(zip(image.axes, array.shape, strict=True))
        return tuple(sizes[axis] for axis in "zyx" if axis in sizes and (axis != "z" or sizes[axis] > 1))


def read_zarr_labels(path: Path, *, max_bytes: int) -> np.ndarray:
    """Return the stored numbers of the largest level as (t, [z,] y, x). Raises LimitError, FormatError."""
    with decoding(path, "OME-Zarr"):
        image = _image(path)
        array = open_array(image.levels[0][0])
        check_limit(array.shape, max_bytes, path.name)
        labels = _ordered(array.read(max_bytes), image.axes)
    if labels.shape[1] != 1:
        raise FormatError("one number per pixel", f"{path.name} with {labels.shape[1]} channels", "save labels in one channel")
    return labels[:, 0]


def _image(path: Path) -> _Image:
    attributes, folder, notes = _attributes(path), path, ()
    if "bioformats2raw.layout" in attributes and "multiscales" not in attributes:  # several images in folders 0, 1, ...
        folder = path / "0"
        attributes = _attributes(folder)
        if (path / "1").is_dir():
            notes = ("only the first image in it was read",)
    if "plate" in attributes or "well" in attributes:
        raise FormatError("one image", f"a plate of many in {path.name}", "choose the folder of one image in it")
    scales = attributes.get("multiscales")
    if not isinstance(scales, list) or not scales or not isinstance(scales[0], dict):
        raise FormatError("OME-Zarr with multiscales (0.4 or 0.5)", f"none in {path.name}", "save it with ome-zarr or Fiji")
    axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in scales[0].get("axes") or []]
    letters = "".join(str(axis.get("name", "")).lower()[:1] for axis in axes)
    if len(set(letters)) < len(letters) or not {"y", "x"} <= set(letters) <= set(_ROLES):
        raise ShapeError(f"axes out of {', '.join(_ROLES)}, with y and x", f"{[axis.get('name') for axis in axes]} in {path.name}",
                         "save it with named axes")
    channels = (attributes.get("omero") or {}).get("channels") or []
    return _Image(letters, {letter: _unit(axis.get("unit")) for letter, axis in zip(letters, axes, strict=True)},
                  tuple(_steps(one, scales[0], folder, len(letters)) for one in scales[0]["datasets"]),
                  tuple(str(channel.get("label", "")) for channel in channels), notes)


def _attributes(folder: Path) -> dict[str, Any]:
    attributes = attributes_of(folder)
    return attributes.get("ome", attributes)  # 0.5 keeps everything under one name


def _steps(dataset: dict[str, Any], scale: dict[str, Any], folder: Path, count: int) -> tuple[Path, tuple[float, ...]]:
    """Return the folder of a level and its step along each axis: its own scale times that of the whole pyramid."""
    name = str(dataset["path"])
    if any(part in ("", ".", "..") for part in name.split("/")) or "\\" in name or Path(name).is_absolute():
        raise FormatError("levels inside the folder", f"{name[:60]!r} in {folder.name}", "copy the whole .zarr folder again")
    steps = np.ones(count)
    for transformations in (dataset.get("coordinateTransformations"), scale.get("coordinateTransformations")):
        for one in transformations or []:
            if one.get("type") == "scale":
                steps = steps * np.asarray(one["scale"], float)
    return folder / name, tuple(float(n) for n in steps)


def _level(image: _Image, max_bytes: int, path: Path) -> tuple[ZarrArray, tuple[float, ...], tuple[str, ...]]:
    """Return the largest level that fits, its steps, and a note when it is not the first."""
    levels = [(open_array(folder), steps) for folder, steps in image.levels]
    for array, _ in levels:
        if len(array.shape) != len(image.axes) or 0 in array.shape:
            raise ShapeError(f"axes {', '.join(image.axes)}, none empty", f"shape {array.shape} in {path.name}", "save it again")
    array, steps = next((one for one in levels if fits(one[0].shape, max_bytes)), levels[-1])
    check_limit(array.shape, max_bytes, path.name)
    full, read = (" x ".join(map(str, one.shape)) for one in (levels[0][0], array))
    return array, steps, (f"read at {read} of {full}, the largest level that fits",) if read != full else ()


def _ordered(array: np.ndarray, axes: str) -> np.ndarray:
    """Return (t, channels, [z,] y, x); a single plane of depth is none."""
    array = array.transpose([axes.index(axis) for axis in _ROLES if axis in axes])
    for place, axis in enumerate("tcz"):
        if axis not in axes:
            array = np.expand_dims(array, place)
    return array if array.shape[2] > 1 else array[:, :, 0]


def _spacing(image: _Image, steps: tuple[float, ...], dims: int) -> tuple[tuple[float, ...] | None, str]:
    """Return the spacing, in the unit of x."""
    unit = image.units["x"]
    sizes = dict(zip(image.axes, steps, strict=True))
    wanted = [in_unit(sizes[axis], image.units[axis], unit) for axis in "zyx"[3 - dims:]]
    return (tuple(wanted), unit) if unit and all(np.isfinite(n) and n > 0 for n in wanted) else (None, "px")


def _interval(image: _Image, steps: tuple[float, ...]) -> str:
    if not image.units.get("t"):
        return ""
    return f"{steps[image.axes.index('t')]:g} {image.units['t']}"


def _unit(name: Any) -> str:
    return _UNITS.get(str(name or "").lower(), unit_name(name or ""))
