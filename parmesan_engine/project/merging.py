"""Take in what another project has learned: its samples, its examples with where they come from, its classes, as one version.

What both hold already is not doubled, so a branch can come back and a merge can be repeated. What this project held once and took
back or painted over stays away, but for what an undone merge had brought. Classes are matched by name. A
source keeps its name, unless this project has examples of that name that the other has not: then it becomes OTHER/source, so
that either can be switched off or forgotten alone. The outcome does not depend on the order in which examples were learned.

Memories whose keys have different formats merge as well: keys come in as this memory holds them (rounded, if it is in half
precision), and what both hold is compared as the coarser of the two has it.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from parmesan_engine.errors import EmptyMemoryError, FormatError, ShapeError
from parmesan_engine.memory import Memory
from parmesan_engine.memory.copying import batches_of
from parmesan_engine.memory.hashing import entry_digests, origin_digest
from parmesan_engine.memory.history import undone
from parmesan_engine.memory.keyfile import limit_of, rounded
from parmesan_engine.memory.memory import Lesson
from parmesan_engine.memory.reading import Reader
from parmesan_engine.project.classes import with_class
from parmesan_engine.project.description import read_description
from parmesan_engine.project.importing import withdraw
from parmesan_engine.project.truth import in_use, keep_truth, truth
from parmesan_engine.types import EntryBatch, TaskSpec

Progress = Callable[[float], None] | None
Known = dict[str, set[bytes]]  # source -> identities of its examples


def merge(project, other, *, author: str = "local", progress: Progress = None) -> dict:
    """Merge another open project into a project; nothing is stored on an error, and `other` is only read.

    Returns {version, entries_added, entries_total, samples_added, classes_added, sources: {name there: name here}}.
    Raises EmptyMemoryError when there is nothing to merge, FormatError, ShapeError when the two cannot share a memory.
    """
    view = _comparable(project, other)
    known = {record.id for record in project.samples()}
    copied = []
    try:
        missing = [record for record in other.samples() if record.id not in known]
        for number, record in enumerate(missing):
            copied.append(project.add_sample(other.read_sample(record.id), origin="merge").id)
            if progress:
                progress(0.5 * (number + 1) / len(missing))
        merging = _Merging(view, other.name)  # reads the other before the locks of this one are taken: it may be merging this one
        with project.lock:  # until the predictor has followed, so that no stroke comes between
            before = project.task.in_use
            delta = project.memory.learn(merging.into, verb="merge", author=author, gesture=f"merge-{uuid.uuid4().hex[:10]}")
            project.live.follow(delta)
            if len(delta.added):
                project.live.refit()
            _take_truths(project, other, merging.task, copied)
            classes = [name for index, name in enumerate(project.task.classes) if index not in before]
    except BaseException:  # also when the user stops it: samples without examples must not stay
        withdraw(project, copied)
        raise
    if progress:
        progress(1.0)
    return {"version": delta.after, "entries_added": merging.added, "entries_total": len(project), "samples_added": len(copied),
            "classes_added": classes, "sources": merging.names}


def _take_truths(project, other, task: TaskSpec, samples: list[str]) -> None:
    """Keep what the other project, of this task, knows to be true of samples that came from it, in the class ids of this one."""
    for sample_id in samples:
        known = truth(other.path, sample_id)
        if known is not None:
            if known.dtype.kind != "f":
                ids = np.full(max(len(task.classes), int(known.max()) + 1) + 1, -1, np.int16)  # -1, not known, is the last
                ids[: len(task.classes)] = _same_classes(project.task, task)
                known = ids[in_use(known, task)]
            keep_truth(project.path, project.store.record(sample_id), known)


def _comparable(project, other) -> Reader:
    """Return a view of the other memory. Raises when it is empty, or when the two do not speak of the same things."""
    if project.path.resolve() == other.path.resolve():
        raise FormatError("another project", "the project itself", "choose another folder")
    if other.memory is None or not other.memory.stored or not other.samples():
        raise EmptyMemoryError("a project with examples", f"{other.name}, which has none", "merge one that has learned something")
    task, theirs = project.task, other.task
    if (task.kind, task.unit) != (theirs.kind, theirs.unit):
        raise ShapeError(f"a project that predicts {_kind(task)}", f"{_kind(theirs)} in {other.name}", "merge projects of one kind")
    here, there = read_description(project.path), read_description(other.path)
    if here["encoder"] != there["encoder"]:
        raise FormatError(f"a project with the same encoder, {here['encoder']}", f"{there['encoder']}",
                          "learn its labels again in this project")
    if "sample" in here and here["sample"] != there["sample"]:
        raise ShapeError(f"samples with {_form(here['sample'])}, as here", f"{_form(there['sample'])} in {other.name}",
                         "merge projects with samples of one form")
    return other.memory.checkout(other.memory.version)


class _Merging:
    """What of another memory comes into this one, decided for its newest version. task: theirs; names: sources there -> here."""

    def __init__(self, view: Reader, name: str) -> None:
        self._batches, self.task, self._name, self._format = list(batches_of(view, view.select())), view.task, name, view.key_format
        self.names: dict[str, str] = {}
        self.added = 0

    def into(self, memory: Memory) -> Lesson:
        """Return the batches to learn, nothing to take out, and the task with all classes."""
        task, columns = _joined(memory.task, self.task)
        form = "float32" if memory.key_format == self._format == "float32" else "float16"  # in which contents are compared
        theirs = [replace(batch, labels=_columns(batch.labels, columns, task.label_dim)) for batch in self._batches]
        coming = _by_source(theirs, form)
        here = {source: _known(memory, memory.select(source=source), form) for source in coming}
        self.names = {source: source if here[source] <= coming[source] else f"{self._name}/{source}" for source in coming}
        known = {name: _known(memory, _ever(memory, name), form) for name in {*coming, *self.names.values()}}
        rows = memory.columns(stored=True)
        batches = list(self._new(theirs, known, form, {rows.names[code] for code in np.unique(rows.gesture).tolist()}))
        self.added = sum(len(batch.keys) for batch in batches)
        return batches, np.empty(0, np.int64), task

    def _new(self, batches: list[EntryBatch], known: Known, form: str, gestures: set[str]) -> Iterator[EntryBatch]:
        """Yield what is not known under its own source or the one it gets here; a gesture that is known gets another name too."""
        for batch in batches:
            name = self.names[batch.source]
            renamed = replace(batch, source=name)
            fresh = [mine not in known[batch.source] and here not in known[name]
                     for mine, here in zip(_identities(batch, form), _identities(renamed, form), strict=True)]
            if any(fresh):
                gesture = f"{self._name}/{batch.gesture}" if batch.gesture in gestures else batch.gesture
                yield _only(replace(renamed, gesture=gesture), np.array(fresh))


def _joined(ours: TaskSpec, theirs: TaskSpec) -> tuple[TaskSpec, list[int]]:
    """Return our task with the classes of theirs that it lacks, and our column for each of their columns. Raises FormatError."""
    if ours.kind != "segmentation":
        return ours, [0]
    for index in theirs.in_use:
        if theirs.classes[index] not in [ours.classes[i] for i in ours.in_use]:
            ours = with_class(ours, theirs.classes[index], theirs.colors[index])
    return ours, _same_classes(ours, theirs)


def _same_classes(ours: TaskSpec, theirs: TaskSpec) -> list[int]:
    """Return our id for each of their classes; -1 for a retired one that we lack, which no example has."""
    return [ours.classes.index(name) if name in ours.classes else -1 for name in theirs.classes]


def _columns(labels: np.ndarray, columns, width: int) -> np.ndarray:
    """Return (n, L) labels with each column where `columns` puts it among `width`."""
    moved = np.zeros((len(labels), width), np.float32)
    np.add.at(moved, (slice(None), list(columns)), labels)
    return moved


def _known(memory: Memory, ids: np.ndarray, form: str) -> set[bytes]:
    return set().union(*_by_source(batches_of(memory, ids), form).values())


def _ever(memory: Memory, source: str) -> np.ndarray:
    """Return the ids of all entries of a source that are or were here; those that an undone merge brought never were."""
    records, ids = memory.history(), memory.select(source=source, removed=True)
    merges = {record.seq for record in records if record.verb == "merge"} & undone(records)
    return ids[~np.isin(memory.born(ids), list(merges))]


def _by_source(batches: Iterable[EntryBatch], form: str) -> Known:
    known: Known = {}
    for batch in batches:
        known.setdefault(batch.source, set()).update(_identities(batch, form))
    return known


def _identities(batch: EntryBatch, form: str) -> list[bytes]:
    """Return what tells each entry from others: its content but for the weight, so that switching it off does not double it.

    form: of `KEY_FORMATS`, to which keys are rounded first; what it cannot hold counts as its largest number.
    """
    rows, limit = len(batch.keys), limit_of(form)
    keys = rounded(np.clip(batch.keys, -limit, limit), form)
    origins = np.broadcast_to(origin_digest(batch.sample_hash, batch.source, batch.author), (rows, 16))
    digests = entry_digests(origins, keys, batch.coordinates, batch.labels, np.ones(rows, np.float32))
    return [digest.tobytes() for digest in digests]


def _only(batch: EntryBatch, mask: np.ndarray) -> EntryBatch:
    """Return some entries of a batch, with the coarse nodes that they need."""
    used, parents = np.unique(batch.parents[mask], return_inverse=True)
    columns = {name: getattr(batch, name)[mask] for name in ("keys", "labels", "coordinates", "weights")}
    return replace(batch, **columns, coarse_keys=batch.coarse_keys[used], parents=parents)


def _kind(task: TaskSpec) -> str:
    return "classes" if task.kind == "segmentation" else f"values in {task.unit or 'no unit'}"


def _form(sample: dict) -> str:
    return f"{sample['channels']} channels and {sample['dims']} axes"
