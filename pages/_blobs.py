"""From arrays to the bytes that the canvas takes: pictures, class codes, shares, signals. Pure."""

import io
import zlib

import numpy as np
from PIL import Image

NOTHING = 255
LOSSLESS_PIXELS = 2**20  # larger pictures travel as JPEG: at 100 % its traces cannot be seen, and it is a fifth of the size
PREDICTION_STEPS, DOUBT_STEPS = 254, 31


def picture_blob(rgb: np.ndarray) -> tuple[bytes, str]:
    """Return (bytes, media type) of an (h, w, 3) uint8 picture; grey ones are stored as grey."""
    grey = (rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 1] == rgb[..., 2]).all()
    image = Image.fromarray(np.ascontiguousarray(rgb[..., 0]) if grey else rgb)
    buffer, lossless = io.BytesIO(), rgb.shape[0] * rgb.shape[1] <= LOSSLESS_PIXELS
    image.save(buffer, "PNG", compress_level=1) if lossless else image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue(), "image/png" if lossless else "image/jpeg"


def signal_blob(array: np.ndarray) -> bytes:
    """Return (channels, length) values as little-endian uint16, each channel over its own range."""
    array = np.asarray(array, np.float64)
    low, high = array.min(axis=1, keepdims=True), array.max(axis=1, keepdims=True)
    scaled = (array - low) / np.where(high > low, high - low, 1)
    return zlib.compress(np.rint(65535 * scaled).astype("<u2").tobytes(), 1)


def codes_blob(labels: np.ndarray) -> bytes:
    """Return class ids as uint8, 255 where there is none (negative)."""
    return zlib.compress(np.where(labels < 0, NOTHING, np.minimum(labels, 254)).astype(np.uint8).tobytes(), 1)


def share_blob(share: np.ndarray, steps: int) -> bytes:
    """Return values of [0, 1] as uint8 codes 0 to 254 in `steps` steps (fewer compress better); 255 where NaN."""
    known = np.clip(np.nan_to_num(share), 0, 1)
    codes = np.rint(np.rint(known * steps) * (254 / steps)).astype(np.uint8)
    return zlib.compress(np.where(np.isnan(share), NOTHING, codes).astype(np.uint8).tobytes(), 1)
