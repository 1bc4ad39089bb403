"""One door for all files: look at the first bytes, hand over to the family, check what came back."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from parmesan_engine.errors import FormatError, ShapeError
from parmesan_engine.io.arrays import npy_shape, read_csv, read_npy, read_npy_labels
from parmesan_engine.io.files import MAX_BYTES, SUFFIXES, sniff, suffix_of
from parmesan_engine.io.raster import raster_shape, read_raster, read_raster_labels
from parmesan_engine.io.tiff import read_tiff, read_tiff_labels, tiff_shape
from parmesan_engine.io.volumes import nifti_shape, read_nifti
from parmesan_engine.types import Sample


def read(path: str | Path, *, max_bytes: int = MAX_BYTES, spatial_dims: int | None = None) -> Sample:
    """Return the picture, volume or signal in a file.

    max_bytes bounds the decoded size as float32 and is checked against the header, before anything is allocated.
    spatial_dims (1, 2, 3) settles what an .npy leaves open (see `arrays`) and is required of the others.
    Raises FormatError, LimitError, ShapeError.
    """
    path = Path(path)
    kind = sniff(path)
    if kind in ("PNG", "JPEG"):
        sample = read_raster(path, kind, max_bytes=max_bytes)
    elif kind == "TIFF":
        sample = read_tiff(path, max_bytes=max_bytes)
    elif kind == "NIfTI":
        sample = read_nifti(path, max_bytes=max_bytes)
    elif kind == "npy":
        sample = read_npy(path, max_bytes=max_bytes, spatial_dims=spatial_dims)
    else:
        sample = read_csv(path, max_bytes=max_bytes)
    if spatial_dims not in (None, sample.spatial_dims):
        raise ShapeError(
            f"{spatial_dims} spatial axes", f"{sample.spatial_shape} in {path.name}", "choose a file of that kind"
        )
    if suffix_of(path) not in SUFFIXES[kind]:
        sample = replace(sample, notes=(*sample.notes, f"read as {kind}, whatever its name says"))
    return sample


def spatial_shape(path: str | Path, *, spatial_dims: int | None = None) -> tuple[int, ...]:
    """Return the spatial shape that `read` would give, from the header alone (a table has none and is read)."""
    path = Path(path)
    kind = sniff(path)
    if kind in ("PNG", "JPEG"):
        return raster_shape(path, kind)
    if kind == "TIFF":
        return tiff_shape(path)
    if kind == "NIfTI":
        return nifti_shape(path)
    return npy_shape(path, spatial_dims) if kind == "npy" else read_csv(path, max_bytes=MAX_BYTES).spatial_shape


def read_label_array(path: str | Path, *, max_bytes: int = MAX_BYTES) -> np.ndarray:
    """Return the numbers of a label file as (*spatial), as stored: palettes are not turned into colours."""
    path = Path(path)
    kind = sniff(path)
    if kind in ("PNG", "JPEG"):
        return read_raster_labels(path, kind, max_bytes=max_bytes)
    if kind == "TIFF":
        return read_tiff_labels(path, max_bytes=max_bytes)
    if kind == "npy":
        return read_npy_labels(path, max_bytes=max_bytes)
    sample = read_nifti(path, max_bytes=max_bytes) if kind == "NIfTI" else read_csv(path, max_bytes=max_bytes)
    if sample.channels != 1:
        raise FormatError(
            "one number per voxel", f"{path.name} with {sample.channels} channels", "save labels in one channel"
        )
    return sample.array[0]
