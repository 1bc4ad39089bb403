"""TIFF pictures and stacks, with the physical sizes of ImageJ and OME; plain resolution tags are print settings."""

import html
import re
from pathlib import Path

import numpy as np
import tifffile

from parmesan_engine.errors import FormatError, ShapeError
from parmesan_engine.io.files import check_limit, decoding, plain_numbers
from parmesan_engine.io.raster import orient, orientation_notes
from parmesan_engine.types import Sample

_ALPHA = (1, 2)  # values of the ExtraSamples tag; 0 is "something else", such as an infrared channel
_MICRON = {"micron", "microns", "micrometer", "um", "\u00b5m", "\u03bcm", r"\u00b5m"}
_METRES = {"nm": 1e-9, "\u00b5m": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0}


def read_tiff(path: Path, *, max_bytes: int) -> Sample:
    """Return a TIFF as (channels, y, x), or (channels, z, y, x) when it has several pages of one size.

    3 or 4 samples per pixel are colours (alpha dropped); further pages of other sizes are left out with a note.
    """
    with decoding(path, "TIFF"), tifffile.TiffFile(path) as tif:
        series, page = tif.series[0], tif.series[0].keyframe
        _check_axes(series, path)
        colours = 3 if page.photometric == tifffile.PHOTOMETRIC.PALETTE else 1
        check_limit((*series.shape, colours), max_bytes, path.name)
        _check_complete(tif, series, path)
        array, notes = _colours(series.asarray(), series.axes, page)
        if len(tif.series) > 1:
            notes += (f"only the first of {len(tif.series)} pictures of different sizes was read",)
        orientation = _orientation(page)
        array, depth_axis = _to_channels_first(array, series.axes, orientation)
        spacing, unit = _spacing(tif, page, depth_axis, array.ndim - 1, swapped=orientation >= 5)
    return Sample(
        plain_numbers(array, path.name), path.name, spacing, unit, notes=notes + orientation_notes(orientation)
    )


def tiff_shape(path: Path) -> tuple[int, ...]:
    """Return the spatial shape as read_tiff would, from the header alone."""
    with decoding(path, "TIFF"), tifffile.TiffFile(path) as tif:
        series = tif.series[0]
        _check_axes(series, path)
        sizes = dict(zip(series.axes, series.shape, strict=True))
        plane = (sizes["Y"], sizes["X"]) if _orientation(series.keyframe) < 5 else (sizes["X"], sizes["Y"])
        return (*(n for axis, n in sizes.items() if axis not in "YXSC" and n > 1), *plane)


def read_tiff_labels(path: Path, *, max_bytes: int) -> np.ndarray:
    """Return the stored numbers as (y, x) or (z, y, x); a palette is only for looking."""
    with decoding(path, "TIFF"), tifffile.TiffFile(path) as tif:
        series = tif.series[0]
        _check_axes(series, path)
        check_limit(series.shape, max_bytes, path.name)
        _check_complete(tif, series, path)
        labels, _ = _to_channels_first(series.asarray(), series.axes, _orientation(series.keyframe))
    if len(labels) != 1:
        raise FormatError(
            "one number per pixel", f"{path.name} with {len(labels)} channels", "save labels in one channel"
        )
    return labels[0]


def _orientation(page: tifffile.TiffPage) -> int:
    return int(page.tags["Orientation"].value) if "Orientation" in page.tags else 1


def _check_axes(series: tifffile.TiffPageSeries, path: Path) -> None:
    sizes = dict(zip(series.axes, series.shape, strict=True))
    deep = [axis for axis, n in sizes.items() if axis not in "YXSC" and n > 1]
    channels = [axis for axis in "SC" if sizes.get(axis, 1) > 1]
    if len(sizes) != len(series.axes) or not {"Y", "X"} <= set(sizes) or len(deep) > 1 or len(channels) > 1:
        got = f"axes {series.axes} of sizes {' x '.join(map(str, series.shape))} in {path.name}"
        raise ShapeError(
            "axes y, x, at most one of pages, and one of channels", got, "save one time point or one stack"
        )


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


def _to_channels_first(array: np.ndarray, axes: str, orientation: int) -> tuple[np.ndarray, str]:
    """Return (channels, [z,] y, x) and the letter of the page axis ("" when there is none)."""
    if array.ndim == len(axes) + 1:  # a palette gave a last axis of colours
        axes += "S"
    deep = "".join(axis for axis, n in zip(axes, array.shape, strict=True) if axis not in "YXSC" and n > 1)
    channel = "".join(axis for axis, n in zip(axes, array.shape, strict=True) if axis in "SC" and n > 1)
    keep = "YX" + deep + channel
    order = [axes.index(axis) for axis in keep] + [i for i, axis in enumerate(axes) if axis not in keep]
    array = array.transpose(order).reshape([array.shape[i] for i in order[: len(keep)]])
    array = orient(array, orientation)
    array = array if channel else array[..., None]
    array = array.transpose((3, 2, 0, 1) if deep else (2, 0, 1))
    return np.ascontiguousarray(array), deep


def _spacing(
    tif: tifffile.TiffFile, page: tifffile.TiffPage, depth_axis: str, dims: int, *, swapped: bool
) -> tuple[tuple[float, ...] | None, str]:
    """Return the spacing (z, y, x) or (y, x) and its unit, or (None, "px")."""
    sizes, unit = _ome_sizes(tif.ome_metadata) if tif.is_ome else _imagej_sizes(tif, page)
    if depth_axis and depth_axis not in "ZIQ":  # pages are times or angles: no distance
        return None, "px"
    plane = ("x", "y") if swapped else ("y", "x")
    wanted = [sizes.get(axis, 0.0) for axis in (("z", *plane) if dims == 3 else plane)]
    return (tuple(wanted), unit) if all(np.isfinite(n) and n > 0 for n in wanted) else (None, "px")


def _imagej_sizes(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> tuple[dict[str, float], str]:
    unit = _unit((tif.imagej_metadata or {}).get("unit", ""))
    if not unit or unit.startswith("pixel"):
        return {}, "px"
    sizes = {"z": float(tif.imagej_metadata.get("spacing", 1.0))}  # ImageJ leaves a voxel depth of 1 out
    for axis, name in (("x", "XResolution"), ("y", "YResolution")):
        if name in page.tags and page.tags[name].value[0]:
            pixels, units = page.tags[name].value
            sizes[axis] = units / pixels
    return sizes, unit


def _ome_sizes(xml: str) -> tuple[dict[str, float], str]:
    """Return sizes by axis in the unit of x; OME's default unit is the micrometre."""

    def attribute(name: str, default: str) -> str:
        found = re.search(rf'\b{name}="([^"]*)"', xml)
        return html.unescape(found.group(1)) if found else default

    unit = _unit(attribute("PhysicalSizeXUnit", "\u00b5m"))
    sizes = {}
    for axis in "XYZ":
        own = _unit(attribute(f"PhysicalSize{axis}Unit", "\u00b5m"))
        factor = 1.0 if own == unit else _METRES.get(own, np.nan) / _METRES.get(unit, np.nan)
        sizes[axis.lower()] = float(attribute(f"PhysicalSize{axis}", "0")) * factor
    return sizes, unit


def _unit(text: str) -> str:
    text = str(text).strip()
    return "\u00b5m" if text.lower() in _MICRON else text
