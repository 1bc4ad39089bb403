"""Points in many dimensions as points in a plane: principal components, the same for the same points whatever their order."""

import numpy as np

from parmesan_engine.errors import ShapeError

MEASURED = 20_000  # points that say where the axes of a picture lie


def principal_axes(points: np.ndarray, axes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Return ((n, axes) float32 coordinates along the directions of largest variance, (axes,) shares of the variance).

    points: (n, D) finite. A direction points to where its largest component is positive. Directions that the points do not
    have (fewer dimensions or points than axes) give zeros. Raises ShapeError.
    """
    if points.ndim != 2 or points.shape[1] == 0:
        raise ShapeError("(n, D) points", f"shape {points.shape}", "give one row per point")
    centred = points.astype(np.float64)
    centred -= centred.mean(axis=0) if len(points) else 0.0
    variance, directions = _directions(centred, axes)
    found = variance > 1e-12 * max(float(np.square(centred).sum()), np.finfo(float).tiny)
    placed, shares = np.zeros((len(points), axes), np.float32), np.zeros(axes)
    placed[:, : len(found)] = centred @ (directions * found)
    shares[: len(found)] = np.where(found, variance, 0) / (np.square(centred).sum() or 1.0)
    return placed, shares


def principal_colors(points: np.ndarray) -> np.ndarray:
    """Return (n, 3) uint8: the first three principal components as red, green and blue, so that what is alike looks alike.

    points: (n, D) finite. Each feature counts alike, whatever its unit; each component is spread between its 2nd and its 98th
    percentile, so that a few outliers do not take the colours. Many points are measured on an even choice of them. Raises ShapeError.
    """
    if points.ndim != 2 or 0 in points.shape:
        raise ShapeError("(n, D) points", f"shape {points.shape}", "give one row per point")
    some = points[:: -(-len(points) // MEASURED)].astype(np.float64)
    mean, scale = some.mean(axis=0), some.std(axis=0)
    scale[scale < 1e-6 * max(scale.max(), np.finfo(float).tiny)] = np.inf  # what is constant says nothing
    _, directions = _directions((some - mean) / scale, 3)
    axes = np.zeros((points.shape[1], 3))
    axes[:, : directions.shape[1]] = directions / scale[:, None]
    placed = (points - mean.astype(np.float32)) @ axes.astype(np.float32)
    low, high = np.percentile((some - mean) @ axes, (2, 98), axis=0)
    span = np.where(high > low, high - low, np.inf)
    return (255 * np.clip(np.where(np.isinf(span), 0.5, (placed - low) / span), 0, 1) + 0.5).astype(np.uint8)


def _directions(centred: np.ndarray, axes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (axes,) variances, descending, and the (D, axes) directions; each points to where its largest component is positive."""
    variance, directions = np.linalg.eigh(centred.T @ centred)  # ascending
    variance, directions = np.maximum(variance[::-1][:axes], 0), directions[:, ::-1][:, :axes]
    largest = np.abs(directions).argmax(axis=0)
    return variance, directions * np.where(directions[largest, np.arange(directions.shape[1])] < 0, -1, 1)
