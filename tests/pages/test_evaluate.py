"""The Evaluate page without a browser: scores, errors and the learning curve, and what it says where there is nothing to score."""

import json

import numpy as np
import pytest

from pages import _charts, _errors, _scores, _state
from parmesan_engine.evaluation import Score
from parmesan_engine.project.scoring import Report, SampleScore
from parmesan_engine.project.truth import drop_truth, keep_truth
from parmesan_engine.types import Sample, TaskSpec
from tests.helpers import TASK, make_dataset
from tests.pages.choosing import choose
from tests.project.painter import line

THEME = _charts.Theme(dark=False)


@pytest.fixture
def page(at, picture):
    """The Evaluate page with the project of `picture` open."""
    at.run()
    choose(at, picture[0])
    return at.switch_page("evaluate.py").run()


def halves():
    return np.broadcast_to((np.arange(48) >= 24).astype(np.int16), (32, 48))


def press(at, label):
    next(button for button in at.button if button.label == label).click().run()
    for job in _state.jobs().active():
        job.wait(60)
    return at.run()


def said(at):
    return " ".join(e.value for e in at.info)


def figures(at):
    return [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]


def test_without_truth_it_says_what_to_do(page):
    assert not page.exception and "No sample of this project has a known truth" in said(page) and not page.metric


def test_scores_of_samples_with_truth(page, picture):
    _, project, sample_id = picture
    keep_truth(project.path, project.store.record(sample_id), halves())
    press(page.run(), "Evaluate")
    assert not page.exception and not said(page)
    shown = {metric.label: metric.value for metric in page.metric}
    own, painted = Score(project.task), project.painted(sample_id) >= 0
    own.add(np.where(painted, np.int16(-1), halves()), project.predict(sample_id).labels)
    assert shown["Compared"] == f"{32 * 48 - painted.sum():,}" and shown["Mean IoU"] == f"{own.result()['miou']:.3f}"
    assert set(shown) == {"Mean IoU", "Mean Dice", "Accuracy", "Calibration error", "Unknown", "Compared"}
    assert len(figures(page)) == 3 and len(page.dataframe) == 1
    project.undo()
    page.run()
    assert any("The memory has changed since" in caption.value for caption in page.caption), "old scores are said to be old"
    project.redo()


def test_errors_and_curve(page, picture):
    _, project, sample_id = picture
    wrong = halves().copy()
    wrong[:4] = 1 - wrong[:4]
    keep_truth(project.path, project.store.record(sample_id), wrong)
    press(page.run(), "Evaluate")
    show(page, "Errors")
    assert not page.exception and len(page.dataframe) == 1 and len(figures(page)) == 1
    assert set(page.dataframe[0].value["truth"]) <= {"dark", "bright"}
    assert any(button.label == "Ask why on Annotate" for button in page.button)
    show(page, "Learning curve")
    press(page, "Walk through the history")
    assert not page.exception
    (figure,) = figures(page)
    assert len(figure["data"]) == 2 and len(page.dataframe[0].value) == 2


def show(at, view):
    next(group for group in at.segmented_control if group.label == "Show").set_value(view).run()


def aged(at):
    return [caption.value for caption in at.caption if "has changed since" in caption.value]


def test_scores_of_another_truth_are_said_to_be_old(page, picture):
    _, project, sample_id = picture
    record = project.store.record(sample_id)
    keep_truth(project.path, record, halves())
    press(page.run(), "Evaluate")
    show(page, "Learning curve")
    press(page, "Walk through the history")
    assert not page.exception and not aged(page)
    keep_truth(project.path, record, 1 - halves())
    page.run()
    assert len(aged(page)) == 2, "scores and curve"
    press(page, "Evaluate")
    assert not page.exception and not aged(page)
    show(page, "Learning curve")
    assert len(aged(page)) == 1, "the curve only"
    press(page, "Walk through the history")
    assert not page.exception and not aged(page)
    second = project.add_sample(Sample(np.zeros((1, 8, 8), np.uint8), "other"))
    keep_truth(project.path, second, np.zeros((8, 8), np.int16))
    drop_truth(project.path, sample_id)
    show(page, "Errors")
    assert not page.exception and aged(page) and any("not there any more" in caption.value for caption in page.caption)


def test_a_dataset_of_another_task_is_refused_in_words(page, tmp_path):
    next(group for group in page.segmented_control if group.label == "Against").set_value("A dataset folder").run()
    page.text_input(key="eval-folder").input(str(tmp_path)).run()
    assert not page.exception and any("dataset.json" in e.proto.body for e in page.get("html"))
    page.text_input(key="eval-folder").input(str(make_dataset(tmp_path / "data"))).run()
    assert not page.exception and any("use its own dataset" in e.proto.body for e in page.get("html")) and not page.metric


