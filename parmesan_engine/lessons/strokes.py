"""Lesson 1, in 1D: a memory is a table of examples. Strokes on one heartbeat are learned one by one; all heartbeats are answered."""

import time
from dataclasses import dataclass
from functools import cache

import numpy as np

from parmesan_engine.insight import NeighborInfo, explain
from parmesan_engine.lessons.scene import ENCODER, SCENE, ask, crop, empty_memory, even_metric, examples
from parmesan_engine.metric import Metric
from parmesan_engine.synthetic import demo_task, make_1d
from parmesan_engine.types import FeaturePyramid, Sample, TaskSpec

SEED, LENGTH = 3, 1500  # 3 seconds: four beats
BEAT = 1  # the beat that is labelled
COUNT = 6  # strokes
EVERY, MARGIN = 4, 3  # samples from example to example in a stroke; samples left free at its ends


@dataclass(frozen=True)
class Stroke:
    """Samples [start, stop) labelled as one class."""

    start: int
    stop: int
    label: int


@dataclass(frozen=True)
class Scene:
    """A heartbeat with its truth (t,), its features, and strokes in the order in which they are given. asked: the place looked at."""

    sample: Sample
    truth: np.ndarray
    task: TaskSpec
    pyramid: FeaturePyramid
    metric: Metric
    strokes: tuple[Stroke, ...]
    asked: int


@dataclass(frozen=True)
class Answer:
    """What the memory says after some strokes. labels: (t,), -1 unknown; witness: the example nearest to the place looked at.

    rows: (n, D) features of the examples and said: (n,) their labels: all that the memory is. seconds: it took to learn the last stroke.
    """

    labels: np.ndarray
    witness: NeighborInfo | None
    rows: np.ndarray
    said: np.ndarray
    seconds: float


@cache
def scene() -> Scene:
    """Return the heartbeat. The metric weighs all features alike and stays, so that nothing but the table changes."""
    sample, truth = crop(*make_1d(SEED), (slice(0, LENGTH),))
    pyramid = ENCODER.encode(sample, stride=1)
    flat, p_wave, qrs, t_wave = (_runs(truth, label) for label in range(4))
    before, between, after = flat[3 * BEAT : 3 * BEAT + 3]  # the line before the P wave, before and after the QRS complex
    given = ((qrs[BEAT], 2), (between, 0), (t_wave[BEAT], 3), (p_wave[BEAT], 1), (before, 0), (after, 0))
    strokes = tuple(Stroke(*run, label) for run, label in given)
    return Scene(sample, truth, demo_task(1), pyramid, even_metric(pyramid.levels[0].keys.numpy()), strokes, sum(p_wave[-1]) // 2)


@cache
def after(count: int) -> Answer:
    """Return what the memory says after the first `count` strokes; each place is answered by its nearest example."""
    given = scene()
    memory, seconds = empty_memory(given.pyramid, given.task), 0.0
    for stroke in given.strokes[:count]:
        nodes = np.arange(stroke.start + MARGIN, stroke.stop - MARGIN, EVERY)
        batch = examples(given.pyramid, nodes, np.full(len(nodes), stroke.label), given.task)
        start = time.perf_counter()
        memory.add([batch])
        seconds = time.perf_counter() - start
    rows, said = memory.keys(memory.ids), memory.answers(memory.ids).astype(int)
    if not count:
        return Answer(np.full(LENGTH, -1), None, rows, said, seconds)
    predictor = ask(memory, given.pyramid, given.metric, given.task, k=1, steps=0)
    witness = explain(predictor, SCENE, (given.asked,)).neighbors[0]
    return Answer(predictor.predict(SCENE).labels, witness, rows, said, seconds)


def _runs(truth: np.ndarray, label: int) -> list[tuple[int, int]]:
    """Return the (start, stop) of each run of a label that has an end."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], truth == label]).astype(int)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=False))
