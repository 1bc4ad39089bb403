"""The parts of a memory, made and opened: a manifest and two files of keys in a folder, or the same in RAM.

    manifest.sqlite     everything but the keys (see `manifest`)
    keys.f32            features of the entries; coarse.f32: of their coarse nodes. Half precision: keys.f16, coarse.f16
"""

import json
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from parmesan_engine.errors import MEND, LimitError, StoreError, UnknownNameError
from parmesan_engine.io.files import sync_folder
from parmesan_engine.memory.codec import task_to_json
from parmesan_engine.memory.hashing import version_of
from parmesan_engine.memory.keyfile import KEY_FORMATS, KeyArray, KeyFile
from parmesan_engine.memory.manifest import FILE_NAME, FORMAT, Manifest
from parmesan_engine.memory.migration import migrate
from parmesan_engine.memory.records import VersionRecord
from parmesan_engine.types import TaskSpec

Parts = tuple[Path | None, Manifest, KeyFile | KeyArray, KeyFile | KeyArray]


def key_files(keys: str) -> tuple[str, str]:
    """Return the names of the files of the keys and of the coarse keys, in a format of `KEY_FORMATS`."""
    ending = f"f{8 * KEY_FORMATS[keys].itemsize}"
    return f"keys.{ending}", f"coarse.{ending}"


def make(path: str | Path | None, *, channels: int, task: TaskSpec, encoder: dict[str, Any], novelty: float, keys: str) -> Parts:
    """Make the parts of an empty memory; see `Memory.create`."""
    if channels < 1 or not 0 <= novelty < 2:
        raise LimitError("at least 1 channel and a novelty in [0, 2)", f"{channels} and {novelty}", "check the arguments")
    if keys not in KEY_FORMATS:
        raise UnknownNameError(f"keys as {' or '.join(KEY_FORMATS)}", repr(keys), "choose one of them")
    folder = None if path is None else Path(path)
    meta = {"channels": str(channels), "novelty": repr(float(novelty)), "keys": json.dumps(keys), "encoder": json.dumps(encoder),
            "task": json.dumps(task_to_json(task)), "format": str(FORMAT)}
    record = VersionRecord(version_of(0, novelty), 0, time.time(), "create", "", 0, 0, 0, "", None, "")
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        for name in key_files(keys):
            KeyFile(folder / name, channels, create=True, keys=keys).close()
    manifest = Manifest(folder)
    if folder and not manifest.exists and any(path.stat().st_size for form in KEY_FORMATS for name in key_files(form)
                                              if (path := folder / name).exists()):
        manifest.close()  # a new memory has no rows before it has a manifest: making one now would write over them
        raise StoreError(f"a manifest of the rows in {folder}", "none, or an empty one", MEND)
    if manifest.exists:
        manifest.close()
        raise StoreError("a folder without a memory", f"{path}, which holds one", "open it, or choose another folder")
    manifest.create(meta, record)
    if folder:
        sync_folder(folder)
        sync_folder(folder.parent)
    if folder is None:
        return None, manifest, KeyArray(channels, keys=keys), KeyArray(channels, keys=keys)
    manifest.close()
    return open_parts(folder)


def open_parts(path: str | Path) -> Parts:
    """Open the parts of the memory in a folder. Raises StoreError, VersionError; the caller turns other errors of the store."""
    folder = Path(path)
    if not (folder / FILE_NAME).is_file():
        raise StoreError(f"a memory at {path}", "no manifest there", "create one, or check the path")
    manifest = Manifest(folder)
    if not manifest.exists:
        manifest.close()
        raise StoreError(f"a memory at {path}", "one whose creation was cut short", "create it again")
    with ExitStack() as opened:  # to be closed again if something is wrong
        opened.callback(manifest.close)
        channels, keys, rows = manifest.meta_json("channels"), manifest.keys, []
        for name in key_files(keys):
            rows.append(KeyFile(folder / name, channels, create=False, keys=keys))
            opened.callback(rows[-1].close)
        if manifest.format < FORMAT:
            migrate(manifest, *rows)
        opened.pop_all()
    return folder, manifest, *rows


def is_at(path: str | Path) -> bool:
    """Whether a folder holds a memory whose creation was finished."""
    if not (Path(path) / FILE_NAME).is_file():
        return False
    manifest = Manifest(Path(path))
    found = manifest.exists
    manifest.close()
    return found
