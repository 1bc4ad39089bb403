"""Lesson 3, in 3D: alike places of one volume agree with each other. Beside it the same among all that are near: a blur."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from parmesan_engine.encoders import FilterBank
from parmesan_engine.lessons.scene import crop, even_metric, neighbors_among, some_of_each
from parmesan_engine.message_passing import Affinity, affinity, refine
from parmesan_engine.synthetic import demo_task, make_3d
from parmesan_engine.transduction import transfer, votes
from parmesan_engine.types import Sample, TaskSpec

SEED, BOX = 0, (slice(12, 32), slice(8, 46), slice(12, 52))
EXAMPLES, K, TAU = 20, 3, 0.05  # examples of each class; neighbours that vote, and their temperature
LAM = 0.98  # how much to listen
ALIKE, NEAR = "alike", "near"
LISTENING = {ALIKE: (0.05, 8), NEAR: (1e6, 52)}  # temperature and number of those listened to: when all are equal, it is a blur
ROUNDS = (0, 1, 2, 3, 5, 8, 13, 21, 34)


@dataclass(frozen=True)
class Scene:
    """A scan with its truth (z, y, x); votes: (nodes, classes) before any message; keys: (nodes, D) that tell who is alike."""

    sample: Sample
    truth: np.ndarray
    task: TaskSpec
    votes: torch.Tensor
    keys: torch.Tensor


@dataclass(frozen=True)
class Heard:
    """The answer after some rounds. labels: (z, y, x); iou: of each class."""

    labels: np.ndarray
    iou: tuple[float, ...]

    @property
    def miou(self) -> float:
        return float(np.mean(self.iou))


@cache
def scene() -> Scene:
    """Return the scan and what the neighbours of each voxel vote: fine filters only, so that single voxels go astray."""
    sample, truth = crop(*make_3d(SEED), BOX)
    features = FilterBank(coordinates=False, scales=(0.7, 1.2)).encode(sample, stride=1).levels[0].keys
    keys, task, flat = even_metric(features.numpy()).transform(features), demo_task(3), truth.ravel()
    nodes = some_of_each(np.random.default_rng(SEED), flat, (EXAMPLES,) * len(task.classes))
    neighbors = neighbors_among(keys, nodes, K)
    labels = torch.eye(len(task.classes))[torch.from_numpy(flat[nodes].astype(np.int64))]
    return Scene(sample, truth, task, transfer(neighbors, votes(neighbors, torch.ones(len(nodes)), TAU), labels), keys)


@cache
def listening(to: str) -> Affinity:
    """Return who listens to whom: to those that look `ALIKE` or to all that are `NEAR`."""
    tau, keep = LISTENING[to]
    return affinity(scene().keys, scene().truth.shape, tau=tau, keep=keep)


@cache
def after(count: int, to: str) -> Heard:
    """Return the answer after `count` rounds of listening."""
    given = scene()
    refined = refine(given.votes, listening(to), steps=count, lam=LAM)
    labels = refined.argmax(1).reshape(given.truth.shape).numpy()
    pairs = [(labels == c, given.truth == c) for c in range(len(given.task.classes))]
    return Heard(labels, tuple(float((a & b).sum() / (a | b).sum()) for a, b in pairs))
