"""What encoders would be to a project, and their pictures. No Streamlit in here."""

import inspect
import json
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from pages import _errors
from pages._kept import Kept
from parmesan_engine import render
from parmesan_engine.encoders import ENCODERS
from parmesan_engine.errors import ParmesanError
from parmesan_engine.jobs import Job
from parmesan_engine.project import Project
from parmesan_engine.project.trying import Look, Trial, look, try_encoder
from parmesan_engine.registry import pinned, recipe_of
from parmesan_engine.types import TaskSpec

WIDE = 480  # pixels of a picture of features: nodes are drawn as squares, not blurred
BAND = 160  # pixels of height of a signal's features
TRIALS = Kept(try_encoder, most=8)  # of all sessions


def work(project: Project, text: str, sample_id: str, job: Job) -> None:
    """Try an encoder, where that is not known yet, and look at a sample with it: the work of a job."""
    def seen(trial: Trial, progress) -> Look:
        return look(trial, project.read_sample(sample_id), project.features.channels, progress)

    TRIALS.work(project, text, sample_id, seen, job.part)


def own_text(project: Project) -> str:
    """Return the recipe of a project's encoder as short as it can be said; where it computes says nothing of it."""
    recipe = recipe_of(project.encoder)
    return _short(json.dumps({**recipe, "keywords": {name: value for name, value in recipe["keywords"].items() if name != "device"}}))


@lru_cache(maxsize=64)
def _short(recipe: str) -> str:
    """Return a recipe as text without the keywords that come by themselves: defaults, and what was pinned when it was chosen."""
    whole = json.loads(recipe)
    name, keywords = whole["name"], dict(whole["keywords"])
    for keyword in whole["keywords"]:
        rest = {key: value for key, value in keywords.items() if key != keyword}
        with suppress(ParmesanError, OSError):  # an encoder whose files are gone keeps its long name
            again = json.loads(json.dumps(recipe_of(pinned(ENCODERS.build({"name": name, "keywords": rest})))))
            if {key: value for key, value in again["keywords"].items() if key != "device"} == whole["keywords"]:
                keywords = rest
    return ENCODERS.text({"name": name, "keywords": keywords})


def offered(project: Project) -> list[str]:
    """Return the encoders to choose from: the project's own first, then those that need nothing but their name."""
    own = own_text(project)
    return [own] + [name for name in ENCODERS.names() if name != own and "model" not in inspect.signature(ENCODERS.get(name)).parameters]


def rows(task: TaskSpec, trials: dict[str, Trial], own: str) -> list[dict[str, Any]]:
    """Return one row per encoder, the best score of examples by others' first."""
    measure, name, sign = ("miou", "mean IoU", -1) if task.kind == "segmentation" else ("rmse", "RMSE", 1)
    table = []
    for text, trial in trials.items():
        table.append({"encoder": text + (" (in use)" if text == own else ""),
                      f"{name}, examples by others": None if trial.own is None else round(trial.own[measure], 4),
                      f"{name}, known truth": None if trial.truth is None else round(trial.truth[measure], 4),
                      "features": trial.channels, "bytes an example": trial.bytes_per_entry, "seconds a sample": round(trial.seconds, 3)})
    return sorted(table, key=lambda row: (list(row.values())[1] is None, sign * (list(row.values())[1] or 0)))


def features_picture(picture: np.ndarray, node: int | None, aspect: float) -> np.ndarray:
    """Return (h, w, 3) of (*grid, 3) colours. node: which plane of a volume; aspect: height of a node by its width."""
    if picture.ndim == 2:
        step = -(-len(picture) // (2 * WIDE))
        return np.broadcast_to(picture[::step], (BAND, -(-len(picture) // step), 3))
    plane = picture if node is None else picture[min(node, len(picture) - 1)]
    factor = max(1.0, WIDE / plane.shape[1])
    size = max(1, round(plane.shape[1] * factor)), max(1, round(plane.shape[0] * factor * aspect))
    return np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.NEAREST))


def answer_picture(project: Project, sample_id: str, index: int | None, answer: np.ndarray, stride: tuple[int, ...]) -> np.ndarray:
    """Return (h, w, 3): the answers at the nodes, in the colours of the classes or as values, on the sample.

    index: plane of a volume; stride: pixels that a node covers along each axis.
    """
    sample, task = project.read_sample(sample_id), project.task
    for axis, n in enumerate(sample.spatial_shape):
        answer = np.repeat(answer, stride[axis], axis).take(range(n), axis)
    if index is not None:
        answer = answer[index : index + 1]
    one = _errors.plane(sample, index, np.full(answer.shape, -1, np.int16), answer)
    if task.kind == "segmentation":
        picture = _errors.class_picture(one, task, "Prediction")
    else:
        picture = (0.35 * one.picture + 0.65 * render.values_rgb(one.predicted, task.display_range)).astype(np.uint8)
    return picture if sample.spatial_dims == 1 else features_picture(picture, None, one.aspect)
