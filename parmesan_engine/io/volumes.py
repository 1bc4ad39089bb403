"""NIfTI-1 and NIfTI-2 volumes in one file (.nii, .nii.gz).

nibabel interprets the header; the voxels are read by us, exactly as many bytes as the header announces, after the size
has been checked. So neither a false header nor a gzip bomb can make us unpack more than allowed.
"""

import gzip
import math
from pathlib import Path

import nibabel
import numpy as np

from parmesan_engine.errors import FormatError, LimitError, ShapeError
from parmesan_engine.io.files import check_limit, decoding, is_nifti
from parmesan_engine.io.frames import frames_of
from parmesan_engine.types import Sample

_HEADER_BYTES = 544  # the longer, NIfTI-2, with its four bytes of extension flags
_MAX_OFFSET = 2**26  # bytes of header extensions before the voxels; real ones have kilobytes
_CHANNELS = 16  # volumes of a fourth axis
_UNITS = {"mm": "mm", "meter": "m", "micron": "\u00b5m", "unknown": "mm"}  # files that say nothing mean millimetres


def read_nifti(path: Path, *, max_bytes: int, gaps: bool = False) -> list[Sample]:
    """Return volumes as (channels, z, y, x): the axes of the file in reverse order.

    A fourth axis of up to 16 is channels, a longer one is time: by the format it would always be time, but in use it holds
    the contrasts of a scan. Values are scaled by slope and intercept. `affine` is the file's own, from voxel (x, y, z) to world.
    """
    with decoding(path, "NIfTI"), _open(path) as file:
        header = _header(file, path)
        shape, components = _layout(header, path)
        check_limit((components, *shape), max_bytes, path.name)
        array = _voxels(file, header, shape, path)
        affine = np.asarray(header.get_best_affine(), np.float64)
        unit = _UNITS.get(header.get_xyzt_units()[0], "mm")
        zooms = tuple(float(z) for z in header.get_zooms()[: array.ndim - 1][::-1])
        timed = len(shape) > 3 and shape[3] > _CHANNELS
        step, clock = (float(header["pixdim"][4]), header.get_xyzt_units()[1]) if timed else (0.0, "")
    spacing = zooms if len(zooms) == array.ndim - 1 and all(np.isfinite(z) and z > 0 for z in zooms) else None
    moments = array[:, None] if timed else array[None]
    interval = f"{step:g} {clock}" if step > 0 and clock in ("sec", "msec", "usec") else ""
    return frames_of(moments, Sample(moments[0], path.name, spacing, unit if spacing else "px", affine), interval=interval, gaps=gaps)


def nifti_shape(path: Path) -> tuple[int, ...]:
    """Return the spatial shape as read_nifti would, from the header alone."""
    with decoding(path, "NIfTI"), _open(path) as file:
        shape, _ = _layout(_header(file, path), path)
    return shape[:3][::-1]


def _open(path: Path):
    with open(path, "rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if zipped else open(path, "rb")


def _header(file, path: Path) -> nibabel.Nifti1Header:
    head = file.read(_HEADER_BYTES)
    two = is_nifti(head) and 540 in (int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big"))
    cls = nibabel.Nifti2Header if two else nibabel.Nifti1Header
    header = cls(head[: 540 if two else 348], check=False)
    if not bytes(header["magic"]).startswith(b"n+"):
        raise FormatError(
            "a NIfTI volume in one file",
            f"{path.name} with its voxels elsewhere (.hdr and .img, or damaged)",
            "save it as .nii or .nii.gz",
        )
    if not 0 <= float(header["vox_offset"]) <= _MAX_OFFSET:
        raise LimitError(
            f"voxels within the first {_MAX_OFFSET:,} bytes",
            f"{path.name}, where they start at byte {float(header['vox_offset']):,.0f}",
            "save it again without header extensions",
        )
    return header


def _layout(header: nibabel.Nifti1Header, path: Path) -> tuple[tuple[int, ...], int]:
    """Return the shape in the file's order without trailing axes of size one beyond the third, and values per voxel."""
    count = int(header["dim"][0])
    shape = tuple(int(n) for n in header["dim"][1 : 1 + count])
    if not 1 <= count <= 7 or min(shape) < 1:
        raise FormatError(
            "a NIfTI header with 1 to 7 axes of positive sizes",
            f"{path.name} with dim {header['dim'].tolist()}",
            "export it again; the header is damaged",
        )
    if count == 5 and shape[3] == 1:  # a vector per voxel sits on axis five, behind an empty time axis
        shape = (*shape[:3], shape[4])
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) > 4:
        raise ShapeError(
            "at most x, y, z and one axis of channels", f"{shape} in {path.name}", "save one volume of the series"
        )
    return shape, len(header.get_data_dtype().names or (0,))


def _voxels(file, header: nibabel.Nifti1Header, shape: tuple[int, ...], path: Path) -> np.ndarray:
    """Return (channels, *reversed shape), scaled."""
    dtype = header.get_data_dtype()
    if dtype.kind == "c":
        raise FormatError("real numbers", f"{dtype} in {path.name}", "save magnitude or real part as float32")
    size = math.prod(shape) * dtype.itemsize
    file.seek(max(int(header["vox_offset"]), int(header["sizeof_hdr"])))
    data = file.read(size)
    if len(data) < size:
        raise FormatError(
            f"{size:,} bytes of voxels", f"{len(data):,} in {path.name}", "copy or export it again; it was cut off"
        )
    array = np.frombuffer(data, dtype)
    if dtype.names:  # colours: one field per channel
        array = np.stack([array[name].reshape(shape[::-1]) for name in dtype.names[:3]])
    else:
        array = array.reshape(shape[::-1])  # x runs fastest in the file, so the reversed shape is row-major
        array = array if len(shape) > 3 else array[None]
    slope, intercept = header.get_slope_inter()
    if slope is not None and (slope, intercept) != (1.0, 0.0):
        array = (array * np.float64(slope) + np.float64(intercept)).astype(np.float32)
    return array
