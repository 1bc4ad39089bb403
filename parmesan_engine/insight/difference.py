"""What a change of the memory changed in an answer: two predictions of the same sample to a map and counts. Pure."""

from dataclasses import dataclass

import numpy as np

from parmesan_engine.errors import ShapeError
from parmesan_engine.types import Prediction

UNKNOWN = -1  # the class id where a memory abstains


@dataclass(frozen=True)
class Difference:
    """map: as the prediction's arrays, float32 in [0, 1]: 1 where the class is another one, up to 0.5 where only its share
    moved; for values the step over the range of both answers. NaN nowhere.

    changed: places with another class, or another value by more than a hundredth of the range; total: places.
    moves: (class before, class after, places), the most first, -1 for unknown; shift: mean step of the values, else None.
    """

    map: np.ndarray
    changed: int
    total: int
    moves: tuple[tuple[int, int, int], ...]
    shift: float | None


def difference(before: Prediction | None, after: Prediction | None) -> Difference:
    """Return what differs between two predictions of one sample; None stands for a memory without examples: all unknown.

    Raises ShapeError when they are of different size, or both None.
    """
    shapes = {one.conflict.shape for one in (before, after) if one is not None}
    if len(shapes) != 1:
        raise ShapeError("two predictions of the same part of a sample", f"shapes {sorted(shapes)}", "predict both alike")
    one = before or after
    return _of_classes(before, after) if one.labels is not None else _of_values(before, after)


def _of_classes(before: Prediction | None, after: Prediction | None) -> Difference:
    shape = (before or after).labels.shape
    old, new = (np.full(shape, UNKNOWN, np.int16) if one is None else one.labels for one in (before, after))
    other = old != new
    share = np.zeros(shape, np.float32)
    if before is not None and after is not None:
        classes = min(len(before.probabilities), len(after.probabilities))  # one may not know the newest class yet
        share = np.abs(before.probabilities[:classes] - after.probabilities[:classes]).sum(0).clip(0, 2) / 4
    pairs, counts = np.unique(np.stack([old[other], new[other]], 1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    moves = tuple((int(pairs[i][0]), int(pairs[i][1]), int(counts[i])) for i in order)
    return Difference(np.where(other, np.float32(1), share), int(other.sum()), other.size, moves, None)


def _of_values(before: Prediction | None, after: Prediction | None) -> Difference:
    shape = (before or after).values.shape
    old, new = (np.full(shape, np.nan, np.float32) if one is None else one.values for one in (before, after))
    known = np.concatenate([old[np.isfinite(old)], new[np.isfinite(new)]])
    span = float(np.ptp(known)) if known.size else 0.0
    step, appeared = np.abs(new - old), np.isfinite(old) != np.isfinite(new)
    both = np.isfinite(step)
    shift = float(step[both].mean()) if both.any() else 0.0
    share = np.where(both, np.nan_to_num(step) / (span or 1.0), 0.0)
    share[appeared] = 1.0
    return Difference(share.clip(0, 1).astype(np.float32), int((share > 0.01).sum()), share.size, (), shift)
