"""Draw the scores of a report: numbers, figures, tables, pictures of errors, the learning curve."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from pages import _charts, _errors, _state
from pages._desk import Desk
from parmesan_engine.evaluation import error_unit
from parmesan_engine.io import Dataset
from parmesan_engine.project import Project, scoring
from parmesan_engine.project.curve import Point
from parmesan_engine.project.scoring import Report, SampleScore
from parmesan_engine.project.truth import in_use
from parmesan_engine.project.truth import truth as truth_of
from parmesan_engine.resample import slices
from parmesan_engine.types import TaskSpec

_PLAIN = {"displayModeBar": False}
_ZOOM = {"displayModeBar": False, "scrollZoom": True}


def choose(views: tuple[str, ...]) -> str:
    """Return which part of a report is looked at."""
    return st.segmented_control("Show", views, default=views[0], key=f"eval-view-{len(views)}", label_visibility="collapsed") or views[0]


def draw(report: Report) -> None:
    """Draw the numbers, the figures and the table of samples."""
    result, theme = report.total.result(), _theme()
    _numbers(report, result)
    left, right = st.columns(2, gap="medium")
    if report.task.kind == "regression":
        with left:
            st.markdown("**Prediction against truth**")
            st.plotly_chart(_charts.agreement(report.total.pairs, report.task.unit, theme), config=_PLAIN, key="agreement")
        with right:
            _table(report)
        return
    with left:
        st.markdown("**Classes**")
        st.plotly_chart(_charts.class_scores(report.task, result["iou"], result["dice"], theme), config=_PLAIN, key="class-scores")
        st.markdown("**Is it as sure as it is right?**")
        st.plotly_chart(_charts.reliability(report.total.bins, theme), config=_PLAIN, key="reliability")
    with right:
        st.markdown("**What is taken for what**")
        st.plotly_chart(_charts.confusion(report.task, report.total.counts, theme), config=_PLAIN, key="confusion")
        _table(report)


def _numbers(report: Report, result: dict[str, Any]) -> None:
    unit, _ = error_unit(report.task)
    if report.task.kind == "segmentation":
        shown = [("Mean IoU", f"{result['miou']:.3f}", "Overlap of truth and prediction by their union, the mean over the classes"),
                 ("Mean Dice", f"{result['mean_dice']:.3f}", "Twice the overlap by the sum of both, the mean over the classes"),
                 ("Accuracy", f"{result['accuracy']:.1%}", "Pixels that are right; unknown is not right"),
                 ("Calibration error", f"{result['ece']:.3f}", "Mean gap between confidence and share right, 0 is best (ECE)")]
    else:
        shown = [("RMSE", f"{result['rmse']:.4g} {unit}", "Root of the mean squared error"),
                 ("MAE", f"{result['mae']:.4g} {unit}", "Mean absolute error")]
    shown += [("Unknown", f"{result['unknown']:.1%}", "Pixels where the memory abstains"),
              ("Compared", f"{report.total.pixels:,}", f"Labelled pixels in {len(report.samples)} samples")]
    for column, (name, value, text) in zip(st.columns(len(shown)), shown, strict=True):
        column.metric(name, value, help=text)
    if report.total.pixels == 0:
        st.info("Every labelled pixel of the truth was painted too, so nothing is left to compare with. Switch off "
                "Leave out painted pixels, or add the truth of another sample.", icon=":material/info:")


def _table(report: Report) -> None:
    st.markdown("**Samples**")
    st.dataframe(table_rows(report), hide_index=True, height=min(330, 37 + 35 * len(report.samples)), column_config={
        name: st.column_config.ProgressColumn(format="%.3f", min_value=0.0, max_value=1.0, width="small")
        for name in ("mean IoU", "mean Dice", "accuracy")})


def table_rows(report: Report) -> list[dict[str, Any]]:
    """Return one row per sample, the worst first; a score that cannot be given is None."""
    names = {"miou": "mean IoU", "mean_dice": "mean Dice", "accuracy": "accuracy", "ece": "calibration error", "rmse": "RMSE", "mae": "MAE"}
    return [{"sample": sample.name} | {names[k]: _number(v) for k, v in sample.score.result().items() if k in names}
            | {"pixels": sample.score.pixels} for sample in worst_first(report)]


def worst_first(report: Report) -> list[SampleScore]:
    """Return the samples by their score, those without one last."""
    name, sign = ("miou", 1) if report.task.kind == "segmentation" else ("rmse", -1)
    scored = [(sample.score.result()[name], sample) for sample in report.samples]
    return [sample for _, sample in sorted(scored, key=lambda pair: (math.isnan(pair[0]), sign * pair[0], pair[1].name))]


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def draw_errors(desk: Desk, project: Project, report: Report) -> None:
    """Draw where the prediction of a sample of the project is wrong, as it is now."""
    left, right = st.columns([3, 1], gap="medium")
    with right:
        one = _pick(report)
        if one.sample_id not in scoring.with_truth(project):
            left.caption("The truth of this sample is not there any more.")
            return
        record = project.store.record(one.sample_id)
        index = _slice(record.spatial_shape)
        views = _views(project.task)
    box = _errors.plane_box(record.spatial_shape, index)
    truth = in_use(truth_of(project.path, record.id)[slices(box)], project.task)
    prediction = project.predict(record.id, box=box)
    predicted = prediction.values if prediction.labels is None else prediction.labels
    plane = _errors.plane(project.read_sample(record.id), index, np.asarray(truth), predicted)
    _draw_plane(plane, project.task, views, left, right)
    at = _errors.worst_place(plane, record.spatial_shape, index) if report.task.kind == "segmentation" else None
    if at is not None and right.button("Ask why on Annotate", icon=":material/draw:", help="Opens the sample at its thickest error"):
        desk.goto(record, at)
        desk.jumps += 1
        st.switch_page("annotate.py")


def draw_item_errors(project: Project, report: Report, dataset: Dataset, split: str) -> None:
    """Draw where the prediction of a sample of a dataset is wrong, as it is now."""
    left, right = st.columns([3, 1], gap="medium")
    with right:
        one = _pick(report)
        item = next(item for item in dataset.items(split) if item.name == one.name)
        truth = dataset.read_label(item)
        index, views = _slice(truth.shape), _views(report.task)
    box = _errors.plane_box(truth.shape, index)
    key = (str(dataset.folder), split, one.name, project.version, box)
    held = _state.picked("error-plane")
    if held is None or held[0] != key:
        with left, st.spinner("Predicting"):
            sample = dataset.read_sample(item)
            prediction = scoring.predict_visitor(project.snapshot(), sample, box)
        predicted = prediction.values if prediction.labels is None else prediction.labels
        held = key, _errors.plane(sample, index, truth[slices(box)], predicted)
        _state.put("error-plane", held)
    _draw_plane(held[1], report.task, views, left, right)


def _pick(report: Report) -> SampleScore:
    samples = worst_first(report)
    chosen = st.selectbox("Sample, the worst first", range(len(samples)), format_func=lambda i: samples[i].name,
                          key=f"error-sample-{report.version}")
    return samples[chosen]


def _slice(shape: tuple[int, ...]) -> int | None:
    """Return which plane across z is looked at, None unless it is a volume."""
    if len(shape) != 3 or shape[0] == 1:
        return 0 if len(shape) == 3 else None
    return st.slider("Slice across z", 0, shape[0] - 1, shape[0] // 2, key=f"error-slice-{shape[0]}")


def _views(task: TaskSpec) -> str:
    return st.segmented_control("Picture", _errors.VIEWS, default="Errors", key="error-view") or "Errors"


def _draw_plane(plane: _errors.Plane, task: TaskSpec, view: str, left, right) -> None:
    theme = _theme()
    if task.kind == "regression":
        figure = _charts.value_map(plane.truth, plane.predicted, view, task.unit, plane.aspect, theme)
        left.plotly_chart(figure, config=_ZOOM, key="value-map")
        return
    left.plotly_chart(_charts.picture(_errors.class_picture(plane, task, view), plane.aspect), config=_ZOOM, key="error-map")
    with right:
        if view == "Errors":
            st.html('<div class="keys"><span style="--swatch:#dc2626">wrong</span><span style="--swatch:#eaa008">unknown</span></div>')
        rows = _errors.confusions(plane, task)
        if rows:
            st.dataframe(rows, hide_index=True, column_config={"share": st.column_config.NumberColumn(format="percent", width="small")})
        else:
            st.caption("Nothing is wrong here." if (plane.truth >= 0).any() else "Nothing is labelled here.")


def draw_curve(points: Sequence[Point]) -> None:
    """Draw scores over the number of examples, and the numbers as a table."""
    if not points:
        return
    task = points[-1].report.task
    measures = {"miou": "mean IoU", "mean_dice": "mean Dice"} if task.kind == "segmentation" else {"rmse": "RMSE", "mae": "MAE"}
    st.plotly_chart(_charts.curve(points, measures, _theme()), config=_PLAIN, key="curve")
    rows = [{"version": point.record.version[:8], "examples": point.record.entries, "author": point.record.author or "engine"}
            | {name: _number(point.report.total.result()[key]) for key, name in measures.items()} for point in points]
    st.dataframe(rows, hide_index=True, height=min(330, 37 + 35 * len(rows)))


def _theme() -> _charts.Theme:
    return _charts.Theme(st.context.theme.type == "dark")
