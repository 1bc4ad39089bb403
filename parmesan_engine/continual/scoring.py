"""What a method says about the held-back samples after a step, and how good that is. Each sample is asked about once for each task."""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parmesan_engine.continual.encoding import Encoding
from parmesan_engine.continual.measures import mean_iou, skill
from parmesan_engine.continual.progress import Progress
from parmesan_engine.continual.steps import Step, Stream
from parmesan_engine.evaluation import Score
from parmesan_engine.methods.method import Method
from parmesan_engine.types import Sample, TaskSpec

Question = tuple[str, str]  # content hash of a sample, name of a task


@dataclass
class Exam:
    """What came of all questions after one step. answers: those that were asked to be kept."""

    scores: list[float | None] = field(default_factory=list)
    raw: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[Question, np.ndarray] = field(default_factory=dict)
    query_ms: float = 0.0


def question_of(step: Step, sample: Sample) -> Question:
    """Return what a method is asked about a sample in a step."""
    return sample.content_hash, step.experience.task_name


def examine(stream: Stream, number: int, method: Method, encoding: Encoding | None, keep: set[Question], progress: Progress = None) -> Exam:
    """Ask a method that has learned the steps up to `number` about all of which it was taught anything, and score its answers.

    A class is scored on the held-back samples that contain it. A pixel whose truth is a class that comes after both `number` and the
    experience that is scored is left out; so a domain of which some classes are still to come is scored with all of its classes, before
    it was learned too. encoding: None for a method that sees samples. keep: the questions whose answers are wanted.
    """
    asked: dict[Question, Sample] = {}
    places: dict[Question, list[tuple[int, np.ndarray]]] = {}
    for index, step in enumerate(stream.steps):
        if _begun(stream, number, index):
            for sample, truth in step.tests:
                asked[question_of(step, sample)] = sample
                places.setdefault(question_of(step, sample), []).append((index, truth))
    scores = [Score(step.experience.task) for step in stream.steps]
    exam, seconds = Exam(), 0.0
    for done, (question, sample) in enumerate(asked.items()):
        given = sample if encoding is None else encoding.pyramid(sample)
        start = time.perf_counter()
        answer = method.predict(given, question[1])
        seconds += time.perf_counter() - start
        for index, truth in places[question]:
            scores[index].add(truth, answer)
        if question in keep:
            exam.answers[question] = answer
        if progress:
            progress((done + 1) / len(asked))
    exam.query_ms = 1000 * seconds / max(len(asked), 1)
    for index in range(len(stream.steps)):
        value, raw = _scored(stream, number, index, scores[index]) if _begun(stream, number, index) else (None, {})
        exam.scores.append(value)
        exam.raw.append(raw)
    return exam


def taught(stream: Stream, number: int, task_name: str) -> set[int]:
    """Return the classes of a task that were labelled in the steps up to `number`."""
    told = [step.experience for step in stream.steps[: number + 1]]
    return {c for experience in told if experience.task_name == task_name for c in experience.classes}


def _begun(stream: Stream, number: int, index: int) -> bool:
    """Return whether anything of experience `index` was taught in the steps up to `number`."""
    experience = stream.steps[index].experience
    if experience.task.kind == "regression":
        return any(step.experience.task_name == experience.task_name for step in stream.steps[: number + 1])
    return bool(taught(stream, number, experience.task_name) & set(experience.classes))


def _scored(stream: Stream, number: int, index: int, score: Score) -> tuple[float | None, dict[str, Any]]:
    step = stream.steps[index]
    if step.experience.task.kind == "regression":
        found = score.result()
        value = skill(found["rmse"], _deviation(step), found["unknown"])
        return value, {"rmse": _known(found["rmse"]), "unknown": found["unknown"]}
    value, each = mean_iou(score.counts, step.experience.classes, taught(stream, max(number, index), step.experience.task_name))
    names = step.experience.task.classes
    return value, {"miou": value, "iou": {names[c]: float(each[c]) for c in step.experience.classes if np.isfinite(each[c])}}


def _deviation(step: Step) -> float:
    """Return the standard deviation of the held-back truth: the error of always saying its mean, in the unit of `Score`."""
    task: TaskSpec = step.experience.task
    middle = np.mean(np.concatenate([truth[np.isfinite(truth)] for _, truth in step.tests]), dtype=np.float64)
    score = Score(task)
    for _, truth in step.tests:
        score.add(truth, np.full(truth.shape, middle))
    return score.result()["rmse"]


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
