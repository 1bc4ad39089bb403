"""DICOM: one file, or a folder with the slices of a series, sorted by where they were taken and when.

The patient's name and number are not read into a sample; its name is the series' description or the file's name.
"""

import io
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.filereader import _read_file_meta_info, read_preamble

from parmesan_engine.errors import FormatError, LimitError, ShapeError
from parmesan_engine.io.dicom_pixels import channels_of, dtype_of, frame_of
from parmesan_engine.io.dicom_places import places_of
from parmesan_engine.io.files import DECODER_ERRORS, check_limit, decoding
from parmesan_engine.io.frames import frames_of
from parmesan_engine.types import Sample

MAX_FILES = 50_000
MAX_PICTURES = 50_000  # of one series; a header may say any number of them, however small they are
_UNEVEN = 0.02  # of a step between slices: below, it is the rounding of positions in the files
_DEFLATED = "1.2.840.10008.1.2.1.99"
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # DICOM's world points to the left, to the back and up
_TIMES = ("TemporalPositionIndex", "TemporalPositionIdentifier", "AcquisitionNumber", "EchoTime", "TriggerTime", "AcquisitionTime",
          "InstanceNumber")


@dataclass(frozen=True)
class _Slice:
    """One picture of a series: frame `index` of a file. position: (3,) mm; when: sorts the moments at one position."""

    path: Path
    index: int
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    when: tuple[float, ...]
    scale: tuple[float, float]


def read_dicom(path: Path, *, max_bytes: int) -> list[Sample]:
    """Return the time points of a DICOM file or of the largest series in a folder, as (channels, [z,] y, x) in real units.

    `affine` maps voxel (x, y, z) to world, with the axes to the right, to the front and up, as in NIfTI.
    """
    with decoding(path, "DICOM"):
        headers, notes = _one_series(path)
        data = next(iter(headers.values()))
        count, rows, columns, channels = sum(map(_count, headers.values())), int(data.Rows), int(data.Columns), channels_of(data)
        check_limit((count, channels, rows, columns), max_bytes, path.name)
        if count > MAX_PICTURES:
            raise LimitError(f"at most {MAX_PICTURES:,} pictures in a series", f"{count:,} in {path.name}", "export a part of it")
        slices = [one for file, header in headers.items() for one in _slices(file, header)]
        moments, more, gap = _moments(slices, data, path)
        array, inverted = _pixels(headers, moments, (channels, rows, columns), path)
        spacing, unit, affine = _geometry(moments[0], data, gap)
        if inverted:
            more += ("inverted, because its white is stored as 0",)
    flat = len(moments[0]) == 1
    if flat:
        array = array[:, :, 0]
        spacing = spacing[1:] if spacing else None
    name = path.name if path.is_file() else " ".join(str(data.get("SeriesDescription", "")).split()) or path.name
    about = Sample(array[0], name, spacing, unit if spacing else "px", affine, (*notes, *more))
    return frames_of(array, about, interval=_interval(data))


def series_of(data: bytes) -> str:
    """Return the number of the series that an upload belongs to; "" when it is no DICOM file, or does not say."""
    if data[128:132] != b"DICM":
        return ""
    try:
        if _deflated(io.BytesIO(data), force=False):
            return ""
        header = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True, specific_tags=["SeriesInstanceUID"])
        return str(header.get("SeriesInstanceUID", ""))
    except DECODER_ERRORS:  # reading it will say what is wrong with it
        return ""


def _deflated(file: BinaryIO, *, force: bool) -> bool:
    """Return whether all behind the first header is packed, in which case pydicom would unpack it whatever its size.

    force: as pydicom's dcmread. It finds this header with the same two functions, so that both see the same one.
    """
    read_preamble(file, force)
    return _read_file_meta_info(file).get("TransferSyntaxUID") == _DEFLATED


