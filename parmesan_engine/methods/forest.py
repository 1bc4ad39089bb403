"""A random forest on the same features, fitted anew after each step: what ilastik and Trainable Weka Segmentation use."""

import importlib
from typing import ClassVar

import numpy as np

from parmesan_engine.methods.kept import Kept
from parmesan_engine.methods.labelled import LabelledNodes
from parmesan_engine.methods.method import METHODS, answer_of
from parmesan_engine.types import FeaturePyramid, TaskSpec


@METHODS.register("random_forest")
class Forest(Kept):
    """scikit-learn's random forest (Breiman 2001). trees: 100 as in ilastik's pixel classification."""

    limits: ClassVar = {"trees": (1, 2000), "seed": (0, 2**31)}

    def __init__(self, *, trees: int = 100, seed: int = 0) -> None:
        self.trees = trees
        self.seed = seed

    def prepare(self) -> None:
        importlib.import_module("sklearn.ensemble")

    def fit(self, nodes: LabelledNodes, task: TaskSpec):
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor  # here: 2 s that no other verb should wait for

        classify = task.kind == "segmentation"
        forest = (RandomForestClassifier if classify else RandomForestRegressor)(self.trees, n_jobs=-1, random_state=self.seed)
        return forest.fit(nodes.keys, nodes.labels.argmax(1) if classify else nodes.labels[:, 0])

    def answer(self, model, pyramid: FeaturePyramid, task: TaskSpec) -> np.ndarray:
        queries = pyramid.levels[0].keys.numpy(force=True)
        if task.kind == "regression":
            return answer_of(model.predict(queries)[:, None], pyramid, task)
        shares = np.zeros((len(queries), task.label_dim), np.float32)
        shares[:, model.classes_] = model.predict_proba(queries)
        return answer_of(shares, pyramid, task)

    def model_bytes(self, model) -> int:
        trees = [tree.tree_ for tree in model.estimators_]
        return sum(t.value.nbytes + t.threshold.nbytes + t.feature.nbytes + 2 * t.children_left.nbytes for t in trees)
