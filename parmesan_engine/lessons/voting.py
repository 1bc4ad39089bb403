"""Lesson 2, in 2D: k says how many neighbours may vote, the temperature how many of them count. A few examples have wrong labels."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from parmesan_engine.lessons.scene import ENCODER, crop, even_metric, neighbors_among, some_of_each
from parmesan_engine.synthetic import demo_task, make_2d
from parmesan_engine.transduction import transfer, votes
from parmesan_engine.types import Neighbors, Sample, TaskSpec

SEED, BOX = 0, (slice(160, 256), slice(96, 192))  # glass, stroma and nuclei together
COUNTS = (18, 36, 26)  # examples of each class: they are not equally many
WRONG = 12  # of them have the label of another class
RIM = 12  # pixels in which no place is looked at
KS = (1, 8, sum(COUNTS))
TAUS = tuple(float(f"{tau:.2g}") for tau in np.geomspace(0.001, 10, 17))


@dataclass(frozen=True)
class Scene:
    """Tissue with its truth (h, w). at: (n, 2) pixels of the examples; labels: (n,) as given; lied: (n,) which are wrong.

    neighbors: of each pixel all examples, nearest first; asked: the place looked at.
    """

    sample: Sample
    truth: np.ndarray
    task: TaskSpec
    at: np.ndarray
    labels: np.ndarray
    lied: np.ndarray
    neighbors: Neighbors
    asked: tuple[int, int]


@dataclass(frozen=True)
class Vote:
    """The answer of k neighbours. labels: (h, w); right: share that is; shares: (k,) of the place looked at, nearest first.

    heard: how many equal voters would be as undecided, the exponential of the entropy of the shares, mean over all places.
    """

    k: int
    labels: np.ndarray
    right: float
    shares: np.ndarray
    heard: float


@cache
def scene() -> Scene:
    """Return the tissue and, for each of its pixels, all examples in the order of their distance: they are searched once."""
    sample, truth = crop(*make_2d(SEED), BOX)
    rng, flat = np.random.default_rng(SEED), truth.ravel()
    nodes = some_of_each(rng, flat, COUNTS)
    labels, lied = flat[nodes].astype(np.int64), np.zeros(len(nodes), bool)
    lied[rng.choice(len(nodes), WRONG, replace=False)] = True
    labels[lied] = (labels[lied] + rng.integers(1, len(COUNTS), WRONG)) % len(COUNTS)
    features = ENCODER.encode(sample, stride=1).levels[0].keys
    keys = even_metric(features.numpy()).transform(features)
    neighbors = neighbors_among(keys, nodes, len(nodes))
    at = np.stack(np.unravel_index(nodes, truth.shape), 1)
    asked = _misled(neighbors, truth, labels, lied)
    return Scene(sample, truth, demo_task(2), at, labels, lied, neighbors, tuple(map(int, np.unravel_index(asked, truth.shape))))


@cache
def vote(k: int, tau: float) -> Vote:
    """Return what the k nearest examples of each pixel answer at a temperature."""
    given = scene()
    nearest = Neighbors(given.neighbors.distances[:, :k].contiguous(), given.neighbors.ids[:, :k].contiguous())
    shares = votes(nearest, torch.ones(len(given.labels)), tau)
    answers = transfer(nearest, shares, torch.eye(len(COUNTS))[torch.from_numpy(given.labels)])
    labels = answers.argmax(1).reshape(given.truth.shape).numpy()
    heard = float(torch.special.entr(shares).sum(1).exp().mean())
    return Vote(k, labels, float((labels == given.truth).mean()), shares[_row(given)].numpy(), heard)


def voters(k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return distances and (k,) ids of the examples nearest to the place looked at."""
    given = scene()
    return given.neighbors.distances[_row(given), :k].numpy(), given.neighbors.ids[_row(given), :k].numpy()


def _row(given: Scene) -> int:
    return int(np.ravel_multi_index(given.asked, given.truth.shape))


def _misled(neighbors: Neighbors, truth: np.ndarray, labels: np.ndarray, lied: np.ndarray) -> int:
    """Return a pixel, not at the rim, whose nearest example alone is wrong about it: where the next ones agree most with the truth."""
    near = neighbors.ids.numpy()
    agree = (labels[near[:, 1 : KS[1]]] == truth.ravel()[:, None]).mean(1)
    inside = np.pad(np.ones([n - 2 * RIM for n in truth.shape], bool), RIM).ravel()
    return int(np.where(inside & lied[near[:, 0]] & (labels[near[:, 0]] != truth.ravel()), agree, -1).argmax())
