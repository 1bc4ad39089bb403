"""Label images that exist already: as examples, painted in one gesture, or as the truth to compare with.

Numbers in the file are class ids. Not labelled are negative ones, the task's ignore_index, and 255 in 8-bit (65535 in 16-bit)
files where that is no class, as our own exports write unknown places. A file of only 0 and 255 is a mask: 255 is class 1.
"""

import time
import uuid
from pathlib import Path

import numpy as np

from parmesan_engine.errors import EmptyMemoryError, FormatError, LimitError
from parmesan_engine.io.alignment import aligned
from parmesan_engine.io.palette import further_color
from parmesan_engine.io.reading import read_labels
from parmesan_engine.memory import Memory
from parmesan_engine.project import painting
from parmesan_engine.project import truth as truths
from parmesan_engine.project.classes import MAX_CLASSES, with_class
from parmesan_engine.project.entries import make_batch, node_labels, one_hot
from parmesan_engine.project.gesture import GestureResult, Lesson, commit
from parmesan_engine.project.live import Progress
from parmesan_engine.project.project import Project
from parmesan_engine.project.samples import SampleRecord
from parmesan_engine.project.sampling import choose_pixels
from parmesan_engine.types import TaskSpec

MAX_NEW = 32  # classes that one file may add; more is a picture, or numbers of objects


def paint_labels(project: Project, sample_id: str, path: str | Path, *, per_class: int | None = None, author: str = "local",
                 progress: Progress = None) -> GestureResult:
    """Make a label image examples of a sample, in one gesture; its file's name is their source.

    per_class: so many random places of each class; None: every place, or as many as a gesture holds, the same for each class.
    Older examples there are replaced, those of locked classes stay. Classes that the file has beyond the task's are added.
    Raises FormatError, LimitError, EmptyMemoryError; then nothing has changed.
    """
    start, path, record = time.perf_counter(), Path(path), project.store.record(sample_id)
    project.catch_up()
    if project.memory is None:
        raise EmptyMemoryError("a project with a sample", "an empty project", "import a sample first")
    labels, notes = _read(project.task, record, path)
    pyramid = project.features.get(sample_id, progress)  # before the lock: strokes go on meanwhile
    at, more = _places(labels, per_class, record)
    gesture = uuid.uuid4().hex[:16]

    def decide(memory: Memory) -> Lesson:
        _check_in_use(memory.task, labels, path)
        task, added = _widened(memory.task, labels)
        rows = one_hot(labels[tuple(at.T)], task.label_dim) if task.kind == "segmentation" else labels[tuple(at.T)][:, None]
        nodes, rows = node_labels(pyramid, at, rows)
        free, replaced, spared = painting.replaced_at(memory, pyramid, record, nodes, project.class_view()["locked"])
        batch = make_batch(pyramid, nodes[free], rows[free], sample_id=record.id, sample_hash=record.content_hash, gesture=gesture,
                           author=author, source=path.name, time=time.time())
        return Lesson([batch] if len(batch.keys) else [], replaced, (*notes, *added, *more, *spared), task)

    return commit(project, decide, gesture=gesture, author=author, start=start)


def set_truth(project: Project, sample_id: str, path: str | Path) -> tuple[str, ...]:
    """Keep a label image as the truth of a sample, in place of an older one; return what the user should know.

    Classes that the file has beyond the task's are added. Raises FormatError, LimitError, StoreError.
    """
    record = project.store.record(sample_id)
    project.catch_up()
    labels, notes = _read(project.task, record, Path(path))
    with project.lock:
        _, added = _widened(project.task, labels)
        if added:
            project.set_task(lambda task: _widened(task, labels)[0])
        truths.keep_truth(project.path, record, labels)
    return notes + added


def truth(project: Project, sample_id: str) -> np.ndarray | None:
    """Return (*spatial) int16 class ids (-1 = not known) or float32 values (NaN = not known); None without truth."""
    project.store.record(sample_id)
    given = truths.truth(project.path, sample_id)
    return None if given is None else truths.in_use(given, project.task)


def remove_truth(project: Project, sample_id: str) -> None:
    """Delete the truth of a sample."""
    project.store.record(sample_id)
    truths.drop_truth(project.path, sample_id)


