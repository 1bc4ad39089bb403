"""One door for all files: look at the first bytes, hand over to the family, check what came back."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from parmesan_engine.errors import FormatError, ShapeError
from parmesan_engine.io.arrays import npy_shape, read_csv, read_npy, read_npy_labels
from parmesan_engine.io.dicom import read_dicom
from parmesan_engine.io.files import MAX_BYTES, SUFFIXES, sniff, suffix_of
from parmesan_engine.io.nrrd_volumes import nrrd_shape, read_nrrd
from parmesan_engine.io.ome_zarr import read_zarr, read_zarr_labels, zarr_shape
from parmesan_engine.io.raster import raster_shape, read_raster, read_raster_labels
from parmesan_engine.io.tiff import read_tiff, read_tiff_labels, tiff_shape
from parmesan_engine.io.unpacking import unpacked
from parmesan_engine.io.volumes import nifti_shape, read_nifti
from parmesan_engine.types import Sample

# Families whose files may hold several time points.
_FAMILIES = {"TIFF": read_tiff, "NIfTI": read_nifti, "NRRD": read_nrrd, "DICOM": read_dicom, "OME-Zarr": read_zarr}


def read(path: str | Path, *, max_bytes: int = MAX_BYTES, spatial_dims: int | None = None) -> Sample:
    """Return the picture, volume or signal in a file: the first time point of a recording. See `read_frames`."""
    return read_frames(path, max_bytes=max_bytes, spatial_dims=spatial_dims)[0]


def read_frames(path: str | Path, *, max_bytes: int = MAX_BYTES, spatial_dims: int | None = None) -> list[Sample]:
    """Return the time points in a file or folder, one sample each; a file without time gives one.

    max_bytes bounds the decoded size of all as float32 and is checked against the header, before anything is allocated.
    spatial_dims (1, 2, 3) settles what an .npy leaves open (see `arrays`) and is required of the others.
    Raises FormatError, LimitError, ShapeError.
    """
    path = Path(path)
    kind = sniff(path)
    if kind == "zip":
        with unpacked(path, max_bytes=max_bytes) as folder:
            return read_frames(folder, max_bytes=max_bytes, spatial_dims=spatial_dims)
    if kind in _FAMILIES:
        frames = _FAMILIES[kind](path, max_bytes=max_bytes)
    elif kind in ("PNG", "JPEG"):
        frames = [read_raster(path, kind, max_bytes=max_bytes)]
    elif kind == "npy":
        frames = [read_npy(path, max_bytes=max_bytes, spatial_dims=spatial_dims)]
    else:
        frames = [read_csv(path, max_bytes=max_bytes)]
    shape = frames[0].spatial_shape
    if spatial_dims not in (None, len(shape)):
        raise ShapeError(f"{spatial_dims} spatial axes", f"{shape} in {path.name}", "choose a file of that kind")
    if path.is_file() and suffix_of(path) not in SUFFIXES[kind] and kind != "DICOM":  # DICOM files often have no suffix
        frames = [replace(frame, notes=(*frame.notes, f"read as {kind}, whatever its name says")) for frame in frames]
    return frames


def spatial_shape(path: str | Path, *, max_bytes: int = MAX_BYTES, spatial_dims: int | None = None) -> tuple[int, ...]:
    """Return the spatial shape that `read` would give, from the header alone where there is one (else it is read).

    max_bytes: as for `read`, which takes the largest picture of a pyramid that fits. Raises as `read`.
    """
    path = Path(path)
    kind = sniff(path)
    if kind in ("PNG", "JPEG"):
        return raster_shape(path, kind)
    if kind == "npy":
        return npy_shape(path, spatial_dims)
    if kind in ("TIFF", "OME-Zarr"):
        return (tiff_shape if kind == "TIFF" else zarr_shape)(path, max_bytes=max_bytes)
    shapes = {"NIfTI": nifti_shape, "NRRD": nrrd_shape}
    return shapes[kind](path) if kind in shapes else read(path, max_bytes=max_bytes, spatial_dims=spatial_dims).spatial_shape


def read_label_array(path: str | Path, *, max_bytes: int = MAX_BYTES, frame: int = 0) -> np.ndarray:
    """Return the numbers of a label file as (*spatial), as stored. See `read_labels`."""
    return read_labels(path, max_bytes=max_bytes, frame=frame)[0]


def read_labels(path: str | Path, *, max_bytes: int = MAX_BYTES, frame: int = 0) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the numbers of a label file as (*spatial), as stored, and its affine: palettes are not turned into colours.

    frame: which time point, of a file with several; one without time is for every time point. Raises FormatError.
    """
    path = Path(path)
    kind, affine = sniff(path), None
    if kind == "zip":
        with unpacked(path, max_bytes=max_bytes) as folder:
            return read_labels(folder, max_bytes=max_bytes, frame=frame)
    if kind in ("PNG", "JPEG"):
        moments = [read_raster_labels(path, kind, max_bytes=max_bytes)]
    elif kind == "npy":
        moments = [read_npy_labels(path, max_bytes=max_bytes)]
    elif kind in ("TIFF", "OME-Zarr"):
        moments = (read_tiff_labels if kind == "TIFF" else read_zarr_labels)(path, max_bytes=max_bytes)
    else:
        volumes = {"NIfTI": read_nifti, "NRRD": read_nrrd}  # NaN: a value that is not known
        samples = volumes[kind](path, max_bytes=max_bytes, gaps=True) if kind in volumes else read_frames(path, max_bytes=max_bytes)
        if samples[0].channels != 1:
            raise FormatError("one number per voxel", f"{path.name} with {samples[0].channels} channels", "save labels in one channel")
        moments, affine = [sample.array[0] for sample in samples], samples[0].affine
    if len(moments) > 1 and frame >= len(moments):
        raise FormatError(f"labels of time point {frame + 1}", f"{len(moments)} time points in {path.name}", "choose its own labels")
    return moments[frame if len(moments) > 1 else 0], affine
