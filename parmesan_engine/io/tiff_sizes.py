"""What TIFF files say beside their pixels: physical sizes, time steps and channel names, in the ways of ImageJ and of OME."""

import html
import re

import numpy as np
import tifffile

_MICRON = {"micron", "microns", "micrometer", "micrometers", "um", "\u00b5m", "\u03bcm", r"\u00b5m"}
_METRES = {"nm": 1e-9, "\u00b5m": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0}
_CHANNEL = re.compile(r"<(?:\w+:)?Channel\b([^>]*)>")
_PIXELS = re.compile(r"<(?:\w+:)?Pixels\b([^>]*)>(.*?)(?:</(?:\w+:)?Pixels>|\Z)", re.DOTALL)


def spacing_of(tif: tifffile.TiffFile, page: tifffile.TiffPage, depth_axis: str, dims: int, *,
               swapped: bool) -> tuple[tuple[float, ...] | None, str]:
    """Return the spacing (z, y, x) or (y, x) and its unit, or (None, "px")."""
    sizes, unit = _ome_sizes(tif.ome_metadata) if tif.is_ome else _imagej_sizes(tif, page)
    if depth_axis and depth_axis not in "ZIQ":  # pages are angles or colours of light: no distance
        return None, "px"
    plane = ("x", "y") if swapped else ("y", "x")
    wanted = [sizes.get(axis, 0.0) for axis in (("z", *plane) if dims == 3 else plane)]
    return (tuple(wanted), unit) if all(np.isfinite(n) and n > 0 for n in wanted) else (None, "px")


def channel_names(tif: tifffile.TiffFile) -> list[str]:
    """Return the names of the channels of the first image of an OME-TIFF, "" for those without one."""
    if not tif.is_ome:
        return []
    _, inside = _pixels(tif.ome_metadata)
    return [_attribute(channel, "Name", "") for channel in _CHANNEL.findall(inside)]


def interval_of(tif: tifffile.TiffFile) -> str:
    """Return the time between two time points, such as "0.5 s"; "" when the file does not say."""
    if tif.is_ome:
        attributes, _ = _pixels(tif.ome_metadata)
        step = _attribute(attributes, "TimeIncrement", "")
        return f"{step} {unit_name(_attribute(attributes, 'TimeIncrementUnit', 's'))}" if step else ""
    metadata = tif.imagej_metadata or {}
    return f"{metadata['finterval']:g} {metadata.get('tunit', 's')}" if metadata.get("finterval") else ""


def unit_name(text: str) -> str:
    """Return a unit as we write it: the micrometre has many spellings."""
    text = str(text).strip()
    return "\u00b5m" if text.lower() in _MICRON else text


def in_unit(size: float, own: str, unit: str) -> float:
    """Return a length given in one unit in another; NaN when one of them is not known."""
    return size if own == unit else size * _METRES.get(own, np.nan) / _METRES.get(unit, np.nan)


def _imagej_sizes(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> tuple[dict[str, float], str]:
    unit = unit_name((tif.imagej_metadata or {}).get("unit", ""))
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
    attributes, _ = _pixels(xml)
    unit = unit_name(_attribute(attributes, "PhysicalSizeXUnit", "\u00b5m"))
    sizes = {}
    for axis in "XYZ":
        own = unit_name(_attribute(attributes, f"PhysicalSize{axis}Unit", "\u00b5m"))
        sizes[axis.lower()] = in_unit(float(_attribute(attributes, f"PhysicalSize{axis}", "0")), own, unit)
    return sizes, unit


def _pixels(xml: str) -> tuple[str, str]:
    """Return the attributes and the content of the first image's Pixels. Expressions, because an XML parser unfolds entities."""
    found = _PIXELS.search(xml)
    return found.groups() if found else ("", "")


def _attribute(attributes: str, name: str, default: str) -> str:
    found = re.search(rf'\b{name}="([^"]*)"', attributes)
    return html.unescape(found.group(1)) if found else default
