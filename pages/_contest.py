"""What methods say of a sample of a project, kept while the project stays as it is; their pictures and numbers. No Streamlit in here."""

from typing import Any

import numpy as np

from pages import _errors, _trials
from pages._kept import Kept
from pages._ledger import size
from parmesan_engine import render
from parmesan_engine.compare.picture import Answer, Asked, Learned, answer, difference, disagreement, learn
from parmesan_engine.errors import ParmesanError
from parmesan_engine.evaluation import error_unit
from parmesan_engine.jobs import Job, StoppedError
from parmesan_engine.methods import METHODS
from parmesan_engine.project import Project
from parmesan_engine.types import Sample, TaskSpec

OURS = "parmesan"  # what the others are compared with
FIRST = (OURS, "random_forest", "knn", "hummingbird")  # quick, and unlike each other
BAND = 128  # pixels of height of a signal: many are shown one under the other
CONTEST = Kept(learn, most=16)  # of all sessions


def offered() -> list[str]:
    """Return the recipes to choose from, ours first; those that learn from samples would train for long: a minute will do."""
    names = sorted(METHODS.names(), key=lambda name: (name != OURS, name))
    return [name + ":minutes=1" * METHODS.get(name).raw for name in names]


def seen(project: Project, text: str, sample_id: str) -> tuple[Learned | None, Answer | None]:
    """Return what a method has learned and what it says of a sample, as far as that is known of the project as it is now."""
    known = CONTEST.get(project, text)
    return (known.thing, known.looks.get(sample_id)) if known else (None, None)


def work(project: Project, texts: list[str], sample_id: str, job: Job) -> dict[str, ParmesanError]:
    """Let methods learn and answer, one after the other so that their seconds compare; return those that could not, and why."""
    asked, failed = Asked(project, sample_id), {}
    for number, text in enumerate(texts):
        def part(start: float, stop: float, number=number, text=text):
            return job.part((number + start) / len(texts), (number + stop) / len(texts), f"{text}: learning and answering")

        try:
            CONTEST.work(project, text, sample_id, lambda learned, progress: answer(learned, asked, progress), part)
        except StoppedError:
            raise
        except ParmesanError as error:
            failed[text] = error
    return failed


def rows(task: TaskSpec, learned: dict[str, Learned], answers: dict[str, Answer]) -> list[dict[str, Any]]:
    """Return one row per method: score, agreement with ours, seconds, bytes."""
    classes, (unit, scale) = task.kind == "segmentation", error_unit(task)
    ours = next((answers[text] for text in answers if METHODS.parse(text)["name"] == OURS), None)
    table = []
    for text, one in answers.items():
        row = {"method": text, ("mean IoU" if classes else f"RMSE {unit}".strip()): _rounded(one.score, "miou" if classes else "rmse")}
        if ours is not None:
            apart = None if one is ours else difference(one.values, ours.values)
            row[f"agrees with {OURS}" if classes else f"RMS from {OURS} {unit}".strip()] = (
                None if apart is None else round(1 - apart if classes else apart / scale, 4))
        row |= {"seconds to learn": round(learned[text].seconds, 4), "seconds to predict": round(one.seconds, 4),
                "bytes": int(learned[text].method.bytes)}
        if one.score and classes:
            row |= {f"IoU {name}": value and round(value, 4) for name, value in one.score["iou"].items()}
        table.append(row | {"note": learned[text].method.note})
    return table


def words(task: TaskSpec, row: dict[str, Any]) -> list[str]:
    """Return what is written under the picture of a method, line by line."""
    _, (name, score), *others = row.items()
    unit = f" {error_unit(task)[0]}" if task.kind == "regression" else ""
    lines = [f"{name.removesuffix(unit)} {score:.3f}{unit}"] if score is not None else []
    apart = next((value for key, value in others if key.startswith(("agrees with", "RMS from"))), None)
    if apart is not None:
        lines.append(f"{apart:.3g}{unit} from {OURS} (RMS)" if unit else f"{apart:.1%} the same as {OURS}")
    return [*lines, f"learned in {_seconds(row['seconds to learn'])}, predicts in {_seconds(row['seconds to predict'])}",
            f"keeps {size(row['bytes'])}"]


def sample_picture(sample: Sample, index: int | None) -> np.ndarray:
    """Return (h, w, 3) of a sample. index: which plane of a volume, else None."""
    nothing = np.zeros(tuple(stop - start for start, stop in _errors.plane_box(sample.spatial_shape, index)), np.int16)
    one = _plane(sample, index, nothing, nothing)
    return _screen(one.picture, sample, one)


def answer_picture(sample: Sample, index: int | None, task: TaskSpec, view: str, truth: np.ndarray, values: np.ndarray,
                   limits: tuple[float, float]) -> np.ndarray:
    """Return (h, w, 3): what is predicted, true, or wrong, on a plane of a sample. truth, values: of its box (see `_errors.plane_box`).

    limits: the values, or errors of values, in the first and last colour.
    """
    one = _plane(sample, index, truth, values)
    if task.kind == "segmentation":
        return _screen(_errors.class_picture(one, task, view), sample, one)
    shown = {"Prediction": one.predicted, "Truth": one.truth, "Errors": np.abs(one.predicted - one.truth)}[view]
    colours = render.values_rgb(shown, limits)
    return _screen(_over(one, colours, 0.65) if sample.spatial_dims == 1 else colours, sample, one)


def disagreement_picture(sample: Sample, index: int | None, answers: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return ((h, w, 3), the disagreement on the plane). answers: of its box."""
    apart = disagreement(answers)
    one = _plane(sample, index, apart, apart)
    faded = np.broadcast_to(90 + 0.55 * one.picture.mean(-1, keepdims=True), one.picture.shape).astype(np.uint8)
    if answers[0].dtype.kind == "f":
        return _screen(render.values_rgb(one.truth), sample, one), apart
    colours = _over(one, render.values_rgb(one.truth, (1, max(len(answers) - 1, 2))), 0.8)
    return _screen(np.where(one.truth[..., None] > 0, colours, faded), sample, one), apart


def _plane(sample: Sample, index: int | None, *maps: np.ndarray) -> _errors.Plane:
    return _errors.plane(sample, index, *maps, height=BAND)


def _over(one: _errors.Plane, colours: np.ndarray, strength: float) -> np.ndarray:
    return ((1 - strength) * one.picture + strength * colours).astype(np.uint8)


def _screen(picture: np.ndarray, sample: Sample, one: _errors.Plane) -> np.ndarray:
    """Return a picture as large as it is shown: pixels as squares, in the proportions of the sample."""
    return picture if sample.spatial_dims == 1 else _trials.features_picture(picture, None, one.aspect)


def _rounded(score: dict[str, Any] | None, name: str) -> float | None:
    return None if score is None or not np.isfinite(score[name]) else round(score[name], 4)


def _seconds(value: float) -> str:
    return "under 1 ms" if value < 0.001 else f"{1000 * value:.0f} ms" if value < 1 else f"{value:.1f} s"
