"""The prediction of a volume in three dimensions: its surfaces, few enough triangles for any machine. No Streamlit in here.

Surfaces are found on the overview (one value per node), a little smoothed, with the true spacing of the volume.
"""

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from scipy import ndimage
from skimage.measure import marching_cubes

from pages._maps import value_range
from parmesan_engine.errors import EmptyMemoryError
from parmesan_engine.project import Project, SampleRecord
from parmesan_engine.render import values_rgb
from parmesan_engine.types import Prediction

MAX_TRIANGLES = 50_000
SMOOTHING = 0.7  # nodes
LEVELS = (0.35, 0.65)  # of the range of values, drawn as surfaces


@dataclass(frozen=True)
class Shell:
    """One surface. field: (z, y, x) float32, above a half inside; around: it is what surrounds the others, and starts switched off."""

    name: str
    color: tuple[int, int, int]
    field: np.ndarray
    around: bool = False


def shells(project: Project, prediction: Prediction) -> list[Shell]:
    """Return what can be drawn of an overview: the classes that are not hidden, or two levels of the values."""
    if prediction.labels is None:
        low, high = value_range(project, prediction)
        share = np.nan_to_num((prediction.values - low) / (high - low))
        tints = values_rgb(np.asarray([LEVELS]), (0, 1))[0]
        unit = project.task.unit
        return [Shell(f"{low + level * (high - low):.4g} {unit}".strip(), tuple(tint),
                      np.clip(share - level + 0.5, 0, 1).astype(np.float32)) for level, tint in zip(LEVELS, tints, strict=True)]
    view, task = project.class_view(), project.task
    labels = prediction.labels
    rim = np.bincount(np.concatenate([labels.take(end, axis=axis).ravel() for axis in range(3) for end in (0, -1)]) + 1,
                      minlength=len(task.classes) + 1)
    shown = [label for label in view["order"] if label not in view["hidden"] and (labels == label).any()]
    around = int(rim[1:].argmax()) if len(shown) > 1 else None
    return [Shell(task.classes[label], task.colors[label], _smooth(labels == label), label == around) for label in shown]


def meshes(found: list[Shell], steps: tuple[float, ...], limit: int = MAX_TRIANGLES) -> list[tuple[Shell, np.ndarray, np.ndarray]]:
    """Return (shell, (n, 3) corners as z, y, x in the world, (m, 3) triangles), coarser until all together have at most `limit`.

    steps: the world size of a node along each axis.
    """
    step = 1
    while True:
        made = [(shell, *_surface(shell.field[::step, ::step, ::step], np.asarray(steps) * step)) for shell in found]
        made = [(shell, corners, triangles) for shell, corners, triangles in made if len(triangles)]
        total = sum(len(triangles) for _, _, triangles in made)
        if total <= limit:
            return made
        step = max(step + 1, int(step * np.sqrt(total / limit)))


def figure(project: Project, record: SampleRecord, prediction: Prediction) -> go.Figure:
    """Return the surfaces as a plotly figure that turns under the hand. Raises EmptyMemoryError when there is nothing to draw."""
    spacing = record.spacing or (1.0, 1.0, 1.0)
    nodes = np.asarray(prediction.novelty.shape)
    steps = tuple(np.asarray(spacing) * np.asarray(record.spatial_shape) / nodes)
    drawn = meshes(shells(project, prediction), steps)
    if not drawn:
        raise EmptyMemoryError("a class with a surface", "none that is shown", "label more, or show a hidden class")
    plot = go.Figure()
    for shell, corners, triangles in drawn:
        z, y, x = corners.T
        i, j, k = triangles.T
        plot.add_mesh3d(x=x, y=y, z=z, i=i, j=j, k=k, color="rgb({}, {}, {})".format(*map(int, shell.color)), name=shell.name,
                        showlegend=True, visible="legendonly" if shell.around else True, hovertemplate=f"{shell.name}<extra></extra>",
                        lighting={"ambient": 0.45, "diffuse": 0.75, "specular": 0.15, "roughness": 0.7})
    unit = record.unit if record.spacing else "voxels"
    axes = {f"{name}axis": {"title": {"text": f"{name} ({unit})"}, "showbackground": False, "range": [0, size]}
            for name, size in zip("zyx", np.asarray(steps) * nodes, strict=True)}
    axes["zaxis"]["range"] = axes["zaxis"]["range"][::-1]  # the first slice on top, as one reads them
    plot.update_layout(scene={"aspectmode": "data", **axes}, margin={"l": 0, "r": 0, "t": 0, "b": 0}, uirevision=record.id,
                       legend={"x": 0, "y": 1, "itemsizing": "constant"})
    return plot


def _smooth(inside: np.ndarray) -> np.ndarray:
    """Return a mask with softer edges; as it is where softening would leave nothing above a half."""
    soft = ndimage.gaussian_filter(inside.astype(np.float32), SMOOTHING)
    return soft if (soft > 0.5).any() else inside.astype(np.float32)


def _surface(field: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return corners and triangles of the level one half, closed at the sides of the volume."""
    closed = np.pad(field, 1)
    if not closed.max() > 0.5:
        return np.empty((0, 3)), np.empty((0, 3), int)
    corners, triangles, _, _ = marching_cubes(closed, 0.5, spacing=tuple(steps), allow_degenerate=False)
    return corners - 0.5 * steps, triangles
