"""Nearest class mean (Mensink et al. 2013; in continual learning: Rebuffi et al. 2017, arXiv 1611.07725): one mean a class and no more.

Values have no classes. Their counterpart here [ours]: the values of a lesson, in order, are cut into SHARES equal shares; each has a mean
of its features and of its values, and a node gets the value of the nearest.
"""

from dataclasses import dataclass, replace

import numpy as np

from parmesan_engine.methods.kept import Kept
from parmesan_engine.methods.labelled import LabelledNodes
from parmesan_engine.methods.method import METHODS, answer_of
from parmesan_engine.types import EntryBatch, FeaturePyramid, TaskSpec

SHARES = 16


@dataclass(frozen=True)
class Means:
    """keys: (m, D) mean features; labels: (m, L), the answer of each."""

    keys: np.ndarray
    labels: np.ndarray


@METHODS.register("nearest_class_mean")
class ClassMean(Kept):
    """Keeps of a lesson the mean features of each class and how many nodes they are of; classes of several lessons are merged."""

    def observe(self, lesson: LabelledNodes) -> None:
        super().observe(condensed(lesson))

    def fit(self, nodes: LabelledNodes, task: TaskSpec) -> Means:
        keys, labels, counts = nodes.keys, nodes.labels, np.concatenate([batch.weights for batch in nodes.batches])
        if task.kind == "regression":
            return Means(keys, labels)
        classes = np.unique(labels.argmax(1))
        means = [np.average(keys[of], axis=0, weights=counts[of]) for of in (labels.argmax(1) == c for c in classes)]
        return Means(np.stack(means).astype(np.float32), np.eye(task.label_dim, dtype=np.float32)[classes])

    def answer(self, model: Means, pyramid: FeaturePyramid, task: TaskSpec) -> np.ndarray:
        queries = pyramid.levels[0].keys.numpy(force=True)
        distance = np.square(model.keys).sum(1) - 2 * queries @ model.keys.T  # squared, less the length of the query
        return answer_of(model.labels[distance.argmin(1)], pyramid, task)


def condensed(lesson: LabelledNodes) -> LabelledNodes:
    """Return a mean of each class, or of each share of the values, as nodes whose weights are how many they are of."""
    if not len(lesson):
        return lesson
    keys, labels = lesson.keys.astype(np.float64), lesson.labels
    if lesson.task.kind == "segmentation":
        member = labels[:, labels.any(0)]  # a node of several classes counts to each by its share
        answers = np.eye(labels.shape[1], dtype=np.float32)[labels.any(0)]
    else:
        shares = min(SHARES, len(labels))
        rank = np.argsort(np.argsort(labels[:, 0], kind="stable"))
        member = np.eye(shares)[rank * shares // len(labels)]
        answers = (member.T @ labels / member.sum(0)[:, None]).astype(np.float32)
    counts = member.sum(0)
    nowhere = np.zeros((len(counts), 1), np.int64)
    means = EntryBatch((member.T @ keys / counts[:, None]).astype(np.float32), answers, nowhere, np.empty((0, keys.shape[1]), np.float32),
                       nowhere[:, 0], "", "", "", "", "", 0.0, weights=counts.astype(np.float32))
    return replace(lesson, batches=[means])
