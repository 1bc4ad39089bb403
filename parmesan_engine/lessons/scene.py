"""What the scenes of all lessons are made of."""

import numpy as np
import torch

from parmesan_engine.encoders import FilterBank
from parmesan_engine.memory import Memory
from parmesan_engine.metric import Metric
from parmesan_engine.metric.model import LIFT, START_DISTANCE
from parmesan_engine.predictor import Predictor
from parmesan_engine.project.entries import make_batch, one_hot
from parmesan_engine.registry import recipe_of
from parmesan_engine.search import ExactIndex
from parmesan_engine.types import EntryBatch, FeaturePyramid, Neighbors, Sample, TaskSpec

ENCODER = FilterBank(coordinates=False)
SCENE = "scene"  # the name of the sample that a predictor holds


def crop(sample: Sample, truth: np.ndarray, box: tuple[slice, ...]) -> tuple[Sample, np.ndarray]:
    """Return a part of a sample and of its (*spatial) labels."""
    return Sample(np.ascontiguousarray(sample.array[(slice(None), *box)]), sample.name, sample.spacing, sample.unit), truth[box]


def even_metric(features: np.ndarray) -> Metric:
    """Return the metric in which each of (n, D) features counts alike: what is known before anything is learned."""
    spread = np.maximum(features.std(0), 1e-6)
    return Metric(features.mean(0), np.diag(LIFT * np.sqrt(2 * START_DISTANCE / features.shape[1]) / spread))


def some_of_each(rng: np.random.Generator, labels: np.ndarray, counts: tuple[int, ...]) -> np.ndarray:
    """Return (n,) places drawn from (m,) labels, `counts[c]` of class c, class after class."""
    return np.concatenate([rng.choice(np.flatnonzero(labels == c), n, replace=False) for c, n in enumerate(counts)])


def neighbors_among(keys: torch.Tensor, nodes: np.ndarray, k: int) -> Neighbors:
    """Return the k nearest of some `nodes` for each of (m, D) unit keys; ids are places in `nodes`."""
    ids = torch.arange(len(nodes))
    index = ExactIndex(channels=keys.shape[1])
    index.add(ids, keys[torch.from_numpy(nodes)], ids)
    return index.search(keys, k)


def empty_memory(pyramid: FeaturePyramid, task: TaskSpec, novelty: float = 0.0) -> Memory:
    """Return a memory in RAM for the features of a pyramid."""
    return Memory.create(None, channels=len(pyramid.groups), task=task, encoder=recipe_of(ENCODER), novelty=novelty)


def examples(pyramid: FeaturePyramid, nodes: np.ndarray, classes: np.ndarray, task: TaskSpec, author: str = "") -> EntryBatch:
    """Return (n,) nodes of the finest level, ascending, as examples of (n,) classes. Nothing in them depends on the clock."""
    return make_batch(pyramid, nodes, one_hot(classes, task.label_dim), sample_id="lesson", sample_hash="", gesture=author, author=author,
                      source="lesson", time=0.0)


def ask(memory: Memory, pyramid: FeaturePyramid, metric: Metric, task: TaskSpec, **settings) -> Predictor:
    """Return a predictor that holds the pyramid. settings: `k`, `steps`, `lam` of `Predictor`. Raises EmptyMemoryError."""
    predictor = Predictor(ENCODER, memory, metric, task=task, **settings)
    predictor.set_pyramid(SCENE, pyramid)
    return predictor
