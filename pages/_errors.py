"""Pictures of where a prediction is wrong. No Streamlit in here."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from parmesan_engine import render
from parmesan_engine.types import Sample, TaskSpec

WIDEST = 640  # pixels of a picture of errors: enough for the screen, and light on the wire
WRONG, ABSTAINED = (220, 38, 38), (234, 160, 8)
VIEWS = ("Errors", "Prediction", "Truth")


@dataclass(frozen=True)
class Plane:
    """One plane of a sample with its truth and its prediction: picture (h, w, 3) uint8, the other two (h, w).

    aspect: height of a pixel by its width, physically; step: pixels of the sample for one of the plane; strength: of the marks, 0 to 1.
    """

    picture: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    aspect: float
    step: int = 1
    strength: float = 0.8


def plane_box(shape: tuple[int, ...], index: int | None) -> tuple[tuple[int, int], ...]:
    """Return the box of a picture or a signal, or of one plane across z of a volume."""
    box = tuple((0, n) for n in shape)
    return ((index, index + 1), *box[1:]) if len(shape) == 3 else box


def plane(sample: Sample, index: int | None, truth: np.ndarray, predicted: np.ndarray, *, height: int = 256) -> Plane:
    """Return what is to be seen of a sample. truth, predicted: of the plane's box; index: which plane of a volume, else None.

    height: pixels of the picture of a signal.
    """
    if sample.spatial_dims == 1:
        step = -(-len(truth) // (2 * WIDEST))
        picture = render.to_rgb(sample, height=height, x_step=step)
        rows = (render.plane_of(array, height=height, x_step=step) for array in (truth, predicted))
        return Plane(picture, *rows, 1.0, step, strength=0.45)  # whole columns are marked: the trace must stay to be seen
    if sample.spatial_dims == 3:
        truth, predicted = truth[0], predicted[0]
    step = -(-max(truth.shape) // WIDEST)
    picture = render.to_rgb(sample, 0, index)[::step, ::step]
    spacing = sample.spacing or (1.0,) * sample.spatial_dims
    return Plane(picture, truth[::step, ::step], predicted[::step, ::step], spacing[-2] / spacing[-1], step)


def class_picture(one: Plane, task: TaskSpec, view: str) -> np.ndarray:
    """Return (h, w, 3): what is wrong in red and what is unknown in amber on the faded picture, or the classes of truth or prediction."""
    grey = one.picture.mean(-1, keepdims=True)
    if view == "Errors":
        known = one.truth >= 0
        wrong, open_ = known & (one.predicted != one.truth) & (one.predicted >= 0), known & (one.predicted < 0)
        faded = np.broadcast_to(np.where(known[..., None], 90 + 0.55 * grey, 0.5 * grey), one.picture.shape)
        return _mixed(_mixed(faded, wrong, WRONG, one.strength), open_, ABSTAINED, one.strength).astype(np.uint8)
    codes = one.predicted if view == "Prediction" else one.truth
    colors = np.asarray([*task.colors, (0, 0, 0)], np.float32)[codes]
    return np.where((codes >= 0)[..., None], 0.45 * one.picture + 0.55 * colors, 0.6 * grey).astype(np.uint8)


def confusions(one: Plane, task: TaskSpec, count: int = 8) -> list[dict[str, object]]:
    """Return the most frequent errors of a plane, as rows of a table."""
    wrong = (one.truth >= 0) & (one.truth != one.predicted)
    pairs, counts = np.unique(np.stack([one.truth[wrong], one.predicted[wrong]], 1), axis=0, return_counts=True)
    names, known = [*task.classes, "unknown"], max(int((one.truth >= 0).sum()), 1)
    order = np.argsort(-counts, kind="stable")[:count]
    return [{"truth": names[pairs[i, 0]], "predicted": names[pairs[i, 1]], "share": float(counts[i] / known)} for i in order]


def worst_place(one: Plane, shape: tuple[int, ...], index: int | None) -> tuple[int, ...] | None:
    """Return the pixel of a sample of this shape that lies deepest inside what is wrong on a plane of classes; None without errors."""
    wrong = (one.truth >= 0) & (one.truth != one.predicted)
    if not wrong.any():
        return None
    places = wrong[0] if len(shape) == 1 else wrong  # rows of a signal's picture say nothing
    depth = ndimage.distance_transform_edt(np.pad(places, 1))[(slice(1, -1),) * places.ndim]
    at = tuple(int(n) * one.step for n in np.unravel_index(depth.argmax(), depth.shape))
    return at if index is None else (index, *at)


def _mixed(ground: np.ndarray, where: np.ndarray, color: tuple[int, int, int], strength: float) -> np.ndarray:
    return np.where(where[..., None], (1 - strength) * ground + strength * np.asarray(color), ground)
