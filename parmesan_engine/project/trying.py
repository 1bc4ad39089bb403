"""Try an encoder on a project without changing it: its examples re-encoded in RAM, scored, and one sample looked at with them."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parmesan_engine.evaluation import Score
from parmesan_engine.insight.leftout import Probes, probes_of, score_of
from parmesan_engine.memory import Memory
from parmesan_engine.predictor import Predictor
from parmesan_engine.project.fitting import fit_metric
from parmesan_engine.project.holding import visit
from parmesan_engine.project.reencoding import build, reencoded
from parmesan_engine.project.sampling import evenly
from parmesan_engine.project.scoring import BLOCK, with_truth, without_painted
from parmesan_engine.project.truth import in_use
from parmesan_engine.project.truth import truth as truth_of
from parmesan_engine.projection import principal_colors
from parmesan_engine.registry import recipe_of
from parmesan_engine.resample import blocks, slices
from parmesan_engine.types import Sample, TaskSpec

Progress = Callable[[float], None] | None
CHECKED = 8  # samples with truth that are predicted: a glance beside others, not the whole evaluation
OWN_PICTURE = 16  # features of one name that get a picture of their own; smaller groups are shown scale by scale
ALL = "all features"


@dataclass(frozen=True)
class Trial:
    """What an encoder would be to a project. text: its recipe; version: of the project that it was tried on.

    seconds: of encoding one sample, the median; bytes_per_entry: of its features. own: score of examples answered by those of other
    `left_out`s (samples, or strokes of a single sample), None where a class would be left out with its only one; truth: score of
    `checked` samples whose truth is known, painted places left out, None where none is.
    """

    text: str
    recipe: dict[str, Any]
    version: str
    entries: int
    channels: int
    seconds: float
    bytes_per_entry: int
    own: dict[str, Any] | None
    left_out: str
    truth: dict[str, Any] | None
    checked: int
    predictor: Predictor = field(repr=False)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


@dataclass(frozen=True)
class Look:
    """One sample seen by an encoder, one value per node. pictures: {name: (*grid, 3) uint8} of its features; answer: (*grid) class ids, -1
    where unknown, or values; stride: pixels that a node covers along each axis; seconds: for encoding and predicting it."""

    pictures: dict[str, np.ndarray]
    answer: np.ndarray
    stride: tuple[int, ...]
    seconds: float


def try_encoder(project, text: str, progress: Progress = None) -> Trial:
    """Return what an encoder would be to a project, which is only read. progress may raise to cancel.

    Raises UnknownNameError, FormatError for a text that is no recipe, EmptyMemoryError without examples.
    """
    report, encoder = progress or (lambda fraction: None), build(project, text)
    with project.lock:
        view, features = project._require_memory().checkout(project.version), project.features
    found = reencoded(view, encoder, features.sample, lambda f: report(0.6 * f))
    channels, dims = found.batches[0].keys.shape[1], found.batches[0].coordinates.shape[1]
    memory = Memory.create(None, channels=channels, task=view.task, encoder=recipe_of(encoder), novelty=view.novelty, keys=view.key_format)
    memory.add(found.batches, author="trial")
    metric = fit_metric(memory, encoder.groups_of(features.channels, dims), view.task, progress=lambda f: report(0.6 + 0.15 * f))
    predictor = Predictor(encoder, memory, metric, task=view.task, device=project.device)
    probes = probes_of(predictor)
    own = score_of(predictor, probes, lambda f: report(0.75 + 0.1 * f)) if probes and _answerable(probes, view.task) else None
    known = evenly(np.asarray(with_truth(project)), CHECKED).tolist()
    total = Score(view.task)
    for number, sample_id in enumerate(known):
        _count(total, project, predictor, sample_id)
        report(0.85 + 0.15 * (number + 1) / len(known))
    size = {"float32": 4, "float16": 2}[memory.key_format]
    return Trial(text, recipe_of(encoder), view.version, len(memory), channels, float(np.median(found.seconds)), size * channels,
                 own and own.result(), probes.left_out if probes else "", total.result() if known else None, len(known), predictor)


def look(trial: Trial, sample: Sample, channels: int, progress: Progress = None) -> Look:
    """Return how a sample looks to an encoder, and what it would be told to be. channels: of the project's samples."""
    start = time.perf_counter()
    with trial.lock, visit(trial.predictor, sample, channels, progress) as name:
        state = trial.predictor.states[name]
        fine, groups = state.pyramid.levels[0], state.pyramid.groups
        keys = fine.keys.numpy(force=True)
        prediction = trial.predictor.overview(name)
        seconds = time.perf_counter() - start
    pictures = {title: principal_colors(keys[:, columns]).reshape(*fine.grid, 3) for title, columns in parts_of(groups).items()}
    return Look(pictures, prediction.values if prediction.labels is None else prediction.labels, fine.stride, seconds)


def parts_of(groups: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return {title: the columns shown together}: all but the coordinates; each large group; the small ones scale by scale.

    >>> [(k, v.tolist()) for k, v in parts_of(("edges@1", "hessian@1", "edges@2", "coordinates")).items()]
    [('all features', [0, 1, 2]), ('filters at scale 1', [0, 1]), ('filters at scale 2', [2])]
    """
    names = np.array(groups)
    parts = {ALL: np.flatnonzero(names != "coordinates")}
    for group in dict.fromkeys(groups):
        kind, _, scale = group.partition("@")
        columns = np.flatnonzero(names == group)
        if kind == "coordinates" or not scale:
            continue
        title = group.replace("@", " at stride ") if len(columns) >= OWN_PICTURE else f"filters at scale {scale}"
        parts[title] = np.union1d(parts.get(title, columns), columns)
    return parts


def _answerable(probes: Probes, task: TaskSpec) -> bool:
    """Return whether every class among the probes is known from more than one sample or stroke: else nobody is left to answer for it."""
    if task.kind == "regression":
        return True
    classes = probes.labels.argmax(axis=1)
    return all(len(np.unique(probes.own[classes == one])) > 1 for one in np.unique(classes))


def _count(score: Score, project, predictor: Predictor, sample_id: str) -> None:
    """Count a sample whose truth is known, painted places left out."""
    truth = truth_of(project.path, sample_id)
    with visit(predictor, project.read_sample(sample_id), project.features.channels) as name:
        for box in blocks(truth.shape, BLOCK):
            part = without_painted(in_use(truth[slices(box)], predictor.task), project.painted(sample_id, box=box))
            prediction = predictor.predict(name, box=box)
            score.add(part, prediction.values if prediction.labels is None else prediction.labels, prediction.probabilities)