def _read(task: TaskSpec, record: SampleRecord, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the file's labels as (*spatial) int16 or float32, checked against the sample, and notes."""
    numbers, affine = read_labels(path, frame=record.frame)
    own = None if record.affine is None else np.asarray(record.affine)
    numbers, turned = aligned(numbers, affine, own, record.spatial_shape, path.name)
    if task.kind == "regression":
        values = numbers.astype(np.float32)
        unknown = ~np.isfinite(values) | ((numbers == task.invalid_value) if task.invalid_value is not None else False)
        values[unknown] = np.nan
        return _not_empty(values, ~unknown, path), turned
    labels, notes = _class_ids(task, numbers, path)
    return labels, turned + notes


def _class_ids(task: TaskSpec, numbers: np.ndarray, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    unknown = np.zeros(numbers.shape, bool)
    if numbers.dtype.kind == "f":
        unknown = ~np.isfinite(numbers)
        if (np.rint(numbers, where=~unknown, out=np.zeros_like(numbers)) != np.where(unknown, 0, numbers)).any():
            raise FormatError("whole numbers as class ids", f"fractions in {path.name}", "save labels, not probabilities or intensities")
    filler = {1: 255, 2: 65535}.get(numbers.dtype.itemsize)
    found = np.unique(numbers[~unknown])
    notes = ()
    if numbers.dtype.kind in "iu" and found.tolist() == [0, 255]:
        numbers, notes = (numbers == 255).astype(np.uint8), (f"{path.name} is a mask of 0 and 255: 255 was taken as class 1",)
    else:
        unknown |= numbers < 0
        for number in (task.ignore_index, filler):
            if number is not None and number >= len(task.classes):
                unknown |= numbers == number
    found = np.unique(numbers[~unknown])
    if len(found) and found[-1] >= MAX_CLASSES:
        raise LimitError(f"class ids below {MAX_CLASSES}", f"{found[-1]:g} in {path.name}", "save class ids, not numbers of objects")
    labels = np.where(unknown, 0, numbers).astype(np.int16)
    labels[unknown] = -1
    _check_in_use(task, labels, path)
    return _not_empty(labels, ~unknown, path), notes


def _check_in_use(task: TaskSpec, labels: np.ndarray, path: Path) -> None:
    retired = [i for i in task.retired if (labels == i).any()]
    if retired:
        raise FormatError("ids of classes in use", f"{retired} in {path.name}, which are retired", "give these labels another class id")


def _not_empty(labels: np.ndarray, known: np.ndarray, path: Path) -> np.ndarray:
    if not known.any():
        raise FormatError("at least one labelled place", f"none in {path.name}", "check that this is the label file")
    return labels


def _widened(task: TaskSpec, labels: np.ndarray) -> tuple[TaskSpec, tuple[str, ...]]:
    """Return the task with the classes that labels have beyond it, and a note about them. Raises LimitError."""
    before, needed = len(task.classes), int(labels.max()) + 1 if task.kind == "segmentation" else 0
    if needed <= before:
        return task, ()
    if needed - before > MAX_NEW:
        raise LimitError(f"at most {MAX_NEW} new classes from one file", f"{needed - before}", "save class ids, not numbers of objects")
    while len(task.classes) < needed:
        name = f"class {len(task.classes)}"
        task = with_class(task, name if name not in task.classes else f"{name} (labels)", further_color(task.colors))
    return task, (f"{needed - before} classes added: {', '.join(task.classes[before:])}",)


def _places(labels: np.ndarray, per_class: int | None, record: SampleRecord) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return (n, spatial_dims) labelled pixels, no more than a gesture holds, and a note when they are not all."""
    known = labels >= 0 if labels.dtype.kind == "i" else np.isfinite(labels)
    count = int(known.sum())
    classes = len(np.unique(labels[known])) if labels.dtype.kind == "i" else 1
    most = max(painting.MAX_ENTRIES // classes, 1)
    if per_class is None and count <= painting.MAX_ENTRIES:
        return np.argwhere(known), ()
    if per_class is not None and per_class <= most:
        return choose_pixels(labels, per_class, seed=0, name=record.name), ()
    each = f"{most:,} of each class" if labels.dtype.kind == "i" else f"{most:,}"
    return choose_pixels(labels, most, seed=0, name=record.name), (f"{count:,} places are labelled; at most {each} became examples",)
