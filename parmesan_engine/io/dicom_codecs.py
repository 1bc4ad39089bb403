"""A plugin of pydicom's: lossless JPEG, 12-bit JPEG and JPEG-LS by imagecodecs. (pydicom itself decodes native, RLE, baseline
JPEG and JPEG 2000 pixels.) The names that pydicom looks for in a plugin are its, not ours."""

import struct

import imagecodecs
from pydicom import uid
from pydicom.pixels.decoders.base import DecodeRunner

from parmesan_engine.errors import FormatError, LimitError

_CODECS = {
    uid.JPEGLossless: imagecodecs.ljpeg_decode,
    uid.JPEGLosslessSV1: imagecodecs.ljpeg_decode,
    uid.JPEGLSLossless: imagecodecs.jpegls_decode,
    uid.JPEGLSNearLossless: imagecodecs.jpegls_decode,
    uid.JPEGExtended12Bit: imagecodecs.jpeg_decode,
}
DECODER_DEPENDENCIES = dict.fromkeys(_CODECS, ("imagecodecs",))
_FRAME_HEADERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # markers in JPEG and JPEG-LS


def is_available(syntax: str) -> bool:
    """Return whether this plugin decodes a transfer syntax."""
    return syntax in _CODECS


def decode_frame(source: bytes, runner: DecodeRunner) -> bytes:
    """Return the bytes of one frame. Raises LimitError, before decoding, when its own header disagrees with the file's."""
    shape, wanted = jpeg_shape(source), (runner.rows, runner.columns, runner.samples_per_pixel)
    if shape != wanted:
        raise LimitError(f"a compressed picture of {wanted}, as the file's header says", f"{shape}", "export it again")
    array = _CODECS[runner.transfer_syntax](source)
    runner.set_option("planar_configuration", 0)
    return array.astype(f"<u{runner.bits_allocated // 8}", copy=False).tobytes()


def jpeg_shape(source: bytes) -> tuple[int, int, int]:
    """Return (rows, columns, samples) from the frame header of JPEG or JPEG-LS data. Raises FormatError."""
    at = 2  # after the start marker
    while at + 10 <= len(source) and source[at] == 0xFF:
        marker = source[at + 1]
        if marker in _FRAME_HEADERS:
            return struct.unpack(">HHB", source[at + 5 : at + 10])
        at += 1 if marker == 0xFF else 2 + struct.unpack(">H", source[at + 2 : at + 4])[0]
    raise FormatError("JPEG data with a frame header", f"{len(source):,} bytes without one", "export it again; it is damaged")
