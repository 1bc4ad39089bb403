"""NRRD volumes, pictures and recordings (.nrrd, or .nhdr beside its data file).

pynrrd interprets the header; the voxels are read by us, exactly as many bytes as the header announces, after the size
has been checked. So neither a false header nor a bomb can make us unpack more than allowed.
"""

import bz2
import gzip
import io
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import nrrd
import numpy as np

from parmesan_engine.errors import FormatError, LimitError, ShapeError
from parmesan_engine.io.files import check_limit, decoding
from parmesan_engine.io.frames import frames_of
from parmesan_engine.io.tiff_sizes import unit_name
from parmesan_engine.types import Sample

_HEADER_BYTES = 2**20  # real headers have a few thousand
_TYPES = {"char": "i1", "short": "i2", "int": "i4", "longlong": "i8"}
_NAMES = {"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4", "int64": "i8", "uint64": "u8",
          "float": "f4", "double": "f8"}
_SPATIAL = {"domain", "space"}
_SIGNS = {"left": (0, -1.0), "right": (0, 1.0), "posterior": (1, -1.0), "anterior": (1, 1.0), "inferior": (2, -1.0), "superior": (2, 1.0)}
_SHORT = {name[0].upper(): name for name in _SIGNS}
_COLOURS = 4


@dataclass(frozen=True)
class _Header:
    """A header read: sizes and the role of each axis ("s" space, "c" channels, "t" time), the fastest axis first."""

    fields: dict[str, Any]
    sizes: tuple[int, ...]
    roles: str
    dtype: np.dtype
    data: Path
    offset: int

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        return tuple(n for n, role in zip(self.sizes, self.roles, strict=True) if role == "s")[::-1]


def read_nrrd(path: Path, *, max_bytes: int, gaps: bool = False) -> list[Sample]:
    """Return the time points as (channels, *spatial); spatial axes are those of the file in reverse order.

    `affine` maps voxel (x, y, z) to world, with the axes to the right, to the front and up, as in NIfTI.
    """
    with decoding(path, "NRRD"):
        header = _header(path)
        check_limit(header.sizes, max_bytes, path.name)
        array = _voxels(header, path).reshape(header.sizes[::-1])
        order = [i for role in "tcs" for i, own in enumerate(header.roles[::-1]) if own == role]
        array = array.transpose(order)
        for place, role in enumerate("tc"):
            if role not in header.roles:
                array = np.expand_dims(array, place)
        spacing, unit = _spacing(header)
        affine = _affine(header)
    return frames_of(array, Sample(array[0], path.name, spacing, unit, affine), gaps=gaps)


def nrrd_shape(path: Path) -> tuple[int, ...]:
    """Return the spatial shape as read_nrrd would, from the header alone."""
    with decoding(path, "NRRD"):
        return _header(path).spatial_shape


def _header(path: Path) -> _Header:
    with open(path, "rb") as file:
        head = file.read(_HEADER_BYTES)
    ends = [(head.find(blank), len(blank)) for blank in (b"\n\n", b"\r\n\r\n")]
    found = [end for end in ends if end[0] >= 0]
    detached = path.suffix.lower() == ".nhdr"
    if not found and not (detached and len(head) < _HEADER_BYTES):
        raise FormatError("a NRRD header with an empty line at its end", path.name, "save it again; the header is damaged")
    end, length = min(found, default=(len(head), 0))
    try:
        fields = nrrd.read_header(head[:end].decode("ascii", "replace").splitlines() + [""])
    except nrrd.NRRDError as error:
        raise FormatError("an intact NRRD header", f"{path.name}: {error}", "save it again; the header is damaged") from error
    sizes = tuple(int(n) for n in fields["sizes"])
    if len(sizes) != int(fields["dimension"]) or not 1 <= len(sizes) <= 5 or min(sizes) < 1:
        raise ShapeError("1 to 5 axes, none empty", f"sizes {sizes} in {path.name}", "save one signal, picture, volume or recording")
    data = _beside(path, fields)
    return _Header(fields, sizes, _roles(fields, sizes, path), _dtype(fields, path), data or path, 0 if data else end + length)


def _beside(path: Path, fields: dict[str, Any]) -> Path | None:
    """Return the data file of a detached header. It must lie in the same folder: a header may not point anywhere else."""
    name = fields.get("data file", fields.get("datafile"))
    if name is None:
        return None
    if not isinstance(name, str) or Path(name).name != name or "\\" in name or name.split()[0] == "LIST" or "%" in name:
        raise FormatError("one data file, in the same folder", f"{str(name)[:60]!r} in {path.name}", "save it as one .nrrd file")
    if not (path.parent / name).is_file():
        raise FormatError(f"the data file {name} beside {path.name}", "none", "save it as one .nrrd file, or put both in one folder")
    return path.parent / name


def _dtype(fields: dict[str, Any], path: Path) -> np.dtype:
    name = str(fields["type"]).lower().removesuffix("_t")
    code = _NAMES.get(name)
    if code is None:
        words = name.replace("long long", "longlong").split()
        base = [word for word in words if word not in ("signed", "unsigned", "int")] or ["int"]
        code = _TYPES.get(base[0].removeprefix("u"))
        if code and ("unsigned" in words or base[0].startswith("u")):
            code = code.replace("i", "u")
    if code is None:
        raise FormatError("numbers of a type that NRRD names", f"{fields['type']!r} in {path.name}", "save it as 16-bit or float")
    if code[1] != "1" and fields.get("endian") not in ("little", "big"):
        raise FormatError("an endian of little or big", f"{fields.get('endian')!r} in {path.name}", "save it again")
    return np.dtype(code).newbyteorder("<" if fields.get("endian") == "little" else ">")


