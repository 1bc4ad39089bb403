"""Scores of predictions against the truth, as pure functions of confusion counts and errors."""

import numpy as np

from parmesan_engine.errors import ShapeError
from parmesan_engine.types import TaskSpec

BINS = 10  # of confidence: each wide enough to hold many pixels
PAIRS = 4000  # values kept to show prediction against truth: enough to see their spread


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return (classes, classes + 1) counts: rows truth, columns prediction, the last column "unknown" (-1).

    Pixels with truth -1 (not labelled) do not count. Raises ShapeError, also for a class beyond `classes`.

    >>> confusion(np.array([0, 1, 1, -1]), np.array([0, 1, -1, 0]), 2).tolist()
    [[1, 0, 0], [0, 1, 1]]
    """
    _same_shape(truth, predicted.shape)
    known, last = truth >= 0, int(max(truth.max(initial=-1), predicted.max(initial=-1)))
    if last >= classes:
        raise ShapeError(f"class ids 0 to {classes - 1}", f"{last}", "add the class to the project, or use labels of its classes")
    columns = np.where(predicted[known] < 0, classes, predicted[known]).astype(np.int64)
    return np.bincount(truth[known].astype(np.int64) * (classes + 1) + columns,
                       minlength=classes * (classes + 1)).reshape(classes, classes + 1)


def ious(counts: np.ndarray) -> np.ndarray:
    """Return (classes,) intersection over union from `confusion` counts; NaN for a class neither there nor predicted."""
    hits, sizes = _hits_and_sizes(counts)
    return np.where(sizes > 0, hits / np.maximum(sizes - hits, 1), np.nan)


def dices(counts: np.ndarray) -> np.ndarray:
    """Return (classes,) Dice coefficients from `confusion` counts; NaN for a class neither there nor predicted.

    >>> dices(np.array([[2, 1, 0], [0, 1, 0]])).tolist()
    [0.8, 0.6666666666666666]
    """
    hits, sizes = _hits_and_sizes(counts)
    return np.where(sizes > 0, 2 * hits / np.maximum(sizes, 1), np.nan)


def accuracy(counts: np.ndarray) -> float:
    """Return the share of labelled pixels that are right; "unknown" is not right. NaN without a labelled pixel."""
    total = int(counts.sum())
    return float(np.trace(counts[:, :-1]) / total) if total else float("nan")


def reliability(truth: np.ndarray, predicted: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Return (BINS, 3) of the answered, labelled pixels by confidence: how many, the sum of confidences, how many are right.

    confidence: (*spatial) probability given to the predicted class. Where the memory abstains it claims nothing: left out.
    """
    _same_shape(truth, confidence.shape)
    answered = (truth >= 0) & (predicted >= 0)
    sure = np.clip(confidence[answered].astype(np.float64), 0, 1)
    bins = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    right = truth[answered] == predicted[answered]
    return np.stack([np.bincount(bins, weights=weights, minlength=BINS) for weights in (None, sure, right)], 1).astype(np.float64)


def expected_calibration_error(bins: np.ndarray) -> float:
    """Return the mean gap between confidence and share right, weighted by pixels, from `reliability`; NaN without a pixel.

    >>> expected_calibration_error(np.array([[4, 2.0, 3], [0, 0.0, 0]]))
    0.25
    """
    total = bins[:, 0].sum()
    return float(np.abs(bins[:, 1] - bins[:, 2]).sum() / total) if total else float("nan")


def error_unit(task: TaskSpec) -> tuple[str, float]:
    """Return the unit in which errors of values are given, metres for mm, and how many of the task's unit are one of it."""
    return ("m", 1000.0) if task.unit == "mm" else (task.unit, 1.0)


