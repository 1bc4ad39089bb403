"""What all file families share: telling files apart, refusing what is too large, never leaving half a file."""

import contextlib
import math
import os
import struct
import threading
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from nibabel.spatialimages import HeaderDataError, HeaderTypeError
from nibabel.wrapstruct import WrapStructError
from pydicom.errors import BytesLengthException, InvalidDicomError

from parmesan_engine.errors import FormatError, LimitError, ParmesanError, StoreError

GIB = 2**30
MAX_BYTES = 4 * GIB
SUFFIXES = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "TIFF": (".tif", ".tiff"),
    "NIfTI": (".nii", ".nii.gz"),
    "npy": (".npy",),
    "CSV": (".csv", ".tsv", ".txt"),
    "NRRD": (".nrrd", ".nhdr"),
    "DICOM": (".dcm",),  # or a folder of them
    "OME-Zarr": (".zarr",),  # a folder
    "zip": (".zip",),  # of one of these folders
}
SUPPORTED = tuple(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\x93NUMPY": "npy",
    b"NRRD000": "NRRD",
    b"PK\x03\x04": "zip",
}
_STRANGERS = {
    b"GIF8": "a GIF picture",
    b"BM": "a BMP picture",
    b"RIFF": "a RIFF file (WebP, WAV)",
    b"%PDF": "a PDF",
    b"\x89HDF": "an HDF5 file",
    b"\x80": "a Python pickle",
    b"\x1f\x8b": "gzip data with no NIfTI volume inside",
}
# Decoders meet damaged bytes with almost any exception; these are the ones that Pillow, tifffile, imagecodecs, nibabel,
# pydicom and numpy were seen to raise. Anything else is our own fault and must surface.
DECODER_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    SyntaxError,
    LookupError,
    TypeError,
    RuntimeError,
    AttributeError,
    ArithmeticError,
    AssertionError,  # tifffile asserts on axes that do not fit
    MemoryError,
    struct.error,
    zlib.error,
    tokenize.TokenError,  # numpy parses headers of .npy as Python text
    HeaderDataError,
    HeaderTypeError,
    WrapStructError,
    InvalidDicomError,
    BytesLengthException,
    zipfile.BadZipFile,
)


def suffix_of(path: Path) -> str:
    """Return the suffix in lower case, `.nii.gz` as one."""
    name = path.name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else path.suffix.lower()


def stem_of(path: Path) -> str:
    """Return the file name without `suffix_of`."""
    return path.name[: len(path.name) - len(suffix_of(path))]


def unzipped_head(head: bytes, size: int) -> bytes:
    """Return the first `size` bytes inside gzip data (or less), never unpacking more than that."""
    with contextlib.suppress(zlib.error):
        return zlib.decompressobj(31).decompress(head, size)
    return b""


def is_nifti(head: bytes) -> bool:
    """Return whether bytes start a NIfTI-1 or NIfTI-2 header of either byte order."""
    return len(head) >= 4 and any(struct.unpack(order + "i", head[:4])[0] in (348, 540) for order in "<>")


def sniff(path: Path) -> str:
    """Return the kind of a file, a key of SUFFIXES, from its first bytes; of a folder, from what lies in it.

    Only text has no signature and is told by its suffix. Raises FormatError.
    """
    if path.is_dir():
        return "OME-Zarr" if is_zarr(path) else "DICOM"
    head = _head(path)
    if head[128:132] == b"DICM" or (head.startswith(b"\x08\0") and suffix_of(path) in SUFFIXES["DICOM"]):
        return "DICOM"  # some have no preamble and start with group 8
    for signature, kind in _SIGNATURES.items():
        if head.startswith(signature):
            return kind
    if is_nifti(unzipped_head(head, 544) if head.startswith(b"\x1f\x8b") else head):
        return "NIfTI"
    known = next((name for signature, name in _STRANGERS.items() if head.startswith(signature)), None)
    if known is None and b"\0" not in head and _is_text(head):
        if suffix_of(path) in SUFFIXES["CSV"]:
            return "CSV"
        known = f"text starting {head[:24].decode('utf-8', 'replace')!r}"
    if suffix_of(path) in SUPPORTED:
        todo = "save it again with the program that made it; a new name does not change what is inside"
        raise FormatError(f"a file that is what its name says ({path.name})", known or "bytes of no known kind", todo)
    raise FormatError(
        f"one of {', '.join(SUPPORTED)}", f"{path.name} ({known or 'bytes of no known kind'})", "convert it first"
    )


