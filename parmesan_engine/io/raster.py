"""PNG and JPEG pictures. Dots-per-inch entries are print settings, not a physical size, so pictures have no spacing."""

from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image

from parmesan_engine.errors import FormatError, LimitError
from parmesan_engine.io.files import check_limit, decoding, plain_numbers
from parmesan_engine.types import Sample

_ORIENTATION_TAG = 0x0112
_ORIENTATIONS = {
    2: "mirrored",
    3: "turned by 180 degrees",
    4: "mirrored",
    5: "mirrored and turned",
    6: "turned by 90 degrees",
    7: "mirrored and turned",
    8: "turned by 270 degrees",
}


def orient(array: np.ndarray, orientation: int) -> np.ndarray:
    """Return (y, x, ...) as the EXIF orientation 1 to 8 wants it shown."""
    if orientation in (2, 3):
        array = array[:, ::-1]
    if orientation in (3, 4):
        array = array[::-1]
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)  # 5 is this transposition alone
    if orientation in (6, 7):
        array = array[:, ::-1]
    if orientation in (7, 8):
        array = array[::-1]
    return array


def orientation_notes(orientation: int) -> tuple[str, ...]:
    """Return the note for the user, none for an upright picture."""
    return (f"{_ORIENTATIONS[orientation]} as its orientation tag says",) if orientation in _ORIENTATIONS else ()


def read_raster(path: Path, kind: str, *, max_bytes: int) -> Sample:
    """Return a PNG or JPEG as (1 or 3, y, x), uint8 or uint16. Palettes become colours, alpha is dropped."""
    with decoding(path, kind), _open(path, kind) as image:
        check_limit(
            (image.height, image.width, 3 if image.mode == "P" else len(image.getbands())), max_bytes, path.name
        )
        orientation = _orientation(image)
        pixels, notes = _pixels(image, path)
    if getattr(image, "n_frames", 1) > 1:
        notes += (f"only the first of {image.n_frames} frames was read",)
    pixels = orient(pixels, orientation).transpose(2, 0, 1)
    return Sample(
        plain_numbers(np.ascontiguousarray(pixels), path.name), path.name, notes=notes + orientation_notes(orientation)
    )


def raster_shape(path: Path, kind: str) -> tuple[int, int]:
    """Return (y, x) as read_raster would, from the header alone."""
    with decoding(path, kind), _open(path, kind) as image:
        return image.size[::-1] if _orientation(image) < 5 else image.size


def read_raster_labels(path: Path, kind: str, *, max_bytes: int) -> np.ndarray:
    """Return the (y, x) stored numbers of a grey or indexed PNG; palettes are only for looking. Raises FormatError."""
    if kind == "JPEG":
        raise FormatError(
            "labels in a lossless format", f"{path.name}, a JPEG", "save labels as PNG; JPEG blurs class ids"
        )
    with decoding(path, kind), _open(path, kind) as image:
        check_limit((image.height, image.width), max_bytes, path.name)
        if image.mode not in ("1", "L", "P", "I", "I;16", "I;16B"):
            raise FormatError(
                "one number per pixel", f"{path.name} in mode {image.mode}", "save labels as grey or indexed PNG"
            )
        labels = np.asarray(image)
    return labels.astype(np.uint8) if labels.dtype == bool else labels


def _open(path: Path, kind: str) -> Image.Image:
    try:
        return Image.open(path, formats=[kind])
    except Image.DecompressionBombError as error:
        limit = f"at most {2 * Image.MAX_IMAGE_PIXELS:,} pixels in a {kind} picture"
        raise LimitError(limit, f"{path.name}: {error}", "crop or downsample it first, or save it as TIFF") from error


def _orientation(image: Image.Image) -> int:
    return int(image.getexif().get(_ORIENTATION_TAG, 1))


def _pixels(image: Image.Image, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return (y, x, 1 or 3) and notes."""
    if image.format == "PNG" and _png_depth(path) == 16:
        pixels = imagecodecs.png_decode(path.read_bytes())  # Pillow would cut 16-bit colour to 8
        pixels = pixels if pixels.ndim == 3 else pixels[..., None]
        opaque = pixels.shape[2] in (1, 3)
        return (pixels, ()) if opaque else (pixels[..., :-1], ("alpha channel dropped",))
    notes = ("alpha channel dropped",) if image.has_transparency_data else ()
    if image.mode == "CMYK":
        notes += ("CMYK colours converted to RGB",)
    if image.mode in ("1", "LA"):
        image = image.convert("L")
    elif image.mode not in ("L", "I;16", "I;16B", "I", "RGB"):
        if image.mode == "P" and image.has_transparency_data:
            image = image.convert("RGBA")  # a palette with transparency warns when it goes straight to RGB
        image = image.convert("RGB")
    pixels = np.asarray(image)
    return (pixels if pixels.ndim == 3 else pixels[..., None]), notes


def _png_depth(path: Path) -> int:
    with open(path, "rb") as file:
        return file.read(25)[24]  # 8 signature, 8 chunk head, 8 width and height, then the bit depth
