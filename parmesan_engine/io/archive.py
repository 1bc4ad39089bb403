"""Many files that appear together or not at all: in a new folder, or in one zip."""

import os
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from parmesan_engine.errors import FormatError, StoreError

_PACKED = (".png", ".gz", ".tif", ".nrrd")  # compressed already: stored in a zip as they are


class Archive:
    """What is being written. `scratch` is a folder for files on the way, deleted at the end."""

    def __init__(self, stage: Path, packed: zipfile.ZipFile | None) -> None:
        self.scratch, self._packed = stage / "scratch", packed
        self._content = stage / "content"
        self.names: list[str] = []
        for folder in (self.scratch, self._content):
            folder.mkdir(parents=True)

    def add(self, name: str, write: Callable[[Path], object]) -> None:
        """Let `write(path)` make one file that will be found under `name`, a relative path with forward slashes."""
        path = self._content / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path)
        if self._packed is not None:
            how = zipfile.ZIP_STORED if path.name.lower().endswith(_PACKED) else zipfile.ZIP_DEFLATED
            self._packed.write(path, name, how)
            path.unlink()
        self.names.append(name)


@contextmanager
def together(out: Path) -> Iterator[Archive]:
    """Collect files, and put them at `out` when the block ends well: a zip if `out` ends so, else a folder; replaces an old zip.

    After any error nothing is left. Raises FormatError when `out` is a folder with content, StoreError when it cannot be written.
    """
    zipped = out.suffix.lower() == ".zip"
    if out.exists() and (out.is_dir() == zipped or (out.is_dir() and any(out.iterdir()))):
        raise FormatError("a new zip, or a new or empty folder", f"{out}, which is in the way", "choose another name")
    stage = out.with_name(f".{out.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        stage.mkdir(parents=True)
        if zipped:
            with zipfile.ZipFile(stage / "zip", "w") as packed:
                yield Archive(stage, packed)
            os.replace(stage / "zip", out)
        else:
            yield Archive(stage, None)
            if out.exists():
                out.rmdir()
            os.replace(stage / "content", out)
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError("a writable place", f"{out} ({error.strerror or error})", "choose another folder or free space") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
