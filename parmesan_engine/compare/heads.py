"""Heads on frozen features: each learns from labelled nodes and predicts the nodes of a new sample. One class each.

A head has `fit(labelled)`, `predict(pyramid) -> (*spatial) class ids or values`, `bytes`, and `note`: what a reader of its score
should know. Features, coordinates and labels are equal for all; only the way to use them differs. A head with `raw` has no
encoder: it learns from `LabelledSamples` and predicts samples (see `unet_head`).
"""

from typing import ClassVar

import numpy as np
import torch

from parmesan_engine.compare.labels import LabelledNodes, Progress
from parmesan_engine.memory import Memory
from parmesan_engine.predictor import EXACT, Predictor
from parmesan_engine.project.fitting import fit_metric
from parmesan_engine.registry import Registry, recipe_of
from parmesan_engine.resample import to_pixels
from parmesan_engine.search.distance import load_faiss
from parmesan_engine.search.tuning import EXACT_UP_TO
from parmesan_engine.transduction import largest
from parmesan_engine.types import EntryBatch, FeaturePyramid, TaskSpec

HEADS = Registry("method")
TREES = 100  # as in ilastik's pixel classification
PLAIN_K = 16
AT_ONCE = 1 << 16  # entries learned in one version: what is checked at a time


@HEADS.register("parmesan")
class ParmesanHead:
    """A memory with a metric fitted from itself, transduction and message passing: what the studio does.

    More than a million entries are searched approximately, as the studio proposes; `note` says so.
    """

    raw: ClassVar[bool] = False
    index: ClassVar[dict] = EXACT

    def fit(self, labelled: LabelledNodes, progress: Progress = None) -> None:
        memory = Memory.create(None, channels=len(labelled.groups), task=labelled.task, encoder=recipe_of(labelled.encoder),
                               keys=labelled.key_format)
        for batches in _portions(labelled.batches):
            memory.add(batches, author="compare")
        metric = fit_metric(memory, labelled.groups, labelled.task)
        index = self.index if len(memory) <= EXACT_UP_TO or self.index != EXACT else {"name": "approximate"}
        self._predictor = Predictor(labelled.encoder, memory, metric, task=labelled.task, index=index)
        if self._predictor.index_due:
            self._predictor.adopt(self._predictor.index_maker()())
        self.bytes, self.note = memory.bytes, self._predictor.index.note or "exact search"

    def predict(self, pyramid: FeaturePyramid) -> np.ndarray:
        self._predictor.set_pyramid("sample", pyramid)
        prediction = self._predictor.predict("sample")
        return prediction.values if prediction.labels is None else prediction.labels


@HEADS.register("hierarchical")
class HierarchicalHead(ParmesanHead):
    """As PARMESAN, but searching coarse to fine: only the children of the 16 nearest coarse nodes of the memory."""

    index: ClassVar[dict] = {"name": "hierarchical", "keywords": {"k_coarse": 16}}


@HEADS.register("knn")
class PlainHead:
    """16 nearest neighbours on standardised features, equal votes: the baseline of every memory."""

    raw: ClassVar[bool] = False
    note: ClassVar[str] = ""

    def fit(self, labelled: LabelledNodes, progress: Progress = None) -> None:
        self._task, keys = labelled.task, labelled.keys
        self._mean, self._scale = keys.mean(0), np.maximum(keys.std(0), 1e-6)
        self._keys, self._labels = (keys - self._mean) / self._scale, labelled.labels
        self.bytes = self._keys.nbytes + self._labels.nbytes

    def predict(self, pyramid: FeaturePyramid) -> np.ndarray:
        faiss = load_faiss()
        queries = (pyramid.levels[0].keys.numpy(force=True) - self._mean) / self._scale
        _, nearest = faiss.knn(np.ascontiguousarray(queries, np.float32), self._keys.astype(np.float32), min(PLAIN_K, len(self._keys)))
        return answer_of(self._labels[nearest].mean(1), pyramid, self._task)


@HEADS.register("random_forest")
class ForestHead:
    """A random forest of 100 trees: what ilastik and Trainable Weka Segmentation use."""

    raw: ClassVar[bool] = False
    note: ClassVar[str] = ""

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, labelled: LabelledNodes, progress: Progress = None) -> None:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor  # here: 2 s that no other verb should wait for

        self._task = labelled.task
        classify = labelled.task.kind == "segmentation"
        kind = RandomForestClassifier if classify else RandomForestRegressor
        self._forest = kind(TREES, n_jobs=-1, random_state=self.seed)
        self._forest.fit(labelled.keys, labelled.labels.argmax(1) if classify else labelled.labels[:, 0])
        trees = [tree.tree_ for tree in self._forest.estimators_]
        self.bytes = sum(t.value.nbytes + t.threshold.nbytes + t.feature.nbytes + 2 * t.children_left.nbytes for t in trees)

    def predict(self, pyramid: FeaturePyramid) -> np.ndarray:
        queries = pyramid.levels[0].keys.numpy(force=True)
        if self._task.kind == "regression":
            return answer_of(self._forest.predict(queries)[:, None], pyramid, self._task)
        shares = np.zeros((len(queries), self._task.label_dim), np.float32)
        shares[:, self._forest.classes_] = self._forest.predict_proba(queries)
        return answer_of(shares, pyramid, self._task)


def answer_of(rows: np.ndarray, pyramid: FeaturePyramid, task: TaskSpec) -> np.ndarray:
    """Return (*spatial) class ids or values from (nodes, L) shares or values."""
    full = to_pixels(torch.from_numpy(np.ascontiguousarray(rows, np.float32)), pyramid.levels[0], pyramid.spatial_shape)
    return largest(full).numpy() if task.kind == "segmentation" else full[0].numpy()


def _portions(batches: list[EntryBatch]) -> list[list[EntryBatch]]:
    """Return batches in groups of about AT_ONCE entries: checking a batch makes a copy of it."""
    portions, room = [[]], AT_ONCE
    for batch in batches:
        if room <= 0:
            portions.append([])
            room = AT_ONCE
        portions[-1].append(batch)
        room -= len(batch.keys)
    return portions
