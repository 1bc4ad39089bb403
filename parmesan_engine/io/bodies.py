"""How an array becomes the bytes of a TIFF, OME-TIFF, NIfTI or NRRD file, with its spacing, unit, affine and channel names.

Every function takes (*spatial), or (channels, *spatial) when `names` are given, and returns a writer to an open file. Equal
content gives equal bytes: no times and no random ids inside.
"""

import gzip
import hashlib
import uuid
from collections.abc import Callable
from typing import BinaryIO

import nibabel
import numpy as np
import tifffile

from parmesan_engine.errors import LimitError
from parmesan_engine.types import Sample

Body = Callable[[BinaryIO], None]
_NIFTI_UNITS = {"mm": "mm", "m": "meter", "\u00b5m": "micron"}
_OME_UNITS = ("nm", "\u00b5m", "mm", "cm", "m")
_NRRD_TYPES = {"uint8": "uint8", "uint16": "uint16", "int16": "int16", "float32": "float", "float64": "double"}
_IMAGEJ_BYTES = 2**32 - 2**25  # its offsets have 32 bits, and there must be room for the tags
_NIFTI_SIDE = 2**15 - 1
_LEVEL = 4  # of gzip: half the time of the usual 9, a few percent more bytes


def imagej_tiff(array: np.ndarray, sample: Sample, names: tuple[str, ...]) -> Body:
    """An ImageJ TIFF, which keeps the spacing and which page is what. Raises LimitError for more than it can hold."""
    if array.nbytes > _IMAGEJ_BYTES:
        got = f"{array.nbytes / 2**30:,.1f} GiB ({sample.name})"
        raise LimitError("less than 4 GiB, as an ImageJ TIFF holds", got, "choose OME-TIFF, NIfTI, NRRD or npy")
    deep = sample.spatial_dims == 3
    if names and deep:
        array = array.swapaxes(0, 1)  # ImageJ wants z before channels
    spacing = sample.spacing
    metadata = {"axes": ("Z" if deep else "") + ("C" if names else "") + "YX"}
    if spacing:
        metadata |= {"unit": _ascii(sample.unit)} | ({"spacing": spacing[0]} if deep else {})
    resolution = (1 / spacing[-1], 1 / spacing[-2]) if spacing else None
    options = {"imagej": True, "resolution": resolution, "metadata": metadata, "compression": "deflate"}
    return lambda file: tifffile.imwrite(file, array, photometric="minisblack", **options)


def ome_tiff(array: np.ndarray, sample: Sample, names: tuple[str, ...]) -> Body:
    """An OME-TIFF with physical sizes, and one named channel per class."""
    axes = ("C" if names else "") + ("ZYX" if sample.spatial_dims == 3 else "YX")
    digest = hashlib.blake2b(np.ascontiguousarray(array), digest_size=16).digest()
    metadata = {"axes": axes, "Name": sample.name, "UUID": str(uuid.UUID(bytes=digest))}
    if names:
        metadata["Channel"] = {"Name": list(names)}
    if sample.spacing and sample.unit in _OME_UNITS:
        for axis, step in zip(axes[-sample.spatial_dims :], sample.spacing, strict=True):
            metadata |= {f"PhysicalSize{axis}": step, f"PhysicalSize{axis}Unit": sample.unit}
    options = {"ome": True, "metadata": metadata, "compression": "deflate"}
    return lambda file: tifffile.imwrite(file, array, photometric="minisblack", **options)


def nifti(array: np.ndarray, sample: Sample, names: tuple[str, ...]) -> Body:
    """A NIfTI-1 volume in the file's axis order (x, y, z, class) with the sample's affine; NIfTI-2 where an axis is too long."""
    spatial = array.transpose((*range(array.ndim - 1, 0, -1), 0)) if names else array.transpose()
    if names and sample.spatial_dims == 2:
        spatial = spatial[:, :, None, :]
    affine = sample.affine
    if affine is None:
        steps = sample.spacing[::-1] if sample.spacing else (1.0,) * sample.spatial_dims
        affine = np.diag([*steps, *(1.0,) * (4 - len(steps))])
    family = nibabel.Nifti1Image if max(spatial.shape) <= _NIFTI_SIDE else nibabel.Nifti2Image
    image = family(spatial, affine)
    image.header.set_xyzt_units(_NIFTI_UNITS.get(sample.unit, "unknown"))
    return lambda file: image.to_stream(file)


def zipped(body: Body) -> Body:
    """Return a writer of the same bytes inside gzip, without a time."""

    def write(file: BinaryIO) -> None:
        with gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed:
            body(packed)

    return write


def nrrd(array: np.ndarray, sample: Sample, names: tuple[str, ...]) -> Body:
    """An NRRD file, gzipped, fastest axis first: the affine as space directions, else the spacing alone."""
    dims, sizes = sample.spatial_dims, array.shape[::-1]
    lines = [f"type: {_NRRD_TYPES[array.dtype.name]}", f"dimension: {array.ndim}", f"sizes: {' '.join(map(str, sizes))}"]
    if sample.affine is not None:
        affine = np.asarray(sample.affine, float)
        vectors = [_vector(affine[:3, axis]) for axis in range(dims)] + ["none"] * bool(names)
        lines += ["space: right-anterior-superior", f"space directions: {' '.join(vectors)}",
                  f"space origin: {_vector(affine[:3, 3])}", f'space units: {" ".join([_quoted(sample.unit)] * 3)}']  # fmt: skip
    elif sample.spacing:
        lines += [f"spacings: {' '.join([repr(float(s)) for s in sample.spacing[::-1]] + ['nan'] * bool(names))}",
                  f"units: {' '.join([_quoted(sample.unit)] * dims + [_quoted('')] * bool(names))}"]  # fmt: skip
    kinds = ["domain"] * dims + ["list"] * bool(names)
    lines += [f"kinds: {' '.join(kinds)}", "endian: little", "encoding: gzip"]
    lines += [f"class {number}:={' '.join(name.split())}" for number, name in enumerate(names)]
    head = ("NRRD0005\n" + "\n".join(lines) + "\n\n").encode()
    pixels = zipped(lambda file: file.write(np.ascontiguousarray(array, array.dtype.newbyteorder("<"))))

    def write(file: BinaryIO) -> None:
        file.write(head)
        pixels(file)

    return write


def _vector(numbers: np.ndarray) -> str:
    return "(" + ",".join(repr(float(n)) for n in numbers) + ")"


def _quoted(unit: str) -> str:
    return '"' + _ascii(unit).replace("\\", "").replace('"', "") + '"'


def _ascii(unit: str) -> str:
    """Return a unit in the letters that the headers of ImageJ and NRRD may hold."""
    return unit.replace("\u00b5", "u").encode("ascii", "ignore").decode()
