"""TIFF pictures, stacks and recordings: pages, depth, time, channels, pyramids. What they say beside is in `tiff_sizes`."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile

from parmesan_engine.errors import FormatError, ShapeError
from parmesan_engine.io.files import check_limit, decoding, fits
from parmesan_engine.io.frames import clean_names, frames_of
from parmesan_engine.io.raster import orient, orientation_notes
from parmesan_engine.io.tiff_sizes import channel_names, interval_of, spacing_of
from parmesan_engine.types import Sample

_ALPHA = (1, 2)  # values of the ExtraSamples tag; 0 is "something else", such as an infrared channel
_OTHER_FILES = "its OME description is of several files; the pages in this one were read, in their order"


class _Alone(io.BufferedReader):
    """A file that does not say that it is one: beside a file, tifffile opens whatever others its OME, Micro-Manager or NDTiff
    headers name, wherever they lie, and their pixels would become part of the picture."""

    def fileno(self) -> int:
        raise io.UnsupportedOperation("read as a stream")


def read_tiff(path: Path, *, max_bytes: int) -> list[Sample]:
    """Return the time points of a TIFF as (channels, y, x), or (channels, z, y, x) when it has several pages of one size.

    3 or 4 samples per pixel are colours (alpha dropped); further pages of other sizes are left out with a note. Of a pyramid
    the largest picture within max_bytes is read.
    """
    with decoding(path, "TIFF"), _opened(path) as tif:
        _check_axes(tif.series[0], path)
        series, notes = _level(tif.series[0], path, max_bytes)
        _check_complete(tif, series, path)
        array, more = _colours(series.asarray(), series.axes, series.keyframe)
        notes += more
        if tif.is_ome and tif.series[0].kind == "generic":
            notes += (_OTHER_FILES,)
        if len(tif.series) > 1:
            notes += (f"only the first of {len(tif.series)} pictures was read",)
        orientation = _orientation(series.keyframe)
        array, depth_axis = _to_frames(array, series.axes, orientation)
        spacing, unit = spacing_of(tif, tif.series[0].keyframe, depth_axis, array.ndim - 2, swapped=orientation >= 5)
        names, interval = clean_names(channel_names(tif), array.shape[1]), interval_of(tif)
        if spacing:  # a smaller picture of a pyramid has larger pixels
            whole = _to_sizes(tif.series[0], orientation)
            spacing = tuple(step * n / m for step, n, m in zip(spacing, whole, array.shape[2:], strict=True))
    about = Sample(array[0], path.name, spacing, unit, notes=notes + orientation_notes(orientation), channel_names=names)
    return frames_of(array, about, interval=interval)


def tiff_shape(path: Path, *, max_bytes: int) -> tuple[int, ...]:
    """Return the spatial shape as read_tiff would, from the header alone. Raises LimitError."""
    with decoding(path, "TIFF"), _opened(path) as tif:
        _check_axes(tif.series[0], path)
        series, _ = _level(tif.series[0], path, max_bytes)
        return _to_sizes(series, _orientation(series.keyframe))


def read_tiff_labels(path: Path, *, max_bytes: int) -> np.ndarray:
    """Return the stored numbers as (t, y, x) or (t, z, y, x); a palette is only for looking."""
    with decoding(path, "TIFF"), _opened(path) as tif:
        series = tif.series[0]
        _check_axes(series, path)
        check_limit(series.shape, max_bytes, path.name)
        _check_complete(tif, series, path)
        labels, _ = _to_frames(series.asarray(), series.axes, _orientation(series.keyframe))
    if labels.shape[1] != 1:
        raise FormatError("one number per pixel", f"{path.name} with {labels.shape[1]} channels", "save labels in one channel")
    return labels[:, 0]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tifffile.TiffFile]:
    """Open this file and no other."""
    with _Alone(io.FileIO(path)) as file, tifffile.TiffFile(file, _multifile=False) as tif:
        yield tif


def _level(series: tifffile.TiffPageSeries, path: Path, max_bytes: int) -> tuple[tifffile.TiffPageSeries, tuple[str, ...]]:
    """Return the largest picture of a pyramid that fits, with a note when it is not the first. Raises LimitError."""
    colours = 3 if series.keyframe.photometric == tifffile.PHOTOMETRIC.PALETTE else 1
    level = next((one for one in series.levels if fits((*one.shape, colours), max_bytes)), series)
    check_limit((*level.shape, colours), max_bytes, path.name)
    _check_axes(level, path)
    if level.shape == series.shape:
        return series, ()
    full, read = (" x ".join(map(str, one.shape)) for one in (series, level))
    return level, (f"read at {read} of {full}, the largest picture of its pyramid that fits",)


def _orientation(page: tifffile.TiffPage) -> int:
    return int(page.tags["Orientation"].value) if "Orientation" in page.tags else 1


def _check_axes(series: tifffile.TiffPageSeries, path: Path) -> None:
    sizes = dict(zip(series.axes, series.shape, strict=True))
    deep = [axis for axis, n in sizes.items() if axis not in "TYXSC" and n > 1]
    if len(sizes) != len(series.axes) or not {"Y", "X"} <= set(sizes) or len(deep) > 1:
        got = f"axes {series.axes} of sizes {' x '.join(map(str, series.shape))} in {path.name}"
        raise ShapeError("axes y, x, at most one of depth, and those of time and channels", got, "save one stack of it")


def _to_sizes(series: tifffile.TiffPageSeries, orientation: int) -> tuple[int, ...]:
    """Return the spatial shape."""
    sizes = dict(zip(series.axes, series.shape, strict=True))
    plane = (sizes["Y"], sizes["X"]) if orientation < 5 else (sizes["X"], sizes["Y"])
    return (*(n for axis, n in sizes.items() if axis not in "TYXSC" and n > 1), *plane)


def _check_complete(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries, path: Path) -> None:
    """Raise FormatError when pixels lie beyond the end of the file (tifffile would fill in zeros or stop midway)."""
    if series.dataoffset is not None:
        end = series.dataoffset + series.nbytes
    else:
        end = max(
            (
                offset + count
                for page in series.pages
                if page is not None
                for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)
            ),
            default=0,
        )
    if end > tif.filehandle.size:
        got = f"{path.name}, {tif.filehandle.size:,} bytes long but with pixels up to byte {end:,}"
        raise FormatError("an intact TIFF file", got, "copy or export it again; it was cut off")


def _colours(array: np.ndarray, axes: str, page: tifffile.TiffPage) -> tuple[np.ndarray, tuple[str, ...]]:
    """Apply what the photometric tag says; axes stay, except that S is shortened when alpha is dropped."""
    photometric = page.photometric
    if photometric == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None:
        colours = (page.colormap >> 8).astype(np.uint8)  # (3, entries) of 16 bits
        return np.moveaxis(colours[:, array], 0, -1), ("palette turned into colours",)
    if photometric == tifffile.PHOTOMETRIC.MINISWHITE and array.dtype.kind in "bu":
        top = np.True_ if array.dtype.kind == "b" else np.iinfo(array.dtype).max
        return array ^ top, ("inverted, because its white is stored as 0",)
    if "S" in axes and page.extrasamples and page.extrasamples[-1] in _ALPHA:
        samples = array.shape[axes.index("S")]
        return np.take(array, range(samples - 1), axis=axes.index("S")), ("alpha channel dropped",)
    return array, ()


def _to_frames(array: np.ndarray, axes: str, orientation: int) -> tuple[np.ndarray, str]:
    """Return (t, channels, [z,] y, x) and the letter of the depth axis ("" when there is none)."""
    if array.ndim == len(axes) + 1:  # a palette gave a last axis of colours
        axes += "S"
    deep = "".join(axis for axis, n in zip(axes, array.shape, strict=True) if axis not in "TYXSC" and n > 1)
    keep = [axis for axis in "YX" + deep + "TCS" if axis in axes]
    order = [axes.index(axis) for axis in keep] + [i for i, axis in enumerate(axes) if axis not in keep]
    sizes = dict(zip(axes, array.shape, strict=True))
    shape = [sizes["Y"], sizes["X"], sizes[deep] if deep else 1, sizes.get("T", 1), sizes.get("C", 1) * sizes.get("S", 1)]
    array = orient(array.transpose(order).reshape(shape), orientation).transpose(3, 4, 2, 0, 1)
    return np.ascontiguousarray(array if deep else array[:, :, 0]), deep
