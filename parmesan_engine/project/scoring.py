"""Score a version of the memory against the truth: that of the project's own samples, or of a dataset folder.

Nothing here holds the project's lock while it encodes, searches or counts: strokes go on meanwhile. Large samples are predicted
and counted block by block, so a volume costs what one block of it costs.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from parmesan_engine.errors import EmptyMemoryError, ShapeError
from parmesan_engine.evaluation import Score
from parmesan_engine.io import Dataset, open_dataset
from parmesan_engine.project.project import Project
from parmesan_engine.project.sampling import choose_items
from parmesan_engine.project.snapshot import Snapshot
from parmesan_engine.project.truth import has_truth, in_use
from parmesan_engine.project.truth import truth as truth_of
from parmesan_engine.resample import Box, blocks, slices
from parmesan_engine.types import Prediction, Sample, TaskSpec

BLOCK = 1 << 20  # pixels predicted and counted at a time
KEPT = 256  # reports remembered: some kilobytes per sample
Progress = Callable[[float], None] | None


@dataclass(frozen=True)
class SampleScore:
    """The score of one sample. sample_id: empty when it is not of the project; seconds: for encoding and predicting it."""

    name: str
    sample_id: str
    score: Score
    seconds: float


@dataclass(frozen=True)
class Report:
    """The scores of one version of the memory. unpainted: pixels that have an example themselves were left out."""

    task: TaskSpec
    version: str
    metric: str
    entries: int
    samples: tuple[SampleScore, ...]
    unpainted: bool = False

    @cached_property
    def total(self) -> Score:
        """All samples together: pixels count alike, whichever sample they are of."""
        total = Score(self.task)
        for sample in self.samples:
            total.join(sample.score)
        return total


class Scores:
    """Remembers reports by what was scored, the least recently used go first. Thread-safe."""

    def __init__(self, size: int = KEPT) -> None:
        self._size, self._lock = size, threading.Lock()
        self._reports: OrderedDict[Hashable, Report] = OrderedDict()

    def get(self, key: Hashable) -> Report | None:
        with self._lock:
            if key in self._reports:
                self._reports.move_to_end(key)
            return self._reports.get(key)

    def put(self, key: Hashable, report: Report) -> None:
        with self._lock:
            self._reports[key] = report
            self._reports.move_to_end(key)
            while len(self._reports) > self._size:
                self._reports.popitem(last=False)


def with_truth(project: Project) -> list[str]:
    """Return the ids of the samples whose truth is known."""
    return [record.id for record in project.samples() if has_truth(project.path, record.id)]


def score_samples(project: Project, snapshot: Snapshot, *, unpainted: bool, progress: Progress = None) -> Report:
    """Score the samples of the project whose truth is known.

    unpainted: leave out the pixels that have an example now, in whatever version is scored, so that versions compare.
    Raises EmptyMemoryError without such samples; progress may raise to cancel.
    """
    records = [record for record in project.samples() if has_truth(project.path, record.id)]
    if not records:
        raise EmptyMemoryError("a sample whose truth is known", "none", "add labels as truth in the sidebar, or choose a dataset folder")
    task = project.task  # of the present, in whatever version is scored: classes that it did not know it could not get right
    done, whole, scores = 0, sum(math.prod(record.spatial_shape) for record in records), []
    for record in records:
        start, score, truth = time.perf_counter(), Score(task), truth_of(project.path, record.id)
        for box in blocks(record.spatial_shape, BLOCK):
            part = in_use(truth[slices(box)], task)
            if unpainted:
                part = without_painted(part, project.painted(record.id, box=box))
            _count(score, part, snapshot.predict(record.id, box=box))
            done += part.size
            if progress:
                progress(done / whole)
        scores.append(SampleScore(record.name, record.id, score, time.perf_counter() - start))
    return _report(snapshot, task, scores, unpainted=unpainted)


def score_dataset(snapshot: Snapshot, folder: str | Path, *, split: str = "test", samples: int | None = None, seed: int = 0,
                  progress: Progress = None) -> Report:
    """Score on a dataset; no sample is stored. Raises ShapeError where its classes are not the project's."""
    dataset = open_dataset(folder)
    check_task(snapshot.task, dataset)
    items, scores = choose_items(dataset.items(split), samples, seed=seed), []
    for number, item in enumerate(items):
        truth, sample = dataset.read_label(item), dataset.read_sample(item)
        start, score = time.perf_counter(), Score(snapshot.task)
        with snapshot.visiting(sample) as name:
            for box in blocks(truth.shape, BLOCK):
                _count(score, truth[slices(box)], snapshot.predictor.predict(name, box=box))
        scores.append(SampleScore(item.name, "", score, time.perf_counter() - start))
        if progress:
            progress((number + 1) / len(items))
    return _report(snapshot, snapshot.task, scores)


def evaluate(project: Project, folder: str | Path, *, split: str = "test", samples: int | None = None, seed: int = 0,
             progress: Progress = None) -> dict:
    """Score the project on a dataset. Returns {task, (see `Score.result`), samples, seconds_per_sample, version, metric}."""
    report = score_dataset(project.snapshot(), folder, split=split, samples=samples, seed=seed, progress=progress)
    seconds = sum(sample.seconds for sample in report.samples) / len(report.samples)
    return {"task": report.task.kind, **report.total.result(), "samples": len(report.samples), "seconds_per_sample": seconds,
            "version": report.version, "metric": report.metric}


def predict_visitor(snapshot: Snapshot, sample: Sample, box: Box) -> Prediction:
    """Return the prediction of a box of a sample that is not stored. Raises ShapeError."""
    with snapshot.visiting(sample) as name:
        return snapshot.predictor.predict(name, box=box)


def check_task(task: TaskSpec, dataset: Dataset) -> None:
    """Raise ShapeError when a dataset has another kind of labels or other classes."""
    if (task.kind, task.classes) != (dataset.task.kind, dataset.task.classes):
        raise ShapeError(f"{task.kind} with classes {', '.join(task.classes) or 'none'}, as in the project",
                         f"{dataset.task.kind} with {', '.join(dataset.task.classes) or 'none'}", "use its own dataset")


def without_painted(truth: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """Return a truth in which the pixels that have an example are not labelled."""
    return np.where(painted >= 0, np.asarray(np.nan if truth.dtype.kind == "f" else -1, truth.dtype), truth)


def _count(score: Score, truth: np.ndarray, prediction: Prediction) -> None:
    score.add(truth, prediction.values if prediction.labels is None else prediction.labels, prediction.probabilities)


def _report(snapshot: Snapshot, task: TaskSpec, scores: list[SampleScore], *, unpainted: bool = False) -> Report:
    return Report(task, snapshot.version, snapshot.predictor.metric.id, len(snapshot.predictor.index), tuple(scores), unpainted)
