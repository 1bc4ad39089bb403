"""The compiled part of the exact search: built once for this machine's processor from `kernel.cpp`, loaded with ctypes.

Where no C++ compiler is at hand, `load` returns None, says why once in the log, and the search goes through Faiss. The
library is kept in the user's cache folder under a name made of source, compiler and processor, so a change builds anew.
"""

import ctypes
import functools
import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch

from parmesan_engine.search.codes import FORMATS

log = logging.getLogger(__name__)
SOURCE = Path(__file__).with_name("kernel.cpp")
FLAGS = ("-O3", "-march=native", "-std=c++17", "-ffp-contract=off", "-shared", "-fPIC", "-pthread")
BUILD_SECONDS = 120
FORMAT_NUMBER = {dtype: number for number, dtype in enumerate(FORMATS.values())}  # as `enum Format` in kernel.cpp
OFF = "PARMESAN_NO_KERNEL"  # set to search without it, as on a machine without a compiler


class Keys(ctypes.Structure):
    """As `struct Keys` in kernel.cpp."""

    _fields_ = [*((name, ctypes.c_void_p) for name in ("codes", "ties", "panels", "half", "boxes", "clusters")),
                ("count", ctypes.c_int64), *((name, ctypes.c_int32) for name in ("channels", "columns", "format"))]


class Queries(ctypes.Structure):
    """As `struct Queries` in kernel.cpp."""

    _fields_ = [("rows", ctypes.c_void_p), ("sketch", ctypes.c_void_p), ("order", ctypes.c_void_p), ("count", ctypes.c_int64)]


def keys_of(codes: torch.Tensor, **others: int) -> Keys:
    """Return the kernel's view of contiguous (N, D) codes, with the fields in `others` set. It keeps the codes alive."""
    view = Keys(codes=codes.data_ptr(), count=len(codes), channels=codes.shape[1], format=FORMAT_NUMBER[codes.dtype], **others)
    view.owner = codes
    return view


@functools.cache
def load() -> ctypes.CDLL | None:
    """Return the library of the exact search, compiled first where it is not yet; None where that is not possible."""
    library = compiled(SOURCE, FLAGS)
    return None if library is None else _declared(library)


@functools.cache
def compiled(source: Path, flags: tuple[str, ...]) -> ctypes.CDLL | None:
    """Return the library of a source file, compiled first where it is not yet; None where that is not possible."""
    if os.environ.get(OFF):
        log.warning("exact search without the compiled kernel: %s is set", OFF)
        return None
    if os.name != "posix":
        log.warning("exact search through Faiss: the kernel is built on Linux and macOS only")
        return None
    compiler = next((found for name in ("c++", "g++", "clang++") if (found := shutil.which(name))), None)
    if compiler is None:
        log.warning("exact search through Faiss: no C++ compiler (c++, g++ or clang++) on the path; with one it is several times faster")
        return None
    try:
        return ctypes.CDLL(str(_built(compiler, source, flags)))
    except (OSError, RuntimeError, UnicodeError, subprocess.SubprocessError) as error:  # RuntimeError: a user without a home folder
        said = getattr(error, "stderr", None)
        log.warning("exact search through Faiss: the kernel could not be built by %s: %s", compiler, said or error)
        return None


def _built(compiler: str, source: Path, flags: tuple[str, ...]) -> Path:
    """Return the library's path; built beside it and renamed, so that two processes can build at once."""
    asked = [["--version"], [*flags, "-dM", "-E", "-x", "c++", os.devnull]]  # the macros tell processors apart that -march=native does
    said = [subprocess.run([compiler, *question], capture_output=True, text=True, check=True, timeout=BUILD_SECONDS).stdout
            for question in asked]
    texts = [path.read_text("utf-8") for path in (source, *sorted(source.parent.glob("*.h")))]
    name = hashlib.blake2b("\0".join([*texts, *said, *flags]).encode(), digest_size=8).hexdigest()
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "parmesan-studio"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o022:
        raise PermissionError(f"{folder} can be written by others, so nothing is loaded from it")
    path = folder / f"{source.stem}-{name}.so"
    if not path.is_file():
        with tempfile.TemporaryDirectory(dir=folder) as work:
            made = Path(work) / path.name
            subprocess.run([compiler, *flags, str(source), "-o", str(made)], capture_output=True, text=True, check=True,
                           timeout=BUILD_SECONDS)
            made.replace(path)
    return path


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    pointer, number, long = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
    keys, queries = ctypes.POINTER(Keys), ctypes.POINTER(Queries)
    library.nearest.restype = long
    library.nearest.argtypes = [keys, queries, ctypes.c_double, number, pointer, pointer, number]
    library.within.restype = pointer
    library.within.argtypes = [keys, queries, ctypes.c_double, pointer, number, ctypes.POINTER(long)]
    library.take_pairs.argtypes = [pointer] * 4
    library.take_pairs.restype = None
    library.pair_distances.argtypes = [keys, pointer, pointer, pointer, long, pointer, number]
    library.sketch.argtypes = [keys, pointer, pointer, ctypes.c_double, pointer, number]
    library.put.argtypes = [pointer, pointer, pointer, number, pointer, long]
    library.put.restype = None
    library.mark_rows.argtypes = [pointer, long, number, pointer, pointer, number]
    library.mark_rows.restype = None
    library.arrange.argtypes = [pointer, number, long, number, pointer, number]
    library.arrange.restype = None
    return library
