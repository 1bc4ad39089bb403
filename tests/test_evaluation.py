"""Scores against their definitions, pixel by pixel."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from parmesan_engine import evaluation
from parmesan_engine.errors import ShapeError
from parmesan_engine.evaluation import BINS, Score, accuracy, confusion, dices, expected_calibration_error, ious, reliability
from parmesan_engine.types import TaskSpec

TASK = TaskSpec("segmentation", ("a", "b", "c"), ((0, 0, 0),) * 3)
maps = arrays(np.int16, (4, 5), elements=st.integers(-1, 2))


@settings(max_examples=60, deadline=None)
@given(truth=maps, predicted=maps)
def test_confusion_and_iou_are_what_counting_gives(truth, predicted):
    counts = confusion(truth, predicted, 3)
    assert counts.shape == (3, 4) and counts.sum() == (truth >= 0).sum()
    for a in range(3):
        for b in (0, 1, 2, -1):
            assert counts[a, b] == ((truth == a) & (predicted == b)).sum()
    for c, value in enumerate(ious(counts)):
        known = truth >= 0
        union = (known & ((truth == c) | (predicted == c))).sum()
        inside = ((truth == c) & (predicted == c)).sum()
        assert math.isnan(value) if union == 0 else value == pytest.approx(inside / union)


@settings(max_examples=60, deadline=None)
@given(truth=maps, predicted=maps)
def test_dice_follows_from_iou_and_accuracy_from_counting(truth, predicted):
    counts = confusion(truth, predicted, 3)
    assert np.allclose(dices(counts), 2 * ious(counts) / (1 + ious(counts)), equal_nan=True)
    known = truth >= 0
    right = ((truth == predicted) & known).sum()
    assert math.isnan(accuracy(counts)) if not known.any() else accuracy(counts) == pytest.approx(right / known.sum())


@settings(max_examples=60, deadline=None)
@given(truth=maps, predicted=maps, seed=st.integers(0, 99))
def test_calibration_is_what_counting_gives(truth, predicted, seed):
    confidence = np.random.default_rng(seed).choice([0.0, 0.05, 0.1, 0.3, 0.55, 0.95, 1.0], truth.shape)
    bins = reliability(truth, predicted, confidence)
    gap = total = 0
    for b in range(BINS):
        inside = (truth >= 0) & (predicted >= 0) & (np.minimum(np.floor(confidence * BINS + 1e-12), BINS - 1) == b)
        assert bins[b] == pytest.approx([inside.sum(), confidence[inside].sum(), (truth == predicted)[inside].sum()])
        if inside.any():
            gap += inside.sum() * abs(confidence[inside].mean() - (truth == predicted)[inside].mean())
            total += inside.sum()
    assert math.isnan(expected_calibration_error(bins)) if not total else expected_calibration_error(bins) == pytest.approx(gap / total)


def test_who_is_as_sure_as_right_is_calibrated():
    truth, predicted = np.zeros(100, np.int16), np.r_[np.zeros(75), np.ones(25)].astype(np.int16)
    assert expected_calibration_error(reliability(truth, predicted, np.full(100, 0.75))) == pytest.approx(0)
    assert expected_calibration_error(reliability(truth, predicted, np.full(100, 1.0))) == pytest.approx(0.25)


@pytest.mark.parametrize("kind", ["segmentation", "regression"])
def test_parts_add_up_to_the_whole_by_add_and_by_join(kind):
    random = np.random.default_rng(0)
    task = TASK if kind == "segmentation" else TaskSpec("regression", unit="K")
    if kind == "segmentation":
        truth, predicted = random.integers(-1, 3, (2, 6, 6, 6)).astype(np.int16)
    else:
        truth, predicted = np.where(random.random((2, 6, 6, 6)) < 0.2, np.nan, random.normal(size=(2, 6, 6, 6)))
    shares = random.dirichlet(np.ones(3), (6, 6, 6)).transpose(3, 0, 1, 2)
    parts, joined, whole = Score(task), Score(task), Score(task)
    for i in range(6):
        parts.add(truth[i], predicted[i], shares[:, i])
        one = Score(task)
        one.add(truth[i], predicted[i], shares[:, i])
        joined.join(one)
    whole.add(truth, predicted, shares)
    for score in (parts, joined):
        assert score.pixels == whole.pixels
        found, wanted = score.result(), whole.result()
        assert set(found) == set(wanted)
        assert all(found[name] == pytest.approx(wanted[name]) for name in wanted)
    if kind == "segmentation":
        assert set(wanted) == {"miou", "iou", "mean_dice", "dice", "accuracy", "ece", "unknown"} and list(wanted["dice"]) == ["a", "b", "c"]


def test_pairs_of_values_are_few_and_evenly_chosen(monkeypatch):
    monkeypatch.setattr(evaluation, "PAIRS", 100)
    values = np.arange(64 * 64, dtype=np.float32).reshape(64, 64)
    parts, joined = Score(TaskSpec("regression")), Score(TaskSpec("regression"))
    for rows in (values[:8], values[8:]):
        one = Score(TaskSpec("regression"))
        one.add(rows, rows + 1)
        joined.join(one)
        parts.add(rows, rows + 1)
    for score in (parts, joined):
        assert 20 <= len(score.pairs) <= 100 and (score.pairs[:, 1] == score.pairs[:, 0] + 1).all()
        assert len(np.unique(score.pairs[:, 0] % 64)) > 15, "not always the same columns"
        early = (score.pairs[:, 0] < 8 * 64).sum()
        assert abs(early - len(score.pairs) / 8) <= 3, "parts count by their size"


def test_a_perfect_prediction_scores_one_and_unknown_never_counts_as_right():
    truth = np.array([[0, 1, 2, -1]], np.int16)
    score = Score(TASK)
    score.add(truth, truth, np.eye(3)[np.maximum(truth, 0)].transpose(2, 0, 1))
    every = {"a": 1.0, "b": 1.0, "c": 1.0}
    assert score.result() == {"miou": 1.0, "iou": every, "mean_dice": 1.0, "dice": every, "accuracy": 1.0, "ece": 0.0, "unknown": 0.0}
    score = Score(TASK)
    score.add(truth, np.full_like(truth, -1))
    result = score.result()
    assert result["miou"] == result["mean_dice"] == result["accuracy"] == 0.0 and result["unknown"] == 1.0 and math.isnan(result["ece"])


def test_classes_that_never_occur_are_left_out_of_the_mean():
    score = Score(TASK)
    score.add(np.zeros((3, 3), np.int16), np.zeros((3, 3), np.int16))
    assert score.result()["miou"] == 1.0 and score.result()["iou"] == {"a": 1.0, "b": None, "c": None}
    assert math.isnan(Score(TASK).result()["miou"])


@pytest.mark.parametrize(("unit", "scale"), [("mm", 1000), ("K", 1)])
def test_rmse_in_metres_for_millimetres_and_without_what_is_unknown(unit, scale):
    score = Score(TaskSpec("regression", unit=unit))
    score.add(np.array([1.0, 2.0, np.nan, 4.0], np.float32), np.array([2.0, 4.0, 100.0, np.nan], np.float32))
    root = math.sqrt(2.5)
    assert score.result() == {"rmse": pytest.approx(root / scale), "mae": pytest.approx(1.5 / scale), "unknown": pytest.approx(1 / 3)}


def test_shapes_and_classes_must_agree():
    with pytest.raises(ShapeError):
        confusion(np.array([0, 3]), np.array([0, 1]), 3)
    with pytest.raises(ShapeError):
        confusion(np.array([0, 1]), np.array([0, 3]), 3)
    for task, a in ((TASK, np.zeros((2, 3), np.int16)), (TaskSpec("regression"), np.zeros((2, 3), np.float32))):
        with pytest.raises(ShapeError):
            Score(task).add(a, a.T)