@pytest.mark.parametrize("kind", ["segmentation", "regression"])
def test_a_dataset_folder_is_scored_and_its_errors_are_shown(at, tmp_path, kind):
    values = kind == "regression"
    task = TaskSpec("regression", unit="mm") if values else TASK
    name = _state.shelf().create(f"folder-{kind}", task)
    project = _state.shelf().project(name)
    sample = project.add_sample(Sample(np.random.default_rng(0).integers(0, 255, (1, 24, 20)).astype(np.uint8), "one"))
    labels = ({"label": None, "value": 1500.0}, {"label": None, "value": 1000.0}) if values else ({"label": 1}, {"label": 0})
    project.annotate(sample.id, [line(20, 3, 12, **labels[0]), line(4, 3, 15, **labels[1])])
    at.run()
    choose(at, name)
    at.switch_page("evaluate.py").run()
    next(group for group in at.segmented_control if group.label == "Against").set_value("A dataset folder").run()
    at.text_input(key="eval-folder").input(str(make_dataset(tmp_path / "data", kind=kind, test=2))).run()
    press(at, "Evaluate")
    assert not at.exception and {"RMSE" if values else "Mean IoU", "Compared"} <= {metric.label for metric in at.metric}
    assert len(at.dataframe[0].value) == 2 and len(project.samples()) == 1 and len(figures(at)) == (1 if values else 3)
    assert not aged(at)
    at.number_input(key="eval-limit").set_value(1).run()
    assert aged(at), "the score of another number of samples"
    show(at, "Errors")
    assert not at.exception and len(figures(at)) == 1


def report(*pairs):
    samples = []
    for number, (truth, predicted) in enumerate(pairs):
        score = Score(TASK)
        score.add(np.asarray(truth), np.asarray(predicted))
        samples.append(SampleScore(f"s{number}", "", score, 1.0))
    return Report(TASK, "v", "m", 3, tuple(samples))


def test_the_worst_sample_comes_first_and_those_without_a_score_last():
    rows = _scores.table_rows(report(([0, 1], [0, 1]), ([-1, -1], [0, 1]), ([0, 1], [1, 1])))
    assert [row["sample"] for row in rows] == ["s2", "s0", "s1"] and rows[2]["mean IoU"] is None


def test_the_confusion_chart_shows_shares_of_the_truth():
    counts = report(([0, 0, 0, 1, 1], [0, 0, 1, 1, -1])).total.counts
    heat = _charts.confusion(TASK, counts, THEME).data[0]
    assert heat.y == ("ground", "blob") and heat.x == ("ground", "blob", "unknown")
    assert np.allclose(heat.z, [[2 / 3, 1 / 3, 0], [0, 1 / 2, 1 / 2]]) and np.array_equal(heat.customdata, [[2, 1, 0], [0, 1, 1]])


def test_pictures_of_errors_mark_what_is_wrong_and_what_is_unknown():
    truth, predicted = np.array([[0, 1, 1, -1]], np.int16), np.array([[0, 0, -1, 1]], np.int16)
    sample = Sample(np.full((1, 1, 4), 128, np.uint8), "s")
    one = _errors.plane(sample, None, truth, predicted)
    right, wrong, unknown, unlabelled = _errors.class_picture(one, TASK, "Errors")[0].astype(int)
    assert np.ptp(right) == np.ptp(unlabelled) == 0 and unlabelled[0] < right[0], "grey, and darker where nothing is known"
    assert wrong[0] > 180 > 90 > wrong[1] and unknown[0] > unknown[1] > unknown[2] + 60
    assert _errors.confusions(one, TASK) == [{"truth": "blob", "predicted": "unknown", "share": pytest.approx(1 / 3)},
                                             {"truth": "blob", "predicted": "ground", "share": pytest.approx(1 / 3)}]
    colors = _errors.class_picture(one, TASK, "Truth")[0].astype(int)
    assert colors[1][0] > colors[1][1] and np.ptp(colors[3]) == 0


def test_the_worst_place_is_the_middle_of_the_thickest_error():
    truth = np.zeros((2000, 1500), np.int16)
    predicted = truth.copy()
    predicted[10:12, :], predicted[900:1000, 400:500] = 1, -1

    def plane(truth, predicted):
        return _errors.plane(Sample(np.zeros((1, *truth.shape), np.uint8), "s"), None, truth, predicted)

    one = plane(truth, predicted)
    y, x = _errors.worst_place(one, truth.shape, None)
    assert abs(y - 950) < 10 and abs(x - 450) < 10
    assert _errors.worst_place(plane(truth, truth), truth.shape, None) is None
    signal = plane(np.zeros(5000, np.int16), np.repeat(np.int16([0, 1, 0]), [3000, 40, 1960]))
    (t,) = _errors.worst_place(signal, (5000,), None)
    assert 3010 <= t <= 3030


@pytest.mark.parametrize("shape", [(5000,), (2000, 1500), (9, 30, 20)])
def test_pictures_of_errors_are_bounded(shape):
    index = 4 if len(shape) == 3 else None
    box = tuple(slice(*ends) for ends in _errors.plane_box(shape, index))
    truth = np.zeros(shape, np.int16)[box]
    one = _errors.plane(Sample(np.zeros((1, *shape), np.uint8), "s"), index, truth, truth)
    assert max(one.picture.shape) <= 2 * _errors.WIDEST and one.truth.shape == one.predicted.shape == one.picture.shape[:2]
    assert _errors.class_picture(one, TASK, "Errors").shape == one.picture.shape


def test_maps_of_values_are_signed_and_centred():
    truth, predicted = np.array([[1.0, 2.0, np.nan]]), np.array([[2.0, 1.5, 5.0]])
    heat = _charts.value_map(truth, predicted, "Errors", "K", 1.0, THEME).data[0]
    assert np.allclose(heat.z, [[1.0, -0.5, np.nan]], equal_nan=True) and heat.zmin == -heat.zmax
