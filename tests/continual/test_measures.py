"""Measures of a result matrix against numbers worked out by hand, and what must hold for every matrix."""

import numpy as np
import pytest

from parmesan_engine.continual.measures import average, backward_transfer, forgetting, forward_transfer, mean_iou, skill
from parmesan_engine.evaluation import confusion

NONE = np.nan
MATRIX = np.array([[0.9, 0.2, NONE], [0.7, 0.8, 0.3], [0.8, 0.5, 0.6]])


def test_by_hand():
    assert average(MATRIX) == pytest.approx((0.8 + 0.5 + 0.6) / 3)
    assert forgetting(MATRIX) == pytest.approx((0.1 + 0.3) / 3)
    assert backward_transfer(MATRIX) == pytest.approx((-0.1 - 0.3) / 2)
    assert forward_transfer(MATRIX) == pytest.approx((0.2 + 0.3) / 2)


def test_one_step_forgets_nothing_and_transfers_nothing():
    one = np.array([[0.7]])
    assert (average(one), forgetting(one)) == (0.7, 0.0)
    assert np.isnan([backward_transfer(one), forward_transfer(one)]).all()


@pytest.mark.parametrize("seed", range(5))
def test_forgetting_is_never_negative_and_at_least_its_share_of_what_backward_transfer_lost(seed):
    matrix = np.random.default_rng(seed).uniform(size=(4, 4))
    matrix[np.triu_indices(4, 1)] = NONE if seed % 2 else matrix[np.triu_indices(4, 1)]
    assert forgetting(matrix) >= max(0.0, -backward_transfer(matrix) * 3 / 4) - 1e-12


def test_a_score_that_only_rises_was_not_forgotten():
    assert forgetting(np.array([[0.5, NONE], [0.6, 0.7]])) == 0.0


def test_pixels_of_classes_not_yet_taught_are_left_out():
    truth, answer = np.array([0, 0, 0, 1, 1, 2, 2, 2, -1]), np.array([0, 0, 1, 1, 0, 0, 1, 1, 2])
    counts = confusion(truth, answer, 3)
    value, each = mean_iou(counts, (0, 1), {0, 1})  # as if the last three were not there
    assert each[:2] == pytest.approx([2 / 4, 1 / 3]) and np.isnan(each[2])
    assert value == pytest.approx((2 / 4 + 1 / 3) / 2)
    assert mean_iou(counts, (0, 1, 2), {0, 1, 2})[0] == pytest.approx((2 / 5 + 1 / 5 + 0) / 3)


def test_the_mean_is_over_the_classes_asked_for_and_errors_come_from_all():
    counts = confusion(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), 2)
    assert mean_iou(counts, (1,), {0, 1})[0] == pytest.approx(2 / 3)
    assert mean_iou(counts, (1,), {1})[0] == 1.0


def test_a_class_that_is_only_answered_has_no_share_in_the_mean():
    assert mean_iou(confusion(np.array([0, 0]), np.array([0, 1]), 3), (0, 1, 2), {0, 1, 2})[0] == 0.5


def test_skill_is_one_when_perfect_and_zero_at_the_mean_and_below():
    assert (skill(0.0, 2.0), skill(2.0, 2.0), skill(9.0, 2.0), skill(0.5, 2.0)) == (1.0, 0.0, 0.0, 0.75)


def test_silence_counts_as_the_mean():
    assert skill(NONE, 2.0, 1.0) == 0.0
    assert skill(0.0, 2.0, 0.25) == pytest.approx(1 - 0.25**0.5)
    assert skill(2.0, 2.0, 0.5) == 0.0
