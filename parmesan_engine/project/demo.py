"""Three ready projects for the first start: a picture, a volume and a signal that we generate, with a few labelled strokes.

The strokes are what a person would draw: short lines in the middle of things, a few per class, from the known truth.
"""

import shutil
from pathlib import Path

import numpy as np
from scipy import ndimage

from parmesan_engine.gestures import Stroke
from parmesan_engine.project.project import Project
from parmesan_engine.project.truth import keep_truth
from parmesan_engine.synthetic import demo_task, make_1d, make_2d, make_3d

MAKERS = {"demo-2d": (2, make_2d, "Stained tissue (2D)"), "demo-3d": (3, make_3d, "Scan volume (3D)"),
          "demo-1d": (1, make_1d, "Heartbeat (1D)")}
SAMPLES = 2  # the first gets strokes; the second shows that they carry over
STROKES, SLICE_STROKES = 5, 3  # strokes per class
MAX_INTERVAL = 60  # samples


def open_demo(folder: str | Path) -> dict[str, Project]:
    """Return the three demo projects under `folder`, made on first use; a half-made one is made again."""
    projects = {}
    for name, (dims, make, title) in MAKERS.items():
        path = Path(folder) / name
        if not (path / "ready").exists():
            shutil.rmtree(path, ignore_errors=True)
            _make(path, dims, make, title)
        projects[name] = Project.open(path)
    return projects


def _make(path: Path, dims: int, make, title: str) -> None:
    with Project.create(path, name=title, task=demo_task(dims)) as project:
        for seed in range(SAMPLES):
            sample, labels = make(seed)
            record = project.add_sample(sample, origin="demo")
            keep_truth(path, record, labels)  # we drew it, so we know it: the Evaluate page has something to show
            if seed == 0:
                for number, stroke in enumerate(demo_strokes(labels)):
                    project.annotate(record.id, [stroke], author="demo", gesture_id=f"demo-stroke-{number}", source="demo strokes")
        project.refit()
    (path / "ready").touch()


def demo_strokes(labels: np.ndarray) -> list[Stroke]:
    """Return a few short strokes per class, well inside its regions and far from each other; in three slices of a volume."""
    if labels.ndim == 3:
        slices = [(0, labels.shape[0] * part // 4) for part in (1, 2, 3)]
        return [s for axis, index in slices for s in _plane_strokes(labels[index], SLICE_STROKES, axis, index)]
    return _plane_strokes(labels, STROKES, None, None)


def _plane_strokes(plane: np.ndarray, count: int, axis: int | None, index: int | None) -> list[Stroke]:
    strokes = []
    for label in np.unique(plane[plane >= 0]).tolist():
        depth = ndimage.distance_transform_edt(np.pad(plane == label, 1))[(slice(1, -1),) * plane.ndim]
        for place in _places(depth, count):
            deep = depth[tuple(place)]
            if plane.ndim == 1:
                ends = ((place[0] - deep + 1.5, 0.0), (place[0] + min(deep, MAX_INTERVAL) - 0.5, 0.0))
                strokes.append(Stroke("interval", ends, label=label))
                continue
            y, x = place + 0.5
            reach = min(deep * 0.6, 14.0)
            points = ((x - reach, y), (x, y + reach * 0.4), (x + reach, y))
            strokes.append(Stroke("brush", points, radius=min(max(deep * 0.2, 0.5), 3.0), label=label, axis=axis, index=index))
    return strokes


def _places(depth: np.ndarray, count: int) -> list[np.ndarray]:
    """Return up to `count` places at least half as deep inside as the deepest, each as far as possible from the others."""
    inside = np.argwhere(depth >= 0.5 * depth.max())
    chosen = [inside[depth[tuple(inside.T)].argmax()]]
    while len(chosen) < count:
        distance = np.min([np.linalg.norm(inside - place, axis=1) for place in chosen], axis=0)
        if distance.max() < 2 * depth.max():
            break
        chosen.append(inside[distance.argmax()])
    return chosen
