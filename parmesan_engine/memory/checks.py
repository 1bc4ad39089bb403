"""What an entry batch must be before anything of it is stored."""

import numpy as np

from parmesan_engine.errors import FormatError, LimitError, ShapeError
from parmesan_engine.memory.keyfile import rounded
from parmesan_engine.types import EntryBatch, TaskSpec

SUM_TOLERANCE = 1e-3  # of a class histogram in float32, whatever summed it
MAX_COORDINATE = 2**31 - 1
MAX_ROWS = 2**31  # rows in one memory: ids and coordinates stay exact everywhere


def check_labels(labels: np.ndarray, rows: int, task: TaskSpec) -> np.ndarray:
    """Return (rows, label_dim) float32 labels. Raises ShapeError, FormatError, LimitError."""
    labels = np.asarray(labels, np.float32)
    if labels.shape != (rows, task.label_dim):
        raise ShapeError(
            f"labels of shape ({rows}, {task.label_dim})", f"{labels.shape}", "give one column per class, or one value"
        )
    if not np.isfinite(labels).all():
        raise FormatError("finite labels", "NaN or infinity", "leave unlabelled pixels out")
    if task.kind == "segmentation" and rows:
        sums = labels.sum(axis=1, dtype=np.float64)
        if labels.min() < 0 or np.abs(sums - 1).max() > SUM_TOLERANCE:
            raise LimitError(
                "class histograms: not negative, each row summing to 1",
                f"smallest {labels.min():g}, sums {sums.min():g} to {sums.max():g}",
                "normalise the rows",
            )
    return labels


def check_weights(weights: np.ndarray | None, rows: int) -> np.ndarray:
    """Return (rows,) float32 weights, ones when None."""
    if weights is None:
        return np.ones(rows, np.float32)
    weights = np.asarray(weights, np.float32)
    if weights.shape != (rows,):
        raise ShapeError(f"{rows} weights", f"shape {weights.shape}", "give one weight per entry")
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise LimitError(
            "finite weights of at least 0",
            f"{weights[~(weights >= 0) | ~np.isfinite(weights)][0]}",
            "use remove to take entries out",
        )
    return weights + np.float32(0)  # -0.0 becomes 0.0: equal weights, equal digests


def check_batch(batch: EntryBatch, channels: int, task: TaskSpec, form: str) -> dict[str, np.ndarray]:
    """Return the arrays of a batch as they will be read again. form: of the keys. Raises ShapeError, FormatError, LimitError."""
    keys, coarse = (rounded(_check_keys(getattr(batch, name), channels, name), form) for name in ("keys", "coarse_keys"))
    rows, coordinates, parents = len(keys), np.asarray(batch.coordinates), np.asarray(batch.parents)
    if coordinates.ndim != 2 or len(coordinates) != rows or not 1 <= coordinates.shape[1] <= 3:
        raise ShapeError(f"({rows}, 1 to 3) coordinates", f"shape {coordinates.shape}", "give one row per key")
    if parents.shape != (rows,):
        raise ShapeError(f"{rows} parents", f"shape {parents.shape}", "give one coarse node per key")
    for name, values, limit in (("coordinates", coordinates, MAX_COORDINATE + 1), ("parents", parents, len(coarse))):
        if values.size and values.dtype.kind not in "iu":
            raise FormatError(f"integer {name}", str(values.dtype), "round them to pixels")
        if values.size and not 0 <= values.min() <= values.max() < limit:
            raise LimitError(
                f"{name} from 0 to {limit - 1}", f"{values.min()} to {values.max()}", "check how they were made"
            )
    return {
        "keys": keys,
        "coarse": coarse,
        "labels": check_labels(batch.labels, rows, task),
        "weights": check_weights(batch.weights, rows),
        "coordinates": coordinates.astype(np.int32),
        "parents": parents.astype(np.int64),
    }


def _check_keys(keys: np.ndarray, channels: int, name: str) -> np.ndarray:
    keys = np.asarray(keys)
    if keys.ndim != 2 or keys.shape[1] != channels:
        raise ShapeError(
            f"{name} of shape (n, {channels}), the memory's channels",
            f"{keys.shape}",
            "use the encoder this memory was made with",
        )
    if keys.dtype.kind not in "fiu":
        raise FormatError(f"{name} of real numbers", str(keys.dtype), "convert them to float32")
    with np.errstate(over="ignore"):  # becomes infinity, which the next line refuses
        keys = np.ascontiguousarray(keys, np.float32)
    if not np.isfinite(keys).all():
        raise FormatError(f"finite {name}", "NaN or infinity", "check the sample for missing values")
    return keys
