"""Scores against their definitions, pixel by pixel."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from parmesan_engine.errors import ShapeError
from parmesan_engine.evaluation import Score, confusion, ious
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


def test_samples_add_up_to_one_large_sample():
    random = np.random.default_rng(0)
    truth, predicted = random.integers(-1, 3, (2, 6, 6, 6)).astype(np.int16)
    parts, whole = Score(TASK), Score(TASK)
    for t, p in zip(truth, predicted, strict=True):
        parts.add(t, p)
    whole.add(truth, predicted)
    assert parts.result() == whole.result() and parts.samples == 6 and whole.samples == 1
    assert set(parts.result()) == {"miou", "iou", "unknown"} and list(parts.result()["iou"]) == ["a", "b", "c"]


def test_a_perfect_prediction_scores_one_and_unknown_never_counts_as_right():
    truth = np.array([[0, 1, 2, -1]], np.int16)
    score = Score(TASK)
    score.add(truth, truth)
    assert score.result() == {"miou": 1.0, "iou": {"a": 1.0, "b": 1.0, "c": 1.0}, "unknown": 0.0}
    score = Score(TASK)
    score.add(truth, np.full_like(truth, -1))
    assert score.result()["miou"] == 0.0 and score.result()["unknown"] == 1.0


def test_classes_that_never_occur_are_left_out_of_the_mean():
    score = Score(TASK)
    score.add(np.zeros((3, 3), np.int16), np.zeros((3, 3), np.int16))
    assert score.result()["miou"] == 1.0 and score.result()["iou"] == {"a": 1.0, "b": None, "c": None}
    assert math.isnan(Score(TASK).result()["miou"])


@pytest.mark.parametrize(("unit", "scale"), [("mm", 1000), ("K", 1)])
def test_rmse_in_metres_for_millimetres_and_without_what_is_unknown(unit, scale):
    score = Score(TaskSpec("regression", unit=unit))
    score.add(np.array([1.0, 2.0, np.nan, 4.0], np.float32), np.array([2.0, 4.0, 100.0, np.nan], np.float32))
    assert score.result() == {"rmse": pytest.approx(math.sqrt(2.5) / scale), "unknown": pytest.approx(1 / 3)}


def test_shapes_must_agree():
    for task, a in ((TASK, np.zeros((2, 3), np.int16)), (TaskSpec("regression"), np.zeros((2, 3), np.float32))):
        with pytest.raises(ShapeError):
            Score(task).add(a, a.T)
