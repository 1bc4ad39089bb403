"""The numbers of one DICOM file, decoded frame by frame, with the scanner's scale applied."""

from pathlib import Path

import numpy as np
import pydicom
from pydicom.pixels import apply_color_lut, get_decoder, pixel_array

from parmesan_engine.errors import FormatError
from parmesan_engine.io.dicom_codecs import DECODER_DEPENDENCIES

_PALETTE, _INVERTED = "PALETTE COLOR", "MONOCHROME1"
_TOP = 64  # bits of a stored number; more are a false header


def channels_of(data: pydicom.Dataset) -> int:
    """Return the channels of a file's pictures: 3 for colours."""
    return 3 if int(data.get("SamplesPerPixel", 1)) >= 3 or data.get("PhotometricInterpretation") == _PALETTE else 1


def dtype_of(data: pydicom.Dataset, scales: list[tuple[float, float]]) -> np.dtype:
    """Return the smallest dtype that holds every scaled number of a file: integers where slope and intercepts are whole."""
    bits, signed = int(data.get("BitsStored", data.BitsAllocated)), bool(data.get("PixelRepresentation", 0))
    if not 1 <= bits <= _TOP or any(slope != 1 or not intercept.is_integer() for slope, intercept in scales) or "FloatPixelData" in data:
        return np.dtype(np.float32)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if channels_of(data) == 3:
        low, high = 0, 2 ** (16 if data.get("PhotometricInterpretation") == _PALETTE else bits) - 1
    low, high = low + min(shift for _, shift in scales), high + max(shift for _, shift in scales)
    for candidate in (np.uint8, np.int16, np.uint16, np.int32):
        if np.iinfo(candidate).min <= low and high <= np.iinfo(candidate).max:
            return np.dtype(candidate)
    return np.dtype(np.float32)


def frame_of(data: pydicom.Dataset, index: int, scale: tuple[float, float], path: Path) -> np.ndarray:
    """Return frame `index` of a file read whole, as (channels, y, x), scaled. Raises FormatError."""
    array = pixel_array(data, index=index)
    kind = data.get("PhotometricInterpretation")
    if kind == _PALETTE:
        array = apply_color_lut(array, data)
    elif kind == _INVERTED and array.dtype.kind in "iu":
        top = 2 ** int(data.BitsStored) - 1
        array = np.invert(array) if array.dtype.kind == "i" else top - array
    array = np.moveaxis(array[..., :3], -1, 0) if array.ndim == 3 else array[None]
    if array.shape != (channels_of(data), int(data.Rows), int(data.Columns)):
        raise FormatError(f"{data.Rows} x {data.Columns} pixels", f"{array.shape} in {path.name}", "export it again; its header is false")
    slope, intercept = scale
    if (slope, intercept) == (1.0, 0.0):
        return array
    return array * np.float64(slope) + np.float64(intercept)


def _add_codecs() -> None:
    """Let pydicom decode what imagecodecs can."""
    for syntax in DECODER_DEPENDENCIES:
        decoder = get_decoder(syntax)
        if "parmesan" not in decoder.available_plugins:
            decoder.add_plugin("parmesan", ("parmesan_engine.io.dicom_codecs", "decode_frame"))


_add_codecs()
