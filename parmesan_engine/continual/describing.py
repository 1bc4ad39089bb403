"""A stream in words and numbers, and the pictures of it that are shown."""

import hashlib
from typing import Any

import numpy as np

from parmesan_engine.continual.outcome import Picture
from parmesan_engine.continual.scoring import Question, question_of
from parmesan_engine.continual.steps import Step, Stream
from parmesan_engine.render import plane_of, to_rgb
from parmesan_engine.types import Sample, TaskSpec

SIDE = 192  # pixels of a shown picture along its longer side, at most
SIGNAL_HEIGHT = 48


def describe(stream: Stream) -> dict[str, Any]:
    """Return what `Outcome.stream` is."""
    tasks = {step.experience.task_name: _task(step.experience.task) for step in stream.steps}
    return {"name": stream.name, "kind": stream.kind, "notes": list(stream.notes), "tasks": tasks,
            "steps": [_step(step) for step in stream.steps]}


def digest(stream: Stream) -> str:
    """Return 32 hex digits over all that is learned and scored, in order: equal streams, equal digests."""
    found = hashlib.blake2b(digest_size=16)
    for step in stream.steps:
        found.update(f"{step.experience}{len(step.samples)}{len(step.tests)}".encode())
        for sample, labels in (*zip(step.samples, step.labels, strict=True), *step.tests):
            found.update(sample.content_hash.encode())
            found.update(np.ascontiguousarray(labels).data)
    return found.hexdigest()


def strip_of(stream: Stream) -> tuple[tuple[Picture, ...], list[Question]]:
    """Return a picture of each step, of the first sample that it holds back, and what is asked about each."""
    pictures, questions = [], []
    for step in stream.steps:
        sample, truth = step.tests[0]
        pictures.append(Picture(sample.name, step.experience.name, step.experience.task_name, _picture(sample), shown(truth)))
        questions.append(question_of(step, sample))
    return tuple(pictures), questions


def shown(answer: np.ndarray) -> np.ndarray:
    """Return (h, w) of an answer (*spatial) as it lies on its picture: of a volume the middle plane, of a signal a band."""
    plane = _thinned(plane_of(answer, height=SIGNAL_HEIGHT, x_step=_step_of(answer.shape)), answer.ndim)
    return np.ascontiguousarray(plane, np.float16 if plane.dtype.kind == "f" else np.int16)


def unanswered(picture: Picture) -> np.ndarray:
    """Return the answer of one who was not taught what the picture asks."""
    return np.full_like(picture.truth, np.nan if picture.truth.dtype.kind == "f" else -1)


def _picture(sample: Sample) -> np.ndarray:
    rgb = to_rgb(sample, height=SIGNAL_HEIGHT, x_step=_step_of(sample.spatial_shape))
    return np.ascontiguousarray(_thinned(rgb, sample.spatial_dims))


def _thinned(plane: np.ndarray, spatial_dims: int) -> np.ndarray:
    """Return every n-th row and column of a plane, so that it is small; a signal is thinned already."""
    step = 1 if spatial_dims == 1 else _step_of(plane.shape[:2])
    return plane[::step, ::step]


def _step_of(shape: tuple[int, ...]) -> int:
    return -(-max(shape) // SIDE)


def _step(step: Step) -> dict[str, Any]:
    experience = step.experience
    pixels = sum(int(np.isfinite(k).sum() if k.dtype.kind == "f" else (k >= 0).sum()) for k in step.labels)
    return {"name": experience.name, "task": experience.task_name, "classes": [experience.task.classes[c] for c in experience.classes],
            "samples": len(step.samples), "pixels": pixels, "tests": len(step.tests)}


def _task(task: TaskSpec) -> dict[str, Any]:
    return {"kind": task.kind, "classes": list(task.classes), "colors": [list(c) for c in task.colors], "unit": task.unit,
            "display_range": task.display_range and list(task.display_range)}
