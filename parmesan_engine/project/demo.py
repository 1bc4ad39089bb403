"""Three ready projects for the first start: a picture, a volume and a signal that we generate, with a few labelled strokes.

The strokes are what a person would draw: short lines in the middle of things, a few per class, from the known truth.
"""

import shutil
from pathlib import Path

import numpy as np
from scipy import ndimage

from parmesan_engine.gestures import Stroke
from parmesan_engine.project.project import Project
from parmesan_engine.synthetic import demo_task, make_1d, make_2d, make_3d

MAKERS = {"demo-2d": (2, make_2d, "Stained tissue (2D)"), "demo-3d": (3, make_3d, "Scan volume (3D)"),
          "demo-1d": (1, make_1d, "Heartbeat (1D)")}
SAMPLES = 2  # the first gets strokes; the second shows that they carry over
STROKES_PER_CLASS = 3


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
            if seed == 0:
                for number, stroke in enumerate(demo_strokes(labels)):
                    project.annotate(record.id, [stroke], author="demo", gesture_id=f"demo-stroke-{number}", source="demo strokes")
        project.refit()
    (path / "ready").touch()


def demo_strokes(labels: np.ndarray) -> list[Stroke]:
    """Return a few short strokes per class along the middle of its largest regions."""
    axis, index = (0, labels.shape[0] // 2) if labels.ndim == 3 else (None, None)
    plane = labels[index] if labels.ndim == 3 else labels
    return [s for c in np.unique(plane[plane >= 0]) for s in _class_strokes(plane == c, int(c), axis, index)]


def _class_strokes(region: np.ndarray, label: int, axis: int | None, index: int | None) -> list[Stroke]:
    parts, count = ndimage.label(region)
    sizes = ndimage.sum_labels(region, parts, np.arange(1, count + 1))
    strokes = []
    for part in np.argsort(-sizes, kind="stable")[:STROKES_PER_CLASS] + 1:
        inside = parts == part
        if region.ndim == 1:
            first, last = np.flatnonzero(inside)[[0, -1]]
            strokes.append(Stroke("interval", ((first + 0.5, 0.0), (min(last, first + 120) + 0.5, 0.0)), label=label))
            continue
        depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
        y, x = np.unravel_index(depth.argmax(), depth.shape)
        reach = min(max(depth.max() * 0.6, 1.0), 14.0)
        radius = min(max(depth.max() * 0.25, 0.8), 3.0)
        points = ((x + 0.5 - reach, y + 0.5), (x + 0.5, y + 0.5 + reach * 0.4), (x + 0.5 + reach, y + 0.5))
        strokes.append(Stroke("brush", points, radius=radius, label=label, axis=axis, index=index))
    return strokes