def _one_series(path: Path) -> tuple[dict[Path, pydicom.Dataset], tuple[str, ...]]:
    """Return the headers of the files of one series, by file, and notes on what was left out. Raises FormatError."""
    series: dict[tuple, dict[Path, pydicom.Dataset]] = {}
    seen, others = set(), 0
    for file in _files(path):
        header = _header(file)
        if header is None or header.get("SOPInstanceUID", file) in seen:
            others += 1
            continue
        seen.add(header.get("SOPInstanceUID", file))
        series.setdefault(_kind(header), {})[file] = header
    if not series:
        raise FormatError("DICOM pictures", f"none in {path.name}", "choose a file or a folder of one series")
    largest = max(series.values(), key=lambda one: sum(_count(header) for header in one.values()))
    notes = ()
    if len(series) > 1:
        title = " ".join(str(next(iter(largest.values())).get("SeriesDescription", "")).split()) or "one"
        notes += (f"the largest of {len(series)} series was read: {title}, {len(largest)} files",)
    if others and path.is_dir():
        notes += (f"{others} files without pictures, or there twice, were left out",)
    return largest, notes


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    inside = (file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    files = sorted(itertools.islice(inside, MAX_FILES + 1))
    if len(files) > MAX_FILES:
        raise LimitError(f"at most {MAX_FILES:,} files in a folder", f"more in {path.name}", "choose the folder of one series")
    return files


def _header(file: Path) -> pydicom.Dataset | None:
    """Return the header of a file with pictures, None for another. Raises FormatError for one that cannot be read."""
    force = file.suffix.lower() == ".dcm"
    try:
        with open(file, "rb") as opened:
            if _deflated(opened, force=force):
                raise FormatError("a file that can be bounded before it is unpacked", f"a deflated one, {file.name}",
                                  "save it uncompressed")
        header = pydicom.dcmread(file, stop_before_pixels=True, force=force)
    except InvalidDicomError:
        return None
    if not {"Rows", "Columns", "BitsAllocated"} <= set(header.dir()):
        return None
    if header.get("Modality") == "SEG":
        raise FormatError("pictures of a scanner", f"a DICOM segmentation, {file.name}", "save the labels as NIfTI or NRRD")
    if min(int(header.Rows), int(header.Columns), _count(header)) < 1:
        raise ShapeError("pictures that are not empty", f"{header.Rows} x {header.Columns} in {file.name}", "export it again")
    return header


def _kind(header: pydicom.Dataset) -> tuple:
    """Return what the pictures of one volume have in common."""
    orientation = _found(header, 0, "PlaneOrientationSequence", "ImageOrientationPatient")
    turned = None if orientation is None else tuple(round(float(n), 3) + 0.0 for n in orientation)
    return str(header.get("SeriesInstanceUID", "")), int(header.Rows), int(header.Columns), channels_of(header), turned


def _count(header: pydicom.Dataset) -> int:
    return int(header.get("NumberOfFrames", 1) or 1)


def _slices(file: Path, header: pydicom.Dataset) -> Iterator[_Slice]:
    for index in range(_count(header)):
        orientation = _numbers(_found(header, index, "PlaneOrientationSequence", "ImageOrientationPatient"), 6)
        position = _position(header, index, orientation)
        slope = _found(header, index, "PixelValueTransformationSequence", "RescaleSlope") or header.get("DoseGridScaling")
        intercept = _found(header, index, "PixelValueTransformationSequence", "RescaleIntercept")
        times = [_found(header, index, "FrameContentSequence", name) for name in _TIMES]
        if _count(header) > 1 and position is None:
            times[-1] = index
        yield _Slice(file, index, position, orientation, tuple(map(_sortable, times)), (float(slope or 1), float(intercept or 0)))


def _position(header: pydicom.Dataset, index: int, orientation: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """Return where frame `index` lies: its own position, or the file's and its distance from there; None when not said."""
    position = _numbers(_found(header, index, "PlanePositionSequence", "ImagePositionPatient"), 3)
    if position is None or orientation is None or _count(header) == 1 or "PerFrameFunctionalGroupsSequence" in header:
        return position
    offsets, gap = header.get("GridFrameOffsetVector"), header.get("SpacingBetweenSlices")  # radiation doses; nuclear medicine
    if offsets is None and not gap:
        return None
    away = float(offsets[index] if offsets is not None else gap * index)
    return tuple((np.asarray(position) + away * np.cross(orientation[:3], orientation[3:])).tolist())


def _found(header: pydicom.Dataset, index: int, sequence: str, name: str) -> Any:
    """Return an attribute of frame `index`: its own, that of all frames, or that of the file; None when there is none."""
    for groups, place in ((header.get("PerFrameFunctionalGroupsSequence"), index), (header.get("SharedFunctionalGroupsSequence"), 0)):
        items = groups[place].get(sequence) if groups and place < len(groups) else None
        if items and name in items[0]:
            return items[0][name].value
    return header.get(name)


def _sortable(time: Any) -> float:
    """Return a number, or a time of day as a number that sorts alike (101530.25 or 10:15:30.25); 0 for anything else."""
    try:
        return float(str(time).replace(":", ""))
    except ValueError:
        return 0.0


def _numbers(value: Any, count: int) -> tuple[float, ...] | None:
    numbers = tuple(float(n) for n in value) if value is not None and not isinstance(value, str) else ()
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None


def _moments(slices: list[_Slice], data: pydicom.Dataset, path: Path) -> tuple[list[list[_Slice]], tuple[str, ...], float | None]:
    """Return the slices of each time point in order of place, notes, and the step from slice to slice in mm."""
    if any(one.position is None or one.orientation is None for one in slices):
        ordered = sorted(slices, key=lambda one: (one.when, one.path, one.index))
        if "FrameTime" in data or "CineRate" in data or "FrameTimeVector" in data:  # a film: each picture is a moment
            return [[one] for one in ordered], (), None
        gap = data.get("SpacingBetweenSlices") or data.get("SliceThickness")
        notes = () if len(slices) == 1 else ("slices in the order of their numbers; the files do not say where they lie",)
        return [ordered], notes, abs(float(gap)) if gap else None
    across = np.cross(slices[0].orientation[:3], slices[0].orientation[3:])
    along = np.asarray([one.position for one in slices]) @ across
    places = places_of(along, min(_pixel_size(data) or (1.0,)))
    if places is None:
        got = f"{len(slices):,} pictures, more at some places than at others, in {path.name}"
        raise FormatError("as many pictures at each place as at the others", got,
                          "copy the missing files too, or choose the folder of one series")
    ordered = [sorted((slices[i] for i in place), key=lambda one: (one.when, one.path, one.index)) for place in places]
    steps, notes = np.diff(along[places].mean(1)), ()
    gap = round(float(np.median(steps)), 6) if len(steps) else None
    if len(steps) and steps.max() - steps.min() > 2 * _UNEVEN * gap:
        notes = (f"slices lie {steps.min():g} to {steps.max():g} mm apart; {gap:g} mm is taken for all",)
    return [list(moment) for moment in zip(*ordered, strict=True)], notes, gap


def _pixels(headers: dict[Path, pydicom.Dataset], moments: list[list[_Slice]], shape: tuple[int, int, int],
            path: Path) -> tuple[np.ndarray, bool]:
    """Return (t, channels, z, y, x), and whether anything was inverted. Each file is read once."""
    wanted: dict[Path, list[tuple[int, int, _Slice]]] = {}
    for t, moment in enumerate(moments):
        for z, one in enumerate(moment):
            wanted.setdefault(one.path, []).append((t, z, one))
    dtypes = [dtype_of(headers[file], [one.scale for _, _, one in places]) for file, places in wanted.items()]
    dtype = np.result_type(*set(dtypes))
    dtype = np.dtype(np.float32) if dtype.kind == "f" else dtype
    array = np.empty((len(moments), shape[0], len(moments[0]), *shape[1:]), dtype)
    inverted = False
    for file, places in wanted.items():
        data = pydicom.dcmread(file, force=file.suffix.lower() == ".dcm")
        if "TransferSyntaxUID" not in data.file_meta:
            data.file_meta.TransferSyntaxUID = _native(data)
        for t, z, one in places:
            array[t, :, z] = frame_of(data, one.index, one.scale, path)
        inverted |= data.get("PhotometricInterpretation") == "MONOCHROME1"
    return array, inverted


def _native(data: pydicom.Dataset) -> str:
    """Return the transfer syntax of a file that does not name one: how its header was found to be written."""
    implicit, little = data.original_encoding
    return "1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1" if little else "1.2.840.10008.1.2.2"


def _geometry(volume: list[_Slice], data: pydicom.Dataset,
              gap: float | None) -> tuple[tuple[float, ...] | None, str, np.ndarray | None]:
    """Return the spacing (z, y, x), its unit and the affine. Distances at a detector stand in where the body's are not given."""
    pixel, first, last = _pixel_size(data), volume[0], volume[-1]
    if pixel is None:
        return None, "px", None
    if first.position is None or first.orientation is None:
        return ((gap, *pixel) if gap or len(volume) == 1 else None), "mm", None
    along, down = np.asarray(first.orientation[:3]), np.asarray(first.orientation[3:])
    step = np.cross(along, down) * float(_found(data, 0, "PixelMeasuresSequence", "SliceThickness") or 1)
    if len(volume) > 1:
        step = (np.asarray(last.position) - first.position) / (len(volume) - 1)
    affine = np.eye(4)
    affine[:3] = np.stack([along * pixel[1], down * pixel[0], step, np.asarray(first.position)], axis=1)
    return (gap or float(np.linalg.norm(step)), *pixel), "mm", _TO_RAS @ affine


def _pixel_size(data: pydicom.Dataset) -> tuple[float, ...] | None:
    """Return the size (y, x) of a pixel in mm, None when the file does not say."""
    pixel = _numbers(_found(data, 0, "PixelMeasuresSequence", "PixelSpacing") or data.get("ImagerPixelSpacing"), 2)
    return pixel if pixel and min(pixel) > 0 else None


def _interval(data: pydicom.Dataset) -> str:
    step = data.get("FrameTime")
    return f"{float(step):g} ms" if step else ""
