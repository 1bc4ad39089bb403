"""Plain nearest neighbours: the baseline of every memory."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from parmesan_engine.methods.absorbing import Scaling
from parmesan_engine.methods.kept import Kept
from parmesan_engine.methods.labelled import LabelledNodes
from parmesan_engine.methods.method import METHODS, answer_of
from parmesan_engine.search.distance import load_faiss
from parmesan_engine.types import FeaturePyramid, TaskSpec


@dataclass(frozen=True)
class Standardised:
    """keys: (n, D), scaled to mean 0 and deviation 1; labels: (n, L)."""

    scaling: Scaling
    keys: np.ndarray
    labels: np.ndarray


@METHODS.register("knn")
class PlainNeighbours(Kept):
    """k nearest neighbours by Euclidean distance on standardised features, equal votes."""

    limits: ClassVar = {"k": (1, 256)}

    def __init__(self, *, k: int = 16) -> None:
        self.k = k

    def prepare(self) -> None:
        load_faiss()

    def fit(self, nodes: LabelledNodes, task: TaskSpec) -> Standardised:
        scaling = Scaling.of(nodes.keys)
        return Standardised(scaling, scaling.apply(nodes.keys).numpy(), nodes.labels)

    def answer(self, model: Standardised, pyramid: FeaturePyramid, task: TaskSpec) -> np.ndarray:
        queries = model.scaling.apply(pyramid.levels[0].keys.numpy(force=True)).numpy()
        _, nearest = load_faiss().knn(queries, model.keys, min(self.k, len(model.keys)))
        return answer_of(model.labels[nearest].mean(1), pyramid, task)
