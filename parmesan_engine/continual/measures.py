"""What a result matrix says, as pure functions. R[i, j]: score on experience j after learning i, NaN where there was nothing to score.

Average and forgetting after Chaudhry et al. (ECCV 2018, arXiv 1801.10112), transfer after Lopez-Paz and Ranzato (GEM, NeurIPS 2017,
arXiv 1706.08840). Every function takes (steps, steps) floats and gives NaN where nothing is known.
"""

from collections.abc import Iterable

import numpy as np

from parmesan_engine.evaluation import ious


def average(matrix: np.ndarray) -> float:
    """Return the mean score over all experiences after the last step.

    >>> average(np.array([[0.75, np.nan], [0.25, 0.75]]))
    0.5
    """
    return mean(matrix[-1])


def forgetting(matrix: np.ndarray) -> float:
    """Return the mean over experiences of the best score there ever was minus the last. At least 0.

    The last experience counts, too, as 0 or more, Chaudhry et al. leave it out, which makes T / (T - 1) of this.

    >>> round(forgetting(np.array([[0.8, 0.1], [0.6, 0.7]])), 9)
    0.1
    """
    best = np.where(np.isnan(matrix), -np.inf, matrix).max(0)
    return mean(best - matrix[-1])


def backward_transfer(matrix: np.ndarray) -> float:
    """Return the mean over all experiences but the last of the last score minus the score right after learning it. Below 0: forgotten."""
    return mean((matrix[-1] - np.diagonal(matrix))[:-1])


def forward_transfer(matrix: np.ndarray) -> float:
    """Return the mean over all experiences but the first of the score just before learning it.

    Of one that has learned nothing every answer is unknown and its score 0, so that there is nothing to subtract.
    """
    return mean(np.diagonal(matrix, 1))


def mean(values: np.ndarray) -> float:
    """Return the mean of the known values, NaN without one."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def mean_iou(counts: np.ndarray, classes: Iterable[int], taught: set[int]) -> tuple[float, np.ndarray]:
    """Return the mean over those of `classes` that the truth has, and (all classes,) intersection over union, NaN where it has none.

    counts: as `evaluation.confusion`. Pixels whose truth is a class that is not `taught` are left out.

    >>> mean_iou(np.array([[3, 1, 0], [2, 1, 1]]), (0, 1), taught={0})
    (0.75, array([0.75,  nan]))
    """
    kept = np.where(np.isin(np.arange(len(counts)), list(taught))[:, None], counts, 0)
    each = np.where(kept.sum(1) > 0, ious(kept), np.nan)
    return mean(each[list(classes)]), each


def skill(rmse: float, deviation: float, unknown: float = 0.0) -> float:
    """Return 1 - RMSE / standard deviation of the truth, never below 0: 1 is perfect, 0 no better than always saying the mean.

    unknown: share of values without an answer, not in `rmse`; each counts as if the mean had been said, so that silence does not pay.
    """
    squared = unknown * deviation**2 + (1 - unknown) * (0.0 if unknown == 1 else rmse) ** 2
    return max(0.0, 1.0 - squared**0.5 / max(deviation, 1e-12))