class Score:
    """Adds up scores part by part: class counts over all pixels, or errors of values. Parts may be planes or whole samples.

    counts: (classes, classes + 1) as `confusion`; bins: (BINS, 3) as `reliability`; pairs: (n, 2) of true and predicted values, evenly
    chosen from all parts.
    """

    def __init__(self, task: TaskSpec) -> None:
        self.task = task
        self.counts = np.zeros((len(task.classes), len(task.classes) + 1), np.int64)
        self.bins = np.zeros((BINS, 3))
        self.pairs, self._every = np.zeros((0, 2), np.float32), 1  # every n-th value is kept
        self._squared = self._absolute = 0.0
        self._values = self._unknown = 0

    def add(self, truth: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray | None = None) -> None:
        """Count a part: class ids with -1, or values with NaN where not labelled (truth) or unknown (predicted).

        probabilities: (classes, *spatial), for the calibration of classes.
        """
        if self.task.kind == "segmentation":
            self.counts += confusion(truth, predicted, len(self.task.classes))
            if probabilities is not None:
                self.bins += reliability(truth, predicted, probabilities.max(0))
            return
        _same_shape(truth, predicted.shape)
        known, answered = np.isfinite(truth), np.isfinite(predicted)
        both = known & answered
        errors = truth[both].astype(np.float64) - predicted[both]
        self._squared += float(np.square(errors).sum())
        self._absolute += float(np.abs(errors).sum())
        self._values += int(both.sum())
        self._keep(np.stack([truth[both], predicted[both]], 1).astype(np.float32), 1)
        self._unknown += int((known & ~answered).sum())

    def join(self, other: "Score") -> None:
        """Count all that another score of the same task has counted."""
        self.counts += other.counts
        self.bins += other.bins
        self._keep(other.pairs, other._every)
        self._squared += other._squared
        self._absolute += other._absolute
        self._values += other._values
        self._unknown += other._unknown

    def _keep(self, pairs: np.ndarray, every: int) -> None:
        """Take up more pairs, of which each stands for `every` values, and thin them out until they are few."""
        step = max(self._every, every)
        joined = np.concatenate([self.pairs[:: step // self._every], pairs[:: step // every]])
        while len(joined) > PAIRS:
            joined, step = joined[::3], 3 * step  # by three: an even step would keep to the same columns of a picture
        self.pairs, self._every = joined, step

    @property
    def pixels(self) -> int:
        """How many labelled pixels were counted."""
        return int(self.counts.sum()) if self.task.kind == "segmentation" else self._values + self._unknown

    def result(self) -> dict:
        """Return {miou, iou, mean_dice, dice, accuracy, ece, unknown} of the classes seen, or {rmse, mae, unknown}.

        Errors are in the unit of the labels, metres for mm. ece is NaN where no probabilities were given.
        """
        if self.task.kind == "segmentation":
            return {**self._of_classes("miou", "iou", ious(self.counts)), **self._of_classes("mean_dice", "dice", dices(self.counts)),
                    "accuracy": accuracy(self.counts), "ece": expected_calibration_error(self.bins),
                    "unknown": float(self.counts[:, -1].sum() / max(self.pixels, 1))}
        scale = error_unit(self.task)[1]
        rmse, mae = (float("nan"),) * 2 if not self._values else (np.sqrt(self._squared / self._values), self._absolute / self._values)
        return {"rmse": float(rmse) / scale, "mae": float(mae) / scale, "unknown": self._unknown / max(self.pixels, 1)}

    def _of_classes(self, mean: str, name: str, each: np.ndarray) -> dict:
        """Return the mean over the classes seen, and each class's own (None where it was not seen)."""
        return {mean: float(np.nanmean(each)) if self.pixels else float("nan"),
                name: {c: None if np.isnan(v) else float(v) for c, v in zip(self.task.classes, each, strict=True)}}


def _hits_and_sizes(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return per class the pixels that are right, and those of the truth and of the prediction together."""
    classes = len(counts)
    return np.diagonal(counts[:, :classes]), counts.sum(1) + counts[:, :classes].sum(0)


def _same_shape(truth: np.ndarray, shape: tuple[int, ...]) -> None:
    if truth.shape != shape:
        raise ShapeError(f"a prediction of shape {truth.shape}, as its labels", f"{shape}", "use labels of the same sample")
