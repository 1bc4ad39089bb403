"""Strokes to entries and back: which nodes a gesture labels, which older examples it replaces, what has been painted."""

from collections.abc import Sequence

import numpy as np

from parmesan_engine.errors import FormatError, ShapeError, UnknownNameError
from parmesan_engine.gestures import Stroke, rasterise
from parmesan_engine.memory.reading import Reader
from parmesan_engine.project.entries import make_batch, one_hot
from parmesan_engine.project.gesture import Lesson
from parmesan_engine.project.samples import SampleRecord
from parmesan_engine.project.sampling import evenly
from parmesan_engine.resample import Box
from parmesan_engine.types import FeaturePyramid, TaskSpec

MAX_STROKES = 512
MAX_ENTRIES = 50_000  # entries of one gesture; a larger area is thinned evenly, and the user is told


def paint(memory: Reader, pyramid: FeaturePyramid, record: SampleRecord, strokes: list[Stroke], *, gesture: str, author: str,
          source: str, now: float, locked: Sequence[int] = ()) -> Lesson:
    """Return the entries to add, the ids of the examples that they replace or erase, and notes. Changes nothing.

    Later strokes paint over earlier ones; places with an example of a locked class are left alone. Raises UnknownNameError for
    a class that is not in use, FormatError for a stroke that does not fit the task, LimitError.
    """
    if not 0 < len(strokes) <= MAX_STROKES:
        raise FormatError(f"1 to {MAX_STROKES} strokes in a gesture", f"{len(strokes)}", "send them in several gestures")
    nodes, answers = [], []
    for stroke in strokes:
        answer = _answer(stroke, memory.task)
        pixels = rasterise(stroke, record.spatial_shape, record.spacing)
        touched = np.unique(pyramid.levels[0].nodes_of(pixels))
        nodes.append(touched)
        answers.append(np.full(len(touched), answer))
    nodes, answers = np.concatenate(nodes)[::-1], np.concatenate(answers)[::-1]
    nodes, last = np.unique(nodes, return_index=True)  # reversed: the first occurrence is the last stroke
    answers = answers[last]
    free, replaced, notes = replaced_at(memory, pyramid, record, nodes, locked)
    nodes, answers = nodes[free], answers[free]
    drawn = np.flatnonzero(~np.isnan(answers))
    if len(drawn) > MAX_ENTRIES:
        notes += (f"{len(drawn):,} places were painted; every {len(drawn) / MAX_ENTRIES:.1f}th became an example",)
        drawn = evenly(drawn, MAX_ENTRIES)
    if len(drawn) == 0:
        return Lesson([], replaced, notes)
    task = memory.task
    labels = one_hot(answers[drawn].astype(int), task.label_dim) if task.kind == "segmentation" else answers[drawn][:, None]
    batch = make_batch(pyramid, nodes[drawn], labels, sample_id=record.id, sample_hash=record.content_hash, gesture=gesture,
                       author=author, source=source, time=now)
    return Lesson([batch], replaced, notes)


def replaced_at(memory: Reader, pyramid: FeaturePyramid, record: SampleRecord, nodes: np.ndarray,
                locked: Sequence[int]) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return (which of some nodes may be painted, the ids of the examples that this replaces, notes about locked classes)."""
    replaced = _at(memory, pyramid, record.id, nodes)
    spared, notes = _locked(memory, replaced, locked)
    free = np.ones(len(nodes), bool)
    if len(spared):
        free = ~np.isin(nodes, pyramid.levels[0].nodes_of(memory.coordinates(spared)))
    return free, np.setdiff1d(replaced, spared), notes


def painted(memory: Reader, record: SampleRecord, stride: tuple[int, ...], box: Box | None = None) -> np.ndarray:
    """Return (*spatial) int16, of a box if given: class id where there is an example (0 for a value), -1 elsewhere.

    A node fills its pixels. Examples that are switched off are not shown.
    """
    start, stop = np.asarray(box or [(0, n) for n in record.spatial_shape]).T
    canvas = np.full(stop - start, -1, np.int16)
    ids = _switched_on(memory, record.id)
    if len(ids) == 0:
        return canvas
    corner = memory.coordinates(ids) // np.asarray(stride) * np.asarray(stride)
    near = ((corner < stop) & (corner + stride > start)).all(1)
    corner, labels = corner[near], memory.labels(ids[near])
    classes = labels.argmax(1) if memory.task.kind == "segmentation" else np.zeros(len(corner), int)
    for offset in np.ndindex(*stride):
        at = corner + offset
        inside = ((at >= start) & (at < stop)).all(1)
        canvas[tuple((at[inside] - start).T)] = classes[inside]
    return canvas


def one_of_each_sample(memory: Reader) -> np.ndarray:
    """Return the id of one active entry of each sample that has any."""
    columns = memory.columns()
    return columns.ids[np.unique(columns.sample, return_index=True)[1]]


def _answer(stroke: Stroke, task: TaskSpec) -> float:
    """Return the class id or value of a stroke; NaN for an eraser."""
    if stroke.kind == "eraser":
        return np.nan
    if task.kind == "regression":
        if stroke.value is None:
            raise FormatError("a value, since this project predicts values", "a class", "enter a value")
        return float(stroke.value)
    if stroke.label not in task.in_use:
        got = f"{stroke.label}, which is retired" if stroke.label in task.retired else f"{stroke.label}"
        raise UnknownNameError(f"a class id from 0 to {len(task.classes) - 1}", got, "add the class first")
    return float(stroke.label)


def _locked(memory: Reader, ids: np.ndarray, locked: Sequence[int]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return those of some examples that belong to a locked class, and what to tell about it."""
    if not len(locked) or not len(ids) or memory.task.kind != "segmentation":
        return ids[:0], ()
    labels = memory.answers(ids)
    spared = np.isin(labels, locked)
    if not spared.any():
        return ids[:0], ()
    names = ", ".join(memory.task.classes[i] for i in np.unique(labels[spared]))
    return ids[spared], (f"{spared.sum():,} examples of a locked class ({names}) were left as they are",)


def _at(memory: Reader, pyramid: FeaturePyramid, sample_id: str, nodes: np.ndarray) -> np.ndarray:
    """Return the ids of the examples of a sample that lie in some nodes; those switched off are left alone."""
    ids = _switched_on(memory, sample_id)
    if len(ids) == 0:
        return ids
    coordinates = memory.coordinates(ids)
    if coordinates.shape[1] != len(pyramid.spatial_shape):
        raise ShapeError(f"{len(pyramid.spatial_shape)} coordinates", f"{coordinates.shape[1]}", "check the sample")
    return ids[np.isin(pyramid.levels[0].nodes_of(coordinates), nodes)]


def _switched_on(memory: Reader, sample_id: str) -> np.ndarray:
    """Return the ids of the stored examples of a sample that are not switched off."""
    ids = memory.select(sample=sample_id)
    return ids[memory.weights(ids) > 0]
