"""A backup: all of a project at one version in one zip, made while others go on; and the way back, into a new folder.

    project.json, memory/, samples/, truth/, verified/      as in the project; no features, which are made again
    backup.json                                             name, version, time, and size and BLAKE2b of every other file

A copy is made first, as for a branch: the memory at one version, then the rest, so that all samples of its examples are there. If
something is unlearned meanwhile the copy is made again, so a backup never holds what was gone before it was finished.
"""

import hashlib
import json
import shutil
import time
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

from parmesan_engine.errors import FormatError, VersionError
from parmesan_engine.io.files import sync_folder, write_beside
from parmesan_engine.io.unpacking import unpack
from parmesan_engine.memory.copying import copy_at
from parmesan_engine.project.branching import copied, staged
from parmesan_engine.project.project import Project

FORMAT = 1
NOTE = "backup.json"
MAX_NOTE = 1 << 28
TRIES = 5  # when something is unlearned while the copy is made


def backup(project: Project, out: str | Path) -> dict[str, Any]:
    """Write a backup to a zip, in place of an older one; return {file, version, files, bytes, problems}.

    problems: what `verify` says of the copy. The zip is durable, and whole or not there. Raises FormatError, StoreError.
    """
    out = Path(out)
    if out.suffix.lower() != ".zip" or out.is_dir():
        raise FormatError("a file that ends in .zip", str(out), "choose another name")
    if out.resolve().is_relative_to(project.path.resolve()):
        raise FormatError("a place outside of the project", str(out), "unlearning would not reach a backup in it; choose another folder")
    with staged(out) as stage:
        folder = stage / "project"
        _copy(project, folder)
        with Project.open(folder) as copy:
            version, problems = copy.version, copy.verify()
        note = {"format": FORMAT, "name": project.name, "version": version, "time": time.time(), "files": _listed(folder)}
        write_beside(out, lambda file: _pack(folder, note, file))
    return {"file": str(out), "version": version, "files": len(note["files"]), "bytes": out.stat().st_size, "problems": problems}


def restore(file: str | Path, folder: str | Path) -> dict[str, Any]:
    """Make a project from a backup in a new folder; return {project, version, time, files, problems}.

    Every file is compared with its size and sum before the folder gets its name. Raises FormatError, LimitError, StoreError.
    """
    file, folder = Path(file), Path(folder)
    if folder.exists():
        raise FormatError("a new folder", f"{folder}, which is there already", "choose another name")
    if not file.is_file():
        raise FormatError("a backup", f"{file}, which is not there", "check the path")
    with staged(folder) as stage:
        beside = stage / "project"
        beside.mkdir()
        unpack(file, beside, max_bytes=shutil.disk_usage(stage).free)
        note = _note(beside / NOTE, file)
        (beside / NOTE).unlink()
        found = _listed(beside)
        if wrong := sorted(name for name in {*found, *note["files"]} if found.get(name) != note["files"].get(name)):
            raise FormatError(f"the {len(note['files'])} files of the backup as they were", f"{len(wrong)} others, as {wrong[0]}, in "
                              f"{file.name}", "take another backup; this one is damaged")
        with Project.open(beside) as project:
            version, problems = project.version, project.verify()
        for place in sorted(beside.rglob("*"), reverse=True):  # all files and folders durable before the name
            sync_folder(place)
        sync_folder(beside)
        beside.rename(folder)
        sync_folder(folder.parent)
    return {"project": str(folder), "version": version, "time": note["time"], "files": len(found), "problems": problems}


def _copy(project: Project, folder: Path) -> None:
    """Copy a project, at its newest version, to a new folder. Raises VersionError when things were unlearned again and again."""
    for _ in range(TRIES):
        project.catch_up()
        view = project.memory and project.memory.checkout(project.version)
        try:
            with copied(project, folder) as beside:
                if view is not None:
                    copy_at(project.memory.path, project.history()[-1].seq, beside / "memory")
            if view is not None:
                view.check()
            return
        except VersionError:
            shutil.rmtree(folder, ignore_errors=True)
    raise VersionError("a memory that keeps its examples for a moment", "one unlearn after the other", "try again later")


def _pack(folder: Path, note: dict[str, Any], file: BinaryIO) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False) as archive:
        for name in note["files"]:
            archive.write(folder / name, name)
        archive.writestr(NOTE, json.dumps(note))


def _listed(folder: Path) -> dict[str, list]:
    """Return {relative name: [size, BLAKE2b]} of all files of a project folder but what can be made again."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {name: [(folder / name).stat().st_size, _sum(folder / name)] for name in names if not name.endswith(("-wal", "-shm"))}


def _sum(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _note(path: Path, file: Path) -> dict[str, Any]:
    """Return what a backup says of itself. Raises FormatError, VersionError."""
    try:
        if path.stat().st_size > MAX_NOTE:
            raise ValueError(f"{path.stat().st_size} bytes of {NOTE}")
        note = json.loads(path.read_text(encoding="utf-8"))
        if (number := int(note["format"])) > FORMAT:
            raise VersionError(f"a backup of format {FORMAT} or older", f"format {number}", "update PARMESAN Studio")
        return {"time": float(note["time"]), "files": {str(name): list(what) for name, what in note["files"].items()}}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError("a backup of a project", f"{file.name} ({type(error).__name__}: {error})",
                          "give a zip that `backup` has written") from error
