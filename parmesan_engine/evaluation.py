"""Scores of predictions against the truth, as pure functions of confusion counts and errors."""

import numpy as np

from parmesan_engine.errors import ShapeError
from parmesan_engine.types import TaskSpec


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return (classes, classes + 1) counts: rows truth, columns prediction, the last column "unknown" (-1).

    Pixels with truth -1 (not labelled) do not count.

    >>> confusion(np.array([0, 1, 1, -1]), np.array([0, 1, -1, 0]), 2).tolist()
    [[1, 0, 0], [0, 1, 1]]
    """
    if truth.shape != predicted.shape:
        raise ShapeError(f"a prediction of shape {truth.shape}, as its labels", f"{predicted.shape}", "use labels of the same sample")
    known = truth >= 0
    columns = np.where(predicted[known] < 0, classes, predicted[known]).astype(np.int64)
    return np.bincount(truth[known].astype(np.int64) * (classes + 1) + columns,
                       minlength=classes * (classes + 1)).reshape(classes, classes + 1)


def ious(counts: np.ndarray) -> np.ndarray:
    """Return (classes,) intersection over union from `confusion` counts; NaN for a class neither there nor predicted."""
    classes = len(counts)
    hits = np.diagonal(counts[:, :classes])
    union = counts.sum(1) + counts[:, :classes].sum(0) - hits
    return np.where(union > 0, hits / np.maximum(union, 1), np.nan)


class Score:
    """Adds up the scores of samples: class counts over all pixels, or squared errors of values."""

    def __init__(self, task: TaskSpec) -> None:
        self.task, self.samples = task, 0
        self._counts = np.zeros((len(task.classes), len(task.classes) + 1), np.int64)
        self._squared, self._values, self._unknown = 0.0, 0, 0

    def add(self, truth: np.ndarray, predicted: np.ndarray) -> None:
        """Count one sample: class ids with -1, or values with NaN where not labelled (truth) or unknown (predicted)."""
        self.samples += 1
        if self.task.kind == "segmentation":
            self._counts += confusion(truth, predicted, len(self.task.classes))
            return
        if truth.shape != predicted.shape:
            raise ShapeError(f"a prediction of shape {truth.shape}", f"{predicted.shape}", "use labels of the same sample")
        known, answered = np.isfinite(truth), np.isfinite(predicted)
        both = known & answered
        self._squared += float(np.square(truth[both].astype(np.float64) - predicted[both]).sum())
        self._values += int(both.sum())
        self._unknown += int((known & ~answered).sum())

    def result(self) -> dict:
        """Return {miou, iou} of the classes seen, or {rmse, unknown}; rmse in the unit of the labels, metres for mm."""
        if self.task.kind == "segmentation":
            each = ious(self._counts)
            known = int(self._counts.sum())
            return {"miou": float(np.nanmean(each)) if known else float("nan"),
                    "iou": {c: None if np.isnan(v) else float(v) for c, v in zip(self.task.classes, each, strict=True)},
                    "unknown": float(self._counts[:, -1].sum() / max(known, 1))}
        scale = 1000.0 if self.task.unit == "mm" else 1.0
        rmse = float(np.sqrt(self._squared / self._values)) / scale if self._values else float("nan")
        return {"rmse": rmse, "unknown": self._unknown / max(self._values + self._unknown, 1)}
