"""Hummingbird (Balazevic et al., NeurIPS 2023, arXiv 2306.01667): nearest neighbours of unit features, the nearest relative of PARMESAN.

    N = the k entries with the largest cosine    v = softmax(cosine / tau) over N    y = sum_j v_j label_j, interpolated to pixels

Of each sample the memory takes the nodes with the smallest (sum of the frequencies of their classes) * U(0, 1): rare classes first.
Unlike the public evaluation code, pixels without a label are no class, and a sample may have fewer nodes than are asked for.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch.nn.functional import normalize

from parmesan_engine.methods.kept import Kept
from parmesan_engine.methods.labelled import LabelledNodes
from parmesan_engine.methods.method import METHODS, answer_of
from parmesan_engine.search import ExactIndex
from parmesan_engine.transduction import transfer, votes
from parmesan_engine.types import EntryBatch, FeaturePyramid, TaskSpec


@dataclass(frozen=True)
class Neighbourhood:
    """The unit features of all entries, ready for search; labels: (n, L)."""

    index: ExactIndex
    labels: torch.Tensor


@METHODS.register("hummingbird")
class Hummingbird(Kept):
    """One memory a task, searched exactly.

    k: neighbours; tau: temperature, in units of cosine; per_sample: nodes kept of a sample of a lesson, 0 for all; seed: of their choice.
    """

    limits: ClassVar = {"k": (1, 256), "tau": (1e-9, 1e4), "per_sample": (0, 2**31), "seed": (0, 2**31)}

    def __init__(self, *, k: int = 30, tau: float = 0.02, per_sample: int = 0, seed: int = 0) -> None:
        self.k = k
        self.tau = tau
        self.per_sample = per_sample
        self.seed = seed

    def observe(self, lesson: LabelledNodes) -> None:
        if self.per_sample:
            classes = lesson.task.kind == "segmentation"
            lesson = replace(lesson, batches=[thinned(batch, self.per_sample, self.seed, classes=classes) for batch in lesson.batches])
        super().observe(lesson)

    def fit(self, nodes: LabelledNodes, task: TaskSpec) -> Neighbourhood:
        index, ids = ExactIndex(channels=len(nodes.groups)), torch.arange(len(nodes))
        index.add(ids, normalize(torch.from_numpy(nodes.keys)), ids)
        return Neighbourhood(index, torch.from_numpy(nodes.labels))

    def answer(self, model: Neighbourhood, pyramid: FeaturePyramid, task: TaskSpec) -> np.ndarray:
        near = model.index.search(normalize(pyramid.levels[0].keys.cpu()), self.k)
        shares = votes(near, torch.ones(len(model.labels)), self.tau)
        return answer_of(transfer(near, shares, model.labels).numpy(), pyramid, task)


def thinned(batch: EntryBatch, count: int, seed: int, *, classes: bool) -> EntryBatch:
    """Return at most `count` entries of one sample, the same for the same sample and seed, a part of those of a larger count.

    classes: whether labels are class histograms, of which rare classes come first; values are drawn alike.
    """
    digest = hashlib.blake2b(f"{seed}/{batch.sample_hash}".encode(), digest_size=8).digest()
    draws = np.random.default_rng(int.from_bytes(digest, "big")).random(len(batch.keys))
    chosen = np.sort(np.argsort(rarity(batch.labels) * draws if classes else draws, kind="stable")[:count])
    return replace(batch, **{name: getattr(batch, name)[chosen] for name in ("keys", "labels", "coordinates", "parents")})


def rarity(labels: np.ndarray) -> np.ndarray:
    """Return (n,) the sum over the classes of a node of the number of nodes that have them; labels: (n, L) of one sample.

    >>> rarity(np.array([[1.0, 0.0], [0.5, 0.5], [1.0, 0.0]]))
    array([3, 4, 3])
    """
    has = labels > 0
    return has @ has.sum(0)
