"""Versions with a label, and a branch: a project as it was at one version, as a project of its own, made while others go on."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from parmesan_engine.errors import EmptyMemoryError, FormatError, StoreError
from parmesan_engine.memory import VersionRecord
from parmesan_engine.memory.copying import copy_at
from parmesan_engine.project.description import read_description, write_description
from parmesan_engine.project.leftovers import REPAIRED, REPAIRING

OWN = {"memory", "cache", "incoming", "here", "project.json", REPAIRED, REPAIRING}  # made anew for the branch, or of no use to it


def tag(project, version: str | int, text: str) -> VersionRecord:
    """Give a version a label, another one if it has one, none if the text is empty. Raises VersionError, FormatError."""
    if project.memory is None:
        raise EmptyMemoryError("a project with a version", "an empty project", "import a sample first")
    return project.memory.tag(version, text)


def branch(project, version: str | int, folder: str | Path, *, name: str = "") -> Path:
    """Copy a project, its memory as it was at a version with the history before, to a new folder; return the folder.

    The branch has all samples of today, and shares nothing with the project: what is unlearned in one stays in the other.
    A crash leaves no folder of that name. Raises FormatError when there is one, VersionError, StoreError.
    """
    if project.memory is None:
        raise EmptyMemoryError("a project with a version", "an empty project", "import a sample first")
    with copied(project, Path(folder), name=name or Path(folder).name) as stage:
        copy_at(project.memory.path, version, stage / "memory")
    return Path(folder)


@contextmanager
def copied(project, folder: Path, **description: Any) -> Iterator[Path]:
    """Yield a nameless folder, in which the body makes a memory; then copy the rest of a project there and give it its name.

    description: what the copy's own description says otherwise. On an error, also in the body, nothing stays. Raises FormatError
    when there is a folder of that name, StoreError.
    """
    if folder.exists():
        raise FormatError("a new folder", f"{folder}, which is there already", "choose another name")
    with staged(folder) as stage:
        yield stage
        for item in project.path.iterdir():
            if item.name not in OWN:
                _copy(item, stage / item.name)
        write_description(stage, {**read_description(project.path), **description})
        stage.rename(folder)


@contextmanager
def staged(place: Path) -> Iterator[Path]:
    """Yield a nameless folder beside a place; what is left of it in the end is deleted. Raises StoreError for what the file system says."""
    stage = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        stage.mkdir(parents=True)
        yield stage
    except StoreError:
        raise
    except OSError as error:
        raise StoreError("room and permission to write a copy", str(error), "free space or choose another folder") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    """Copy a file or folder, without what is being written at the moment; a file that goes meanwhile is left out."""
    if source.is_dir():
        target.mkdir()
        for item in source.iterdir():
            _copy(item, target / item.name)
    elif not source.name.endswith(".part"):
        try:
            shutil.copyfile(source, target)
        except FileNotFoundError:
            target.unlink(missing_ok=True)
