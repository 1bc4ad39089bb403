"""Make a damaged project open again with all that can be read. Nothing is deleted: what is damaged moves aside, beside the project.

    NAME.damaged-DATE/files/...     the damaged files, by their places in the project

The memory's whole folder moves aside when anything in it is damaged, and a new one is made from what can be read (see
`memory.salvage`). It gets its name at the very end, while nobody else may open it; a kill in between is finished by the next opening.
"""

import fcntl
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from parmesan_engine.encoders import ENCODERS
from parmesan_engine.errors import MEND, FormatError, ParmesanError, StoreError, VersionError
from parmesan_engine.io.files import sync_folder
from parmesan_engine.memory import Memory
from parmesan_engine.memory.codec import task_to_json
from parmesan_engine.memory.manifest import FILE_NAME, FORMAT, store_errors
from parmesan_engine.memory.salvage import Again, rebuild, salvage
from parmesan_engine.project import truth, verified
from parmesan_engine.project.description import FILE_NAME as DESCRIPTION
from parmesan_engine.project.description import new_description, read_description, task_of, write_description
from parmesan_engine.project.features import adapt
from parmesan_engine.project.leftovers import REPAIRED, REPAIRING, sweep
from parmesan_engine.project.project import Project
from parmesan_engine.project.reencoding import stride_for
from parmesan_engine.project.samples import problems_of, read_record, read_stored
from parmesan_engine.types import FeaturePyramid, Sample

LOCK_BYTES = (0x40000000, 512)  # of SQLite: every process that has the manifest open holds a lock among them


