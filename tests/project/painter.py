"""What the project tests share: projects on tiny samples with the real encoder, and strokes on them."""

import numpy as np

from parmesan_engine.gestures import Stroke
from parmesan_engine.project import Project
from tests.helpers import TASK, sample

SHAPE = (48, 44)


def picture(seed=0, **changes):
    return sample(2, seed, shape=SHAPE, **changes)


def new_project(path, *, seeds=(0, 1), task=TASK, novelty=0.0):
    """Return (project, ids of its samples)."""
    project = Project.create(path, name="tiny", task=task, novelty=novelty)
    return project, [project.add_sample(picture(seed)).id for seed in seeds]


def line(y, x0, x1, label, *, radius=1.5, kind="brush", value=None):
    return Stroke(kind, ((x0 + 0.5, y + 0.5), (x1 + 0.5, y + 0.5)), radius=radius, label=label, value=value)


BLOB, GROUND, EDGE = line(20, 16, 22, 1), line(4, 3, 30, 0), line(24, 40, 42, 2)
TEACH = {"ground": [GROUND], "blob": [BLOB], "edge": [EDGE]}


def teach(project, sample_id, names=("ground", "blob", "edge"), **who):
    """Paint the three classes, one gesture each; return the results."""
    return [project.annotate(sample_id, TEACH[name], gesture_id=f"{sample_id}-{name}", **who) for name in names]


def files_of(path):
    """Return {relative path: size} of everything below a folder but the memory's own files, which grow on any write."""
    return {str(p.relative_to(path)): p.stat().st_size for p in sorted(path.rglob("*"))
            if p.is_file() and p.relative_to(path).parts[0] != "memory"}


def holds(path, needle: bytes):
    """Return the files below `path` that contain some bytes."""
    return [p for p in path.rglob("*") if p.is_file() and needle in p.read_bytes()]


def flat(prediction):
    return np.concatenate([prediction.labels.ravel(), prediction.probabilities.ravel()])