def is_zarr(folder: Path) -> bool:
    """Return whether a folder is the root of a Zarr hierarchy, of format 2 or 3."""
    return any((folder / name).is_file() for name in (".zattrs", ".zgroup", "zarr.json"))


def _head(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            head = file.read(2**16)
    except FileNotFoundError as error:
        raise FormatError("an existing file", f"{path}", "check the path") from error
    except OSError as error:
        raise FormatError(
            "a readable file", f"{path} ({error.strerror})", "check that it is a file you may read"
        ) from error
    if not head:
        raise FormatError("a file with content", f"{path.name} of 0 bytes", "copy or download it again")
    return head


def _is_text(head: bytes) -> bool:
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # a letter cut by the end of what was read
    return True


def fits(shape: tuple[int, ...], max_bytes: int) -> bool:
    """Return whether an array of `shape` needs at most `max_bytes` as float32."""
    return 4 * math.prod(int(n) for n in shape) <= max_bytes


def check_limit(shape: tuple[int, ...], max_bytes: int, name: str) -> None:
    """Raise LimitError when an array of `shape` would need more than `max_bytes` as float32. Call before allocating."""
    if not fits(shape, max_bytes):
        size = 4 * math.prod(int(n) for n in shape)
        got = f"{size / GIB:,.1f} GiB ({name}, shape {' x '.join(f'{n:,}' for n in shape)})"
        raise LimitError(f"at most {max_bytes / GIB:,.1f} GiB as 32-bit numbers", got, "crop or downsample it first")


def plain_numbers(array: np.ndarray, name: str, *, gaps: bool = False) -> np.ndarray:
    """Return the array as native, real, finite, writable numbers (bool as 0 and 1). Raises FormatError.

    gaps: let through what is not finite, as labels have where nothing is known.
    """
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind not in "iuf":
        raise FormatError("real numbers", f"{array.dtype} in {name}", "save magnitude or real part as float32")
    if array.dtype.kind == "f":
        bad = ~np.isfinite(array)
        if bad.any() and not gaps:
            first = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), array.shape))
            got = f"{int(bad.sum()):,} of {bad.size:,} NaN or infinite in {name}, the first at index {first}"
            raise FormatError("finite numbers", got, "replace them, for example with numpy.nan_to_num")
        if array.dtype.itemsize not in (4, 8):  # half and long double are unknown to some tools downstream
            return array.astype(np.float32 if array.dtype.itemsize == 2 else np.float64)
    return array.astype(
        array.dtype.newbyteorder("="), copy=not array.flags.writeable
    )  # torch warns of read-only arrays


@contextlib.contextmanager
def decoding(path: Path, kind: str) -> Iterator[None]:
    """Turn what a decoder raises on damaged bytes into a FormatError that names the file and the decoder's reason."""
    try:
        yield
    except ParmesanError:
        raise
    except DECODER_ERRORS as error:
        got = f"{path.name}, which cannot be decoded ({type(error).__name__}: {' '.join(str(error).split())[:160]})"
        raise FormatError(
            f"an intact {kind} file", got, "copy or export it again; it may be cut off or damaged"
        ) from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: a file that was synced may else be nameless after a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_beside(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write under a temporary name in the same folder, then rename: readers see the old file or the whole new one.

    The file and its name are durable when this returns. Raises StoreError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        fresh = not path.parent.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            sync_folder(path.parent)
            if fresh:
                sync_folder(path.parent.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        got = f"{path} ({error.strerror or error})"
        raise StoreError("a writable place", got, "choose another folder or free space") from error
