"""Files into a project: every time point becomes a sample, or none does; uploads pass through a folder of the project's own."""

import contextlib
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from parmesan_engine.io import read_frames
from parmesan_engine.io.dicom import series_of
from parmesan_engine.project.samples import SampleRecord
from parmesan_engine.project.truth import has_truth

MAX_NAME = 60  # characters of a file name that are kept; file systems take 255 bytes
Upload = tuple[str, bytes]


def import_frames(project, path: str | Path, *, origin: str = "path") -> list[SampleRecord]:
    """Read a file or folder and store a copy of each time point; return the records in order of time.

    Raises FormatError, LimitError, ShapeError, StoreError; then nothing is stored.
    """
    known = project.samples()
    before = {record.id for record in known}
    frames = read_frames(path, spatial_dims=known[0].spatial_dims if known else None)
    for frame in frames:
        frame.content_hash  # noqa: B018 -- computed before the lock is taken: strokes go on meanwhile
    records = []
    try:
        for frame in frames:
            records.append(project.add_sample(frame, origin=origin))
    except BaseException:  # half a recording must not stay
        withdraw(project, [record.id for record in records if record.id not in before])
        raise
    return records


def withdraw(project, sample_ids: Sequence[str]) -> None:
    """Take samples out again whose import was cut short; one that somebody has labelled meanwhile stays, and nothing is unlearned."""
    with project.lock:
        project.refresh()
        for sample_id in sample_ids:
            labelled = project.memory is not None and len(project.memory.select(sample=sample_id, removed=True))
            if not labelled and not has_truth(project.path, sample_id):
                project.remove_sample(sample_id)


def import_uploads(project, files: Sequence[Upload]) -> list[SampleRecord]:
    """As `import_frames`, for files that belong together (see `together`). Only the last part of a name is used."""
    with uploaded(project, files) as path:
        return import_frames(project, path, origin="upload")


@contextlib.contextmanager
def uploaded(project, files: Sequence[Upload]) -> Iterator[Path]:
    """Yield the path of an upload, or of the folder with several; it is deleted afterwards."""
    incoming = project.path / "incoming" / uuid.uuid4().hex
    first = file_name(files[0][0])
    path = incoming / (first if len(files) == 1 else f"{first} and {len(files) - 1} more")
    try:
        incoming.mkdir(parents=True)
        if len(files) > 1:
            path.mkdir()
        for number, (name, data) in enumerate(files):
            target = path if len(files) == 1 else path / f"{number:06} {file_name(name)}"
            target.write_bytes(data)
        yield path
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def together(files: Sequence[Upload]) -> list[list[Upload]]:
    """Return uploads in groups of what belongs together: the files of a DICOM series; every other file is alone."""
    groups: dict[str, list[Upload]] = {}
    for number, (name, data) in enumerate(files):
        groups.setdefault(series_of(data) or f"file {number}", []).append((name, data))
    return list(groups.values())


def file_name(name: str) -> str:
    """Return the last part of an upload's name as one that every file system takes; its ending is kept."""
    last = re.sub(r"[\x00-\x1f]", "", name.replace("\\", "/")).rsplit("/", 1)[-1]
    return "upload" if last in ("", ".", "..") else last[-MAX_NAME:]
