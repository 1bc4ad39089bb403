"""One sample, many methods that learned the same labels: those of a project, which is only read.

    method = learn(project, "random_forest")         # once; answers for any sample
    asked = Asked(project, sample_id)                 # encoded once, for all methods that want features
    answer(method, asked).values                      # (*spatial), with score, seconds and bytes
    disagreement([...])                               # how many differ from the most frequent answer
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parmesan_engine.errors import EmptyMemoryError, LimitError, ShapeError
from parmesan_engine.evaluation import Score
from parmesan_engine.memory.copying import batches_of
from parmesan_engine.memory.reading import Reader
from parmesan_engine.methods import METHODS, Method, learn_at_once
from parmesan_engine.methods.labelled import LabelledNodes, LabelledSamples
from parmesan_engine.project.scoring import without_painted
from parmesan_engine.project.truth import in_use
from parmesan_engine.project.truth import truth as truth_of
from parmesan_engine.types import FeaturePyramid, Sample, TaskSpec

Progress = Callable[[float], None] | None
MOST = 1 << 28  # numbers at full resolution, one for each pixel and class: a gigabyte; methods answer a sample as a whole


@dataclass(frozen=True)
class Learned:
    """A method that has learned all examples of a project. text: its recipe; version: of the project; seconds: of learning, without
    encoding the examples, which were encoded as they were painted."""

    text: str
    version: str
    task: TaskSpec
    method: Method
    examples: int
    seconds: float
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


@dataclass(frozen=True)
class Answer:
    """What a method says of a sample. values: (*spatial) int16 class ids, -1 where unknown, or float32 values, NaN where unknown.

    seconds: of predicting it; encode_seconds: of its features, the same for all methods, None for a method that needs none. score: of
    the `checked` pixels whose truth is known, painted places left out (see `Score.result`); None where there are none.
    """

    values: np.ndarray
    seconds: float
    encode_seconds: float | None
    score: dict[str, Any] | None
    checked: int


class Asked:
    """One sample of a project as methods are asked about it. Raises UnknownNameError, ShapeError."""

    def __init__(self, project, sample_id: str) -> None:
        self.project, self.sample_id = project, sample_id
        self.sample: Sample = project.features.sample(sample_id)
        self.seconds: float | None = None
        self._pyramid: FeaturePyramid | None = None

    def features(self, progress: Progress = None) -> FeaturePyramid:
        """Return the features, made at the first call. Not those that the project keeps: their seconds are part of the comparison."""
        if self._pyramid is None:
            start = time.perf_counter()
            self._pyramid = self.project.features.encoder.encode(self.sample, progress=progress)
            self.seconds = time.perf_counter() - start
        return self._pyramid


def learn(project, text: str, progress: Progress = None) -> Learned:
    """Return a method that has learned all examples of a project. text: a recipe (see `Registry.parse`); progress may raise to cancel.

    Raises UnknownNameError, FormatError for a text that is no recipe, EmptyMemoryError, LimitError, VersionError when examples were
    unlearned meanwhile.
    """
    method = METHODS.build(METHODS.parse(text))
    with project.lock:
        view, features = project._require_memory().checkout(project.version), project.features
    nodes = nodes_of(view, features.encoder, features.channels)
    lesson = samples_of(nodes, features.sample) if method.raw else nodes
    if progress:
        progress(0.0)
    method.prepare()
    start = time.perf_counter()
    learn_at_once(method, lesson, progress)
    seconds = time.perf_counter() - start
    view.check()
    return Learned(text, view.version, view.task, method, len(nodes), seconds)


def answer(learned: Learned, asked: Asked, progress: Progress = None) -> Answer:
    """Return what a method says of a sample. Raises LimitError for a sample that is too large to be answered as a whole."""
    _check_size(math.prod(asked.sample.spatial_shape) * learned.task.label_dim)
    raw = learned.method.raw
    query = asked.sample if raw else asked.features(progress)
    with learned.lock:  # what it holds of a sample is held once
        start = time.perf_counter()
        values = learned.method.predict(query)
        seconds = time.perf_counter() - start
    score, checked = _score(asked, learned.task, values)
    return Answer(values, seconds, None if raw else asked.seconds, score, checked)


def nodes_of(view: Reader, encoder, channels: int) -> LabelledNodes:
    """Return the examples of a version of a memory, those that novelty holds back too; those switched off are left out.

    channels: of the samples. Raises EmptyMemoryError.
    """
    ids = view.select()
    ids = ids[view.weights(ids) > 0]
    if not len(ids):
        raise EmptyMemoryError("a project with examples", "none", "label a few pixels first")
    batches = list(batches_of(view, ids))
    return LabelledNodes(batches, view.task, encoder.groups_of(channels, batches[0].coordinates.shape[1]), encoder)


def samples_of(nodes: LabelledNodes, sample_of: Callable[[str], Sample]) -> LabelledSamples:
    """Return the same labels as maps of their samples: a node is labelled at its first pixel, with its most frequent class or its value.

    sample_of: gives a sample by its id. Raises LimitError when the samples are too large together.
    """
    samples: dict[str, Sample] = {}
    maps: dict[str, np.ndarray] = {}
    classes = nodes.task.kind == "segmentation"
    for batch in nodes.batches:
        if batch.sample_id not in maps:
            samples[batch.sample_id] = one = sample_of(batch.sample_id)
            _check_size(sum(sample.array.size for sample in samples.values()))
            maps[batch.sample_id] = np.full(one.spatial_shape, *((-1, np.int16) if classes else (np.nan, np.float32)))
        maps[batch.sample_id][tuple(batch.coordinates.T)] = batch.labels.argmax(1) if classes else batch.labels[:, 0]
    return LabelledSamples(list(samples.values()), list(maps.values()), nodes.task, whole=False)


def disagreement(answers: Sequence[np.ndarray]) -> np.ndarray:
    """Return (*shape) float32 from answers (*shape) of several methods: class ids: how many differ from the most frequent answer,
    "unknown" counted as one; values: their standard deviation, NaN where none knows one. Raises ShapeError.

    >>> disagreement([np.array([0, 1, -1]), np.array([0, 1, 1]), np.array([0, 2, 2])]).tolist()
    [0.0, 1.0, 2.0]
    """
    if len({one.shape for one in answers}) != 1:
        raise ShapeError("answers of one shape", ", ".join(str(one.shape) for one in answers) or "none", "ask all about the same sample")
    if answers[0].dtype.kind == "f":
        known = sum(np.isfinite(one).astype(np.float32) for one in answers)
        held = np.where(known > 0, known, np.nan)
        mean = sum(np.nan_to_num(one) for one in answers) / held
        return np.sqrt(sum(np.nan_to_num(one - mean) ** 2 for one in answers) / held).astype(np.float32)
    most = np.zeros(answers[0].shape, np.int16)
    for one in answers:  # the votes that each answer gets, without a table of all classes
        np.maximum(most, sum((one == other).astype(np.int16) for other in answers), out=most)
    return (len(answers) - most).astype(np.float32)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Return the share of pixels with different class ids, or the root mean square of the difference of values (NaN if never both known).

    >>> difference(np.array([0, 1, -1, -1]), np.array([0, 2, -1, 1]))
    0.5
    """
    if one.dtype.kind != "f":
        return float((one != other).mean())
    both = np.isfinite(one) & np.isfinite(other)
    return float(np.sqrt(np.square(one[both].astype(np.float64) - other[both]).mean())) if both.any() else float("nan")


def _score(asked: Asked, task: TaskSpec, values: np.ndarray) -> tuple[dict[str, Any] | None, int]:
    """Return the score where the truth is known and nothing was painted, and of how many pixels."""
    given = truth_of(asked.project.path, asked.sample_id)
    if given is None:
        return None, 0
    total = Score(task)
    total.add(without_painted(in_use(given, task), asked.project.painted(asked.sample_id)), values)
    return (total.result() if total.pixels else None), total.pixels


def _check_size(numbers: int) -> None:
    if numbers > MOST:
        raise LimitError(f"at most {MOST:,} numbers", f"{numbers:,}", "compare on a smaller sample, or a part of this one")
