"""Lesson 5: why networks forget and memories do not. Eight kinds of points in a plane of two features, learned two at a time.

The network is a small one, trained by the usual rule on what the step brings and on nothing else: every step moves all weights. The
memory adds rows. The toy is that of Traeuble et al. (2023, arXiv 2207.11240), with its classes around a circle.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from parmesan_engine.lessons.scene import SCENE, ask, empty_memory, even_metric, examples
from parmesan_engine.metric import Metric
from parmesan_engine.types import FeatureLevel, FeaturePyramid, TaskSpec

SEED, SIDE = 0, 96  # nodes of the plane along each axis
CLASSES, STEPS = 8, 4
EACH, SPREAD = 40, 0.05  # points of a class, and their standard deviation; the plane is [0, 1) wide
COLORS = ((0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0), (240, 228, 66), (130, 70, 30))
ORDER = tuple(range(CLASSES))
HIDDEN, PASSES, RATE = 48, 60, 0.5
FORGOTTEN = 2  # the step that is forgotten in the end
NETWORK, MEMORY = "network", "memory"


@dataclass(frozen=True)
class Scene:
    """The plane as a pyramid; nodes, labels: (n,) points on it and their classes; step: (n,) 1 to 4, in which each is learned."""

    task: TaskSpec
    pyramid: FeaturePyramid
    metric: Metric
    nodes: np.ndarray
    labels: np.ndarray
    step: np.ndarray


@dataclass(frozen=True)
class Learned:
    """What a learner answers. labels: (SIDE, SIDE), -1 unknown; right: share of the points of each step that it knows."""

    labels: np.ndarray
    right: tuple[float, ...]


@cache
def scene() -> Scene:
    """Return the points and the plane that they lie in."""
    axes = (np.arange(SIDE) + 0.5) / SIDE
    plane = np.stack(np.meshgrid(axes, axes, indexing="ij"), -1).reshape(-1, 2).astype(np.float32)
    level = FeatureLevel(torch.from_numpy(plane), (SIDE, SIDE), (1, 1))
    angles = 2 * np.pi * np.asarray(ORDER) / CLASSES
    centres = 0.5 + 0.33 * np.stack([np.sin(angles), np.cos(angles)], 1)
    points = centres[:, None] + np.random.default_rng(SEED).normal(0, SPREAD, (CLASSES, EACH, 2))
    cells = np.clip(points * SIDE, 0, SIDE - 1).astype(int).reshape(-1, 2)
    labels = np.repeat(np.arange(CLASSES), EACH)
    task = TaskSpec("segmentation", tuple(f"kind {c + 1}" for c in range(CLASSES)), COLORS)
    pyramid = FeaturePyramid((level,), (SIDE, SIDE), ("place", "place"))
    nodes, step = np.ravel_multi_index(cells.T, (SIDE, SIDE)), 1 + labels // (CLASSES // STEPS)
    return Scene(task, pyramid, even_metric(plane), nodes, labels, step)


@cache
def memory_steps() -> tuple[Learned, ...]:
    """Return what the memory answers after each step, and last after one of them was forgotten again."""
    given, results, predictor = scene(), [], None
    memory = empty_memory(given.pyramid, given.task)
    for step in range(1, STEPS + 1):
        chosen = np.flatnonzero(given.step == step)
        chosen = chosen[np.argsort(given.nodes[chosen], kind="stable")]
        change = memory.add([examples(given.pyramid, given.nodes[chosen], given.labels[chosen], given.task, f"step {step}")])
        if predictor is None:
            predictor = ask(memory, given.pyramid, given.metric, given.task, steps=0)
        else:
            predictor.apply(change)
        results.append(_learned(predictor.predict(SCENE).labels))
    change, _ = memory.unlearn(memory.select(author=f"step {FORGOTTEN}"))
    predictor.apply(change)
    return *results, _learned(predictor.predict(SCENE).labels)


@cache
def network_steps() -> tuple[Learned, ...]:
    """Return what the network answers after each step; there is no way to take one back, so the last stays as it is."""
    given, results = scene(), []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = torch.nn.Sequential(torch.nn.Linear(2, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, HIDDEN), torch.nn.ReLU(),
                                      torch.nn.Linear(HIDDEN, CLASSES))
    plane = 4 * given.pyramid.levels[0].keys - 2
    points, labels = plane[torch.from_numpy(given.nodes)], torch.from_numpy(given.labels)
    for step in range(1, STEPS + 1):
        now = torch.from_numpy(given.step == step)
        for _ in range(PASSES):
            loss = torch.nn.functional.cross_entropy(network(points[now]), labels[now])
            weights = list(network.parameters())
            with torch.no_grad():
                for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
                    weight -= RATE * slope
        with torch.no_grad():
            results.append(_learned(network(plane).argmax(1).reshape(SIDE, SIDE).numpy()))
    return *results, results[-1]


def _learned(labels: np.ndarray) -> Learned:
    given = scene()
    right = labels.ravel()[given.nodes] == given.labels
    return Learned(labels, tuple(float(right[given.step == step].mean()) for step in range(1, STEPS + 1)))
