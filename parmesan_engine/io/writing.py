"""Predictions to files: PNG, TIFF, OME-TIFF, NIfTI, NRRD and npy, written beside and renamed. The suffix chooses the format.

In label files "unknown" (-1) is stored as the task's ignore_index, or 255 (65535 from 255 classes up) when it has none.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from parmesan_engine.errors import FormatError, LimitError, ShapeError
from parmesan_engine.io.bodies import imagej_tiff, nifti, nrrd, ome_tiff, zipped
from parmesan_engine.io.files import suffix_of, write_beside
from parmesan_engine.types import Sample, TaskSpec

FORMATS = {
    "png": ".png",
    "tiff": ".tif",
    "ome-tiff": ".ome.tif",
    "nifti": ".nii.gz",
    "nrrd": ".nrrd",
    "npy": ".npy",
}  # the words of the command line
_UNKNOWN_COLOR = (128, 128, 128)


def write_labels(path: str | Path, labels: np.ndarray, sample: Sample, task: TaskSpec) -> None:
    """Write (*spatial) class ids, -1 = unknown. PNG is indexed, with the task's colours as palette.

    Raises ShapeError when the format cannot hold the number of axes, FormatError for other suffixes.
    """
    path = Path(path)
    _check_shape(labels.shape, sample.spatial_shape)
    wide = _is_wide(task)
    stored = labels.astype(np.uint16 if wide else np.uint8)
    stored[labels < 0] = stored_unknown(task)
    if suffix_of(path) == ".png":
        _check_flat(path, sample)
        image = Image.fromarray(stored)
        if not wide:
            palette = np.full((256, 3), _UNKNOWN_COLOR, np.uint8)
            palette[: len(task.colors)] = np.asarray(task.colors, np.uint8).reshape(-1, 3)
            image.putpalette(palette.tobytes())
        write_beside(path, lambda file: image.save(file, "PNG"))
    else:
        _write_array(path, stored, sample)


def write_values(path: str | Path, values: np.ndarray, sample: Sample, task: TaskSpec) -> None:
    """Write (*spatial) float32 values in `task.unit`, NaN = unknown.

    PNG holds whole numbers 0..65535, LimitError beyond; unknown becomes the task's invalid_value (0 when it has none).
    """
    path = Path(path)
    _check_shape(values.shape, sample.spatial_shape)
    if suffix_of(path) != ".png":
        _write_array(path, values.astype(np.float32, copy=False), sample)
        return
    _check_flat(path, sample)
    known = np.isfinite(values)
    rounded = np.where(known, np.rint(values), task.invalid_value or 0)
    if rounded.size and not 0 <= rounded.min() <= rounded.max() <= 65535:
        got = f"{rounded.min():g} to {rounded.max():g} {task.unit}".strip()
        raise LimitError("values from 0 to 65535, as a 16-bit PNG holds", got, "write TIFF, NIfTI or npy instead")
    write_beside(path, lambda file: Image.fromarray(rounded.astype(np.uint16)).save(file, "PNG"))


def write_probabilities(path: str | Path, probabilities: np.ndarray, sample: Sample, task: TaskSpec) -> None:
    """Write (classes, *spatial) float32; classes are channels, in OME-TIFF with their names. PNG cannot hold them: FormatError."""
    _check_shape(probabilities.shape, (len(task.classes), *sample.spatial_shape))
    _write_array(Path(path), probabilities.astype(np.float32, copy=False), sample, task.classes)


def write_map(path: str | Path, values: np.ndarray, sample: Sample) -> None:
    """Write (*spatial) float32 such as conflict or novelty. PNG cannot hold it: FormatError."""
    _check_shape(values.shape, sample.spatial_shape)
    _write_array(Path(path), values.astype(np.float32, copy=False), sample)


def stored_unknown(task: TaskSpec) -> int:
    """Return the number that stands for "unknown" in label files: the task's ignore_index, or the largest that fits."""
    return task.ignore_index if task.ignore_index is not None else (65535 if _is_wide(task) else 255)


def _is_wide(task: TaskSpec) -> bool:
    """Return whether class ids need 16 bits."""
    return max(len(task.classes), (task.ignore_index or 0) + 1) > 255


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


def _write_array(path: Path, array: np.ndarray, sample: Sample, names: tuple[str, ...] = ()) -> None:
    """Write (*spatial), or (channels, *spatial) when there are names, in the format that the suffix says."""
    suffix = suffix_of(path)
    if suffix == ".npy":
        write_beside(path, lambda file: np.save(file, array, allow_pickle=False))
        return
    writers = {".tif": imagej_tiff, ".tiff": imagej_tiff, ".nii": nifti, ".nii.gz": nifti, ".nrrd": nrrd}
    if suffix not in writers:
        formats = ", ".join(FORMATS.values())
        raise FormatError(f"one of {formats} (.png not for probabilities)", f"{path.name}", "choose another suffix")
    if sample.spatial_dims == 1 and suffix != ".nrrd":
        raise ShapeError(
            f"a picture or a volume for {suffix}", f"a signal {sample.spatial_shape}", "use npy or nrrd for signals"
        )
    write = ome_tiff if path.name.lower().endswith((".ome.tif", ".ome.tiff")) else writers[suffix]
    body = write(array, sample, names)
    write_beside(path, zipped(body) if suffix == ".nii.gz" else body)
