"""Predictions to files: PNG, TIFF, NIfTI and npy, written beside and renamed. The suffix chooses the format.

In label files "unknown" (-1) is stored as the task's ignore_index, or 255 (65535 from 255 classes up) when it has none.
"""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import nibabel
import numpy as np
import tifffile
from PIL import Image

from parmesan_engine.errors import FormatError, LimitError, ShapeError
from parmesan_engine.io.files import suffix_of, write_beside
from parmesan_engine.types import Sample, TaskSpec

FORMATS = {"png": ".png", "tiff": ".tif", "nifti": ".nii.gz", "npy": ".npy"}  # the words of the command line
_UNKNOWN_COLOR = (128, 128, 128)
_NIFTI_UNITS = {"mm": "mm", "m": "meter", "\u00b5m": "micron"}


def write_labels(path: str | Path, labels: np.ndarray, sample: Sample, task: TaskSpec) -> None:
    """Write (*spatial) class ids, -1 = unknown. PNG is indexed, with the task's colours as palette.

    Raises ShapeError when the format cannot hold the number of axes, FormatError for other suffixes.
    """
    path = Path(path)
    _check_shape(labels.shape, sample.spatial_shape)
    wide = max(len(task.classes), (task.ignore_index or 0) + 1) > 255
    unknown = task.ignore_index if task.ignore_index is not None else (65535 if wide else 255)
    stored = np.where(labels < 0, unknown, labels).astype(np.uint16 if wide else np.uint8)
    if suffix_of(path) == ".png":
        _check_flat(path, sample)
        image = Image.fromarray(stored)
        if not wide:
            palette = np.full((256, 3), _UNKNOWN_COLOR, np.uint8)
            palette[: len(task.colors)] = np.asarray(task.colors, np.uint8).reshape(-1, 3)
            image.putpalette(palette.tobytes())
        write_beside(path, lambda file: image.save(file, "PNG"))
    else:
        _write_array(path, stored, sample, channels=False)


def write_values(path: str | Path, values: np.ndarray, sample: Sample, task: TaskSpec) -> None:
    """Write (*spatial) float32 values in `task.unit`, NaN = unknown.

    PNG holds whole numbers 0..65535, LimitError beyond; unknown becomes the task's invalid_value (0 when it has none).
    """
    path = Path(path)
    _check_shape(values.shape, sample.spatial_shape)
    if suffix_of(path) != ".png":
        _write_array(path, values.astype(np.float32), sample, channels=False)
        return
    _check_flat(path, sample)
    known = np.isfinite(values)
    rounded = np.where(known, np.rint(values), task.invalid_value or 0)
    if rounded.size and not 0 <= rounded.min() <= rounded.max() <= 65535:
        got = f"{rounded.min():g} to {rounded.max():g} {task.unit}".strip()
        raise LimitError("values from 0 to 65535, as a 16-bit PNG holds", got, "write TIFF, NIfTI or npy instead")
    write_beside(path, lambda file: Image.fromarray(rounded.astype(np.uint16)).save(file, "PNG"))


def write_probabilities(path: str | Path, probabilities: np.ndarray, sample: Sample) -> None:
    """Write (classes, *spatial) float32; in TIFF and NIfTI classes are channels. PNG cannot hold them: FormatError."""
    _check_shape(probabilities.shape[1:], sample.spatial_shape)
    _write_array(Path(path), probabilities.astype(np.float32), sample, channels=True)


def _check_shape(shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if tuple(shape) != tuple(wanted):
        raise ShapeError(
            f"shape {wanted}, as the sample", f"{shape}", "write a prediction with the sample it was made for"
        )


def _check_flat(path: Path, sample: Sample) -> None:
    if sample.spatial_dims != 2:
        raise ShapeError(
            "a picture (y, x) for PNG",
            f"{sample.spatial_shape} for {path.name}",
            "use npy for signals, tiff or nifti for volumes",
        )


def _write_array(path: Path, array: np.ndarray, sample: Sample, *, channels: bool) -> None:
    suffix = suffix_of(path)
    if suffix == ".npy":
        write_beside(path, lambda file: np.save(file, array, allow_pickle=False))
    elif suffix in (".tif", ".tiff", ".nii", ".nii.gz"):
        if sample.spatial_dims == 1:
            raise ShapeError(
                f"a picture or a volume for {suffix}", f"a signal {sample.spatial_shape}", "use npy for signals"
            )
        make = _tiff if suffix.startswith(".tif") else _nifti
        write_beside(path, make(array, sample, channels=channels, zipped=suffix == ".nii.gz"))
    else:
        formats = ", ".join(FORMATS.values())
        raise FormatError(f"one of {formats} (.png not for probabilities)", f"{path.name}", "choose another suffix")


def _tiff(array: np.ndarray, sample: Sample, *, channels: bool, zipped: bool) -> Callable[[BinaryIO], None]:
    """Return a writer of an ImageJ TIFF, which keeps the spacing and which page is what."""
    deep = sample.spatial_dims == 3
    if channels and deep:
        array = array.swapaxes(0, 1)  # ImageJ wants z before channels
    spacing = sample.spacing
    metadata = {"axes": ("Z" if deep else "") + ("C" if channels else "") + "YX"}
    if spacing:
        unit = sample.unit.replace("\u00b5", "u").encode("ascii", "ignore").decode()  # all that ImageJ's text may hold
        metadata |= {"unit": unit} | ({"spacing": spacing[0]} if deep else {})
    resolution = (1 / spacing[-1], 1 / spacing[-2]) if spacing else None
    return lambda file: tifffile.imwrite(
        file,
        array,
        imagej=True,
        resolution=resolution,
        metadata=metadata,
        compression="deflate",
        photometric="minisblack",
    )


def _nifti(array: np.ndarray, sample: Sample, *, channels: bool, zipped: bool) -> Callable[[BinaryIO], None]:
    """Return a writer of a NIfTI-1 volume in the file's axis order (x, y, z, class) with the sample's affine."""
    spatial = array.transpose((*range(array.ndim - 1, 0, -1), 0)) if channels else array.transpose()
    if channels and sample.spatial_dims == 2:
        spatial = spatial[:, :, None, :]
    affine = sample.affine
    if affine is None:
        steps = sample.spacing[::-1] if sample.spacing else (1.0,) * sample.spatial_dims
        affine = np.diag([*steps, *(1.0,) * (4 - len(steps))])
    image = nibabel.Nifti1Image(spatial, affine)
    image.header.set_xyzt_units(_NIFTI_UNITS.get(sample.unit, "unknown"))

    def write(file: BinaryIO) -> None:
        if zipped:
            with gzip.GzipFile("", "wb", 4, file, mtime=0) as packed:  # no time inside: equal content, equal file
                image.to_stream(packed)
        else:
            image.to_stream(file)

    return write
