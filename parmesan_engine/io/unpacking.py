"""Zip archives, as folders come when they are uploaded: unpacked to a temporary place, bounded, and never outside of it."""

import contextlib
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from parmesan_engine.errors import FormatError, LimitError
from parmesan_engine.io.files import GIB, decoding, is_zarr

MAX_MEMBERS = 500_000  # an OME-Zarr has a file per chunk
MAX_DEPTH = 16  # folders inside each other
_SIDE = {"__MACOSX", ".DS_Store", "Thumbs.db"}  # what operating systems add


@contextlib.contextmanager
def unpacked(path: Path, *, max_bytes: int) -> Iterator[Path]:
    """Yield the folder with an archive's one folder or series; it is deleted afterwards. Raises FormatError, LimitError.

    Nothing is written before every name and size has been checked: no absolute or climbing names, no links, nothing
    encrypted, at most max_bytes in all. A member is unpacked to the size that was announced, and not a byte further.
    """
    with tempfile.TemporaryDirectory(prefix="parmesan-") as temporary:
        root = Path(temporary) / (path.stem.strip(".") or "zip")
        root.mkdir()
        unpack(path, root, max_bytes=max_bytes)
        yield _inner(root)


def unpack(path: Path, root: Path, *, max_bytes: int) -> None:
    """Unpack an archive into a folder, with the checks of `unpacked`. Raises FormatError, LimitError."""
    with decoding(path, "zip"), zipfile.ZipFile(path) as archive:
        for member in _members(archive, path, max_bytes):
            target = root.joinpath(*PurePosixPath(member.filename).parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, open(target, "xb") as file:
                shutil.copyfileobj(source, file, 2**20)


def _members(archive: zipfile.ZipFile, path: Path, max_bytes: int) -> list[zipfile.ZipInfo]:
    members = [member for member in archive.infolist() if not member.is_dir() and not _SIDE & set(member.filename.split("/"))]
    if len(members) > MAX_MEMBERS:
        raise LimitError(f"at most {MAX_MEMBERS:,} files in a zip", f"{len(members):,} in {path.name}", "pack one series or image")
    if not members:
        raise FormatError("a zip with files in it", f"{path.name}, which is empty", "pack the folder again")
    if (total := sum(member.file_size for member in members)) > max_bytes:
        got = f"{total / GIB:,.1f} GiB in {path.name}"
        raise LimitError(f"at most {max_bytes / GIB:,.1f} GiB unpacked", got, "pack one series or image")
    for member in members:
        name = member.filename
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts or "\\" in name or ":" in parts[0] or len(parts) > MAX_DEPTH:
            raise FormatError("names inside the zip's own folder", f"{name[:60]!r} in {path.name}", "pack the folder again")
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
            raise FormatError("files, no links", f"{name[:60]!r} in {path.name}", "pack the files themselves")
        if member.flag_bits & 1:
            raise FormatError("a zip without a password", path.name, "pack the folder without encryption")
    return members


def _inner(root: Path) -> Path:
    """Return the folder that an archive is about: people pack a folder, or what is in it."""
    while not is_zarr(root):
        inside = list(root.iterdir())
        if len(inside) != 1 or not inside[0].is_dir():
            break
        root = inside[0]
    return root