def repair(folder: str | Path) -> dict[str, Any]:
    """Repair a project folder; return {did, lost, aside, version, problems}.

    did: what was done, in words, empty when there was nothing to do; lost: examples that could not be read, by sample, source and
    author; aside: where the damaged files are; problems: what `verify` says afterwards. Raises FormatError, StoreError, VersionError.
    """
    folder, did, lost = Path(folder).resolve(), [], []
    if not folder.is_dir():
        raise FormatError("a project folder", f"{folder}, which is none", "check the path")
    aside = folder.with_name(f"{folder.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
    with store_errors(str(folder)):
        sweep(folder)
        for path, why in _damaged_files(folder):
            _move(path, folder, aside)
            did.append(f"moved {path.relative_to(folder)} aside: {why}")
        if (why := _memory_problem(folder / "memory")):
            did.append(f"made the memory anew from what can be read: {why}")
            lost, kept = _renew_memory(folder, aside)
            did.append(kept)
        if (why := _description_problem(folder)):
            _renew_description(folder, aside)
            did.append(f"made {DESCRIPTION} anew, from the memory and the samples: {why}")
    with Project.open(folder) as project:
        return {"did": did, "lost": lost, "aside": str(aside) if did else "", "version": project.version, "problems": project.verify()}


def _damaged_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files of samples, truth and marks that cannot be used, and why."""
    for path in sorted((folder / "samples").glob("*.json")):
        try:
            why = "; ".join(problems_of(folder / "samples", read_record(path)))
        except ParmesanError as error:
            why = str(error)
        if why:
            yield path, why
            if (values := path.with_suffix(".npy")).exists():
                yield values, "it goes with its description; import the sample again, its examples are kept"
    for path in sorted((folder / truth.FOLDER).glob("*.npy")):
        try:
            np.asarray(truth.truth(folder, path.stem)).sum()
        except (ParmesanError, OSError, ValueError) as error:
            yield path, f"{error}; add the labels again"
    for path in sorted((folder / verified.FOLDER).glob("*.json")):
        try:
            verified.read_mark(path)
        except FormatError as error:
            yield path, str(error)


def _memory_problem(memory: Path) -> str:
    """Return what is wrong with a memory, nothing when all is well or none was made yet. Raises what repairing cannot help."""
    rows = any(path.stat().st_size for path in memory.glob("*.f*"))
    try:
        if not Memory.is_at(memory):
            return "its manifest is gone or empty" if rows else ""  # without rows its making was cut short: opening makes it again
        with Memory.open(memory) as opened:
            return "; ".join(opened.verify())
    except StoreError as error:
        if error.todo != MEND:
            raise
        return str(error)


def _renew_memory(folder: Path, aside: Path) -> tuple[list[dict], str]:
    """Put a memory made from what can be read in the place of the damaged one; return what is lost, and what was kept, in words."""
    memory, made, work = folder / "memory", folder / REPAIRED, folder / REPAIRING
    for place in (made, work):
        shutil.rmtree(place, ignore_errors=True)  # of a repair that was killed: made from what is still there
    seen = _stamps(memory)
    (work / "read").mkdir(parents=True)
    for path in memory.iterdir():
        if path.name in (FILE_NAME, f"{FILE_NAME}-wal"):
            shutil.copyfile(path, work / "read" / path.name)  # reading recovers, and so changes, a manifest
    saved = salvage(work / "read" / FILE_NAME, _settings(folder))
    rebuild(saved, memory, work / "made", _encoding(folder, saved.meta))
    with Memory.open(work / "made") as opened:
        if problems := opened.verify():
            raise StoreError("a memory that is whole after repair", "; ".join(problems), "go back to a backup")
        record = opened.history()[-1]
    for path in (*(work / "made").iterdir(), work / "made"):
        sync_folder(path)
    (work / "made").rename(made)
    shutil.rmtree(work)
    with _alone(memory / FILE_NAME):
        if _stamps(memory) != seen:
            raise StoreError("a memory that nobody writes to meanwhile", "changes by another process", "close it there, then repair again")
        _move(memory, folder, aside)
        with suppress(FileNotFoundError):  # who opened the project just now has finished it
            made.rename(memory)
        sync_folder(folder)
    lost = [{"sample": sample, "source": source, "author": author, "entries": count}
            for (sample, source, author), count in sorted(saved.lost.items())]
    kept = f"kept {len(saved.versions)} versions up to {record.version} ({record.verb}) with {record.entries} examples"
    return lost, kept + (f"; the features of {saved.remade} were made anew from the samples, equal bit for bit" if saved.remade else "")


def _settings(folder: Path) -> dict[str, str]:
    """Return what the manifest of a project's memory says of itself, by the project's description; nothing where that is damaged too."""
    try:
        description = read_description(folder)
        kind = description["sample"]
        channels = ENCODERS.build(description["encoder"]).channels_of(kind["channels"], kind["dims"])
    except (ParmesanError, KeyError):
        return {}
    given = {"channels": channels, "novelty": description["novelty"], "keys": description.get("keys", "float32"),
             "encoder": description["encoder"], "task": task_to_json(task_of(description))}
    return {name: json.dumps(value) for name, value in given.items()} | {"format": str(FORMAT), "epoch": "0"}


def _encoding(folder: Path, meta: dict[str, str]) -> Again:
    """Return what makes the features of places in the project's samples anew; nothing where there is no sample or encoder any more."""

    @lru_cache(maxsize=1)
    def encoded(sample_id: str, stride: int | None) -> FeaturePyramid:
        return encoder.encode(adapted(sample_id), stride=stride)

    def adapted(sample_id: str) -> Sample:
        return adapt(read_stored(folder / "samples", read_record(folder / "samples" / f"{sample_id}.json")), channels)

    def again(sample_id: str, coordinates: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        try:
            pyramid = encoded(sample_id, stride_for(encoder, adapted(sample_id), coordinates))
            nodes, top = pyramid.levels[0].nodes_of(coordinates), len(pyramid.levels) - 1
        except (ParmesanError, ValueError):  # the sample is gone, or another; the places are not in it
            return None
        parents = pyramid.parents(top)[nodes]
        return tuple(pyramid.levels[level].keys.numpy(force=True)[at] for level, at in ((0, nodes), (top, parents)))

    try:
        encoder, channels = ENCODERS.build(json.loads(meta["encoder"])), read_description(folder)["sample"]["channels"]
    except (ParmesanError, KeyError):
        return lambda *_: None
    return again


def _stamps(memory: Path) -> dict[str, tuple[int, int]]:
    """Return what tells that a file with content was written to: time and size."""
    stats = {path.name: path.stat() for path in memory.iterdir() if not path.name.endswith("-shm")}
    return {name: (stat.st_mtime_ns, stat.st_size) for name, stat in stats.items() if stat.st_size}


@contextmanager
def _alone(manifest: Path) -> Iterator[None]:
    """Keep other processes from opening a manifest. Raises StoreError when one has it open."""
    if not manifest.exists():
        yield
        return
    with open(manifest, "r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, LOCK_BYTES[1], LOCK_BYTES[0])
        except OSError as error:
            raise StoreError("a project that no other process has open", "one in use", "close the app, then repair again") from error
        yield


def _description_problem(folder: Path) -> str:
    try:
        read_description(folder)
    except VersionError:
        raise
    except ParmesanError as error:
        return str(error)
    return ""


def _renew_description(folder: Path, aside: Path) -> None:
    """Write project.json anew. Raises FormatError where there is no memory to know the encoder from."""
    if not Memory.is_at(folder / "memory"):
        raise FormatError(f"a readable {DESCRIPTION}, or a memory to make it from", "neither", "go back to a backup")
    records = sorted((read_record(path) for path in (folder / "samples").glob("*.json")), key=lambda record: record.time)
    with Memory.open(folder / "memory") as memory:
        description = new_description(folder.name, memory.task, memory.encoder, memory.novelty, memory.key_format)
        dims = memory.coordinates(memory.select()[:1]).shape[1]
    first = {"channels": records[0].channels, "dims": records[0].spatial_dims} if records else {"channels": 1, "dims": dims}
    if (folder / DESCRIPTION).exists():
        _move(folder / DESCRIPTION, folder, aside)
    write_description(folder, {**description, "sample": first})


def _move(path: Path, folder: Path, aside: Path) -> None:
    target = aside / "files" / path.relative_to(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    path.rename(target)
    for place in (target.parent, path.parent, aside, aside.parent):
        sync_folder(place)