def _roles(fields: dict[str, Any], sizes: tuple[int, ...], path: Path) -> str:
    """Return one letter per axis, from the kinds, else the directions, else the sizes. Raises ShapeError."""
    kinds, directions = fields.get("kinds"), fields.get("space directions")
    labels = [str(label).lower() for label in fields.get("labels", ())] or [""] * len(sizes)
    if kinds is not None and len(kinds) == len(sizes):
        roles = "".join("s" if kind.lower() in _SPATIAL else "t" if kind.lower() == "time" else "c" for kind in kinds)
    elif directions is not None and len(directions) == len(sizes):
        roles = "".join("c" if np.isnan(np.asarray(row, float)).any() else "s" for row in directions)
    else:
        channel = 0 if sizes[0] <= _COLOURS else len(sizes) - 1
        roles = "".join("c" if len(sizes) > 3 and i == channel else "s" for i in range(len(sizes)))
    if len(labels) == len(sizes):  # Slicer's sequences call their axis of time a list, and label it
        roles = "".join("t" if role == "c" and label in ("t", "time", "frame") else role
                        for role, label in zip(roles, labels, strict=True))
    spatial = [i for i, role in enumerate(roles) if role == "s"]
    if len(spatial) == 3 and sizes[spatial[2]] == 1:  # a volume of one slice is a picture
        roles = roles[:spatial[2]] + ("t" if "t" not in roles else "c" if "c" not in roles else "s") + roles[spatial[2] + 1:]
    if not 1 <= roles.count("s") <= 3 or roles.count("c") > 1 or roles.count("t") > 1:
        raise ShapeError("1 to 3 axes of space, and at most one of channels and one of time",
                         f"sizes {sizes} of kinds {kinds} in {path.name}", "save one volume of it")
    return roles


def _voxels(header: _Header, path: Path) -> np.ndarray:
    """Return all numbers, flat. Raises FormatError when there are too few."""
    fields, size = header.fields, math.prod(header.sizes) * header.dtype.itemsize
    encoding = str(fields.get("encoding", "")).lower()
    skip = int(fields.get("byte skip", fields.get("byteskip", 0)))
    if int(fields.get("line skip", fields.get("lineskip", 0))) or skip < -1 or skip > _HEADER_BYTES:
        raise LimitError(f"no skipped lines and at most {_HEADER_BYTES:,} skipped bytes", path.name, "save it as one .nrrd file")
    with open(header.data, "rb") as raw:
        if encoding == "raw":
            raw.seek(-size if skip == -1 else header.offset + skip, io.SEEK_END if skip == -1 else io.SEEK_SET)
            data = raw.read(size)
        elif encoding in ("gzip", "gz", "bzip2", "bz2"):
            raw.seek(header.offset)
            data = _unzipped(raw, size, max(skip, 0), bz2.open if encoding[0] == "b" else gzip.open)
        else:
            raise FormatError("an encoding of raw, gzip or bzip2", f"{encoding!r} in {path.name}", "save it with gzip")
    if len(data) < size:
        raise FormatError(f"{size:,} bytes of voxels", f"{len(data):,} in {path.name}", "copy or export it again; it was cut off")
    return np.frombuffer(data, header.dtype)


def _unzipped(raw: BinaryIO, size: int, skip: int, opener: Callable[[BinaryIO], BinaryIO]) -> bytes:
    """Return `size` unpacked bytes after the first `skip`; none when the packed data ends before."""
    with opener(raw) as file:
        try:
            file.read(skip)
            return file.read(size)
        except (EOFError, zlib.error):
            return b""


def _spacing(header: _Header) -> tuple[tuple[float, ...] | None, str]:
    """Return the spacing, slowest axis first, and its unit. Files that say nothing of a unit mean millimetres."""
    fields, spatial = header.fields, [i for i, role in enumerate(header.roles) if role == "s"]
    directions, steps = fields.get("space directions"), fields.get("spacings")
    units = fields.get("space units") or fields.get("units") or []
    if directions is not None and len(directions) == len(header.sizes):
        sizes = [float(np.linalg.norm(np.asarray(directions[i], float))) for i in spatial]
        unit = units[0] if len(units) else "mm"
    elif steps is not None and len(steps) == len(header.sizes):
        sizes = [abs(float(steps[i])) for i in spatial]
        unit = units[spatial[0]] if len(units) == len(header.sizes) else "mm"
    else:
        return None, "px"
    good = all(np.isfinite(n) and n > 0 for n in sizes)
    return (tuple(sizes[::-1]), unit_name(str(unit).strip('"')) or "mm") if good else (None, "px")


def _affine(header: _Header) -> np.ndarray | None:
    """Return (4, 4) from voxel to right, anterior, superior; None when the header gives no such space."""
    directions, origin = header.fields.get("space directions"), header.fields.get("space origin")
    axes = str(header.fields.get("space", "")).lower()
    names = axes.split("-") if "-" in axes else [_SHORT.get(letter, "") for letter in axes.upper()]
    spatial = [i for i, role in enumerate(header.roles) if role == "s"]
    if len(spatial) != 3 or directions is None or len(names) < 3 or not all(name in _SIGNS for name in names[:3]):
        return None
    rows = np.asarray([directions[i] for i in spatial], float)
    origin = np.zeros(3) if origin is None else np.asarray(origin, float)
    if rows.shape != (3, 3) or origin.shape != (3,) or not (np.isfinite(rows).all() and np.isfinite(origin).all()):
        return None
    affine = np.eye(4)
    for place, (axis, sign) in enumerate(_SIGNS[name] for name in names[:3]):
        affine[axis, :3], affine[axis, 3] = sign * rows[:, place], sign * origin[place]
    return affine
