"""Small lessons for tests of methods: a few labelled pixels of samples whose truth is known."""

import numpy as np

from parmesan_engine.methods import Experience, Method
from parmesan_engine.methods.labelled import LabelledNodes, LabelledSamples, encode_samples
from parmesan_engine.types import FeaturePyramid, Sample, TaskSpec
from tests.helpers import TASK, VALUES, TinyEncoder, sample, truth

ENCODER = TinyEncoder(gain=1 / 64)


def values(dims: int, seed: int) -> np.ndarray:
    """Return the truth of `VALUES`: (*spatial) float32."""
    return (1000 + 500 * truth(dims, seed)).astype(np.float32)


def labelled(seeds, task: TaskSpec = TASK, dims: int = 2, classes=(0, 1, 2), per_class: int = 20) -> LabelledSamples:
    """Return samples of which a few pixels of some classes are labelled (of values, with noise: of where the classes would be)."""
    maps = []
    for seed in seeds:
        where, random = truth(dims, seed), np.random.default_rng(seed)
        known = np.zeros(where.shape, bool)
        for pool in (np.flatnonzero(where == c) for c in classes):
            known.flat[random.choice(pool, min(per_class, len(pool)), replace=False)] = True
        maps.append(np.where(known, where, -1).astype(np.int16) if task.kind == "segmentation" else
                    np.where(known, values(dims, seed) + random.normal(0, 50, where.shape), np.nan).astype(np.float32))
    return LabelledSamples([sample(dims, seed) for seed in seeds], maps, task, False)


def nodes(seeds, **more) -> LabelledNodes:
    """Return the nodes of `labelled` samples."""
    return encode_samples(ENCODER, labelled(seeds, **more), "lesson")[0]


def lesson(method: Method, seeds, **more) -> LabelledNodes | LabelledSamples:
    """Return what a method learns from."""
    return labelled(seeds, **more) if method.raw else nodes(seeds, **more)


def query(method: Method, seed: int = 7, dims: int = 2) -> FeaturePyramid | Sample:
    """Return what a method predicts."""
    given = sample(dims, seed)
    return given if method.raw else ENCODER.encode(given)


def learn(method: Method, name: str, seeds, *, task_name: str = "task", progress=None, classes=(0, 1, 2), task: TaskSpec = TASK,
          **more) -> Method:
    """Teach a method one experience."""
    method.begin_experience(Experience(name, task_name, task, classes if task is not VALUES else ()))
    method.observe(lesson(method, seeds, task=task, classes=classes, **more))
    method.end_experience(progress)
    return method
