"""Points in many dimensions as points in a plane: principal components, the same for the same points whatever their order."""

import numpy as np

from parmesan_engine.errors import ShapeError


def principal_axes(points: np.ndarray, axes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Return ((n, axes) float32 coordinates along the directions of largest variance, (axes,) shares of the variance).

    points: (n, D) finite. A direction points to where its largest component is positive. Directions that the points do not
    have (fewer dimensions or points than axes) give zeros. Raises ShapeError.
    """
    if points.ndim != 2 or points.shape[1] == 0:
        raise ShapeError("(n, D) points", f"shape {points.shape}", "give one row per point")
    centred = points.astype(np.float64)
    centred -= centred.mean(axis=0) if len(points) else 0.0
    variance, directions = np.linalg.eigh(centred.T @ centred)  # ascending
    variance, directions = np.maximum(variance[::-1][:axes], 0), directions[:, ::-1][:, :axes]
    largest = np.abs(directions).argmax(axis=0)
    directions = directions * np.where(directions[largest, np.arange(directions.shape[1])] < 0, -1, 1)
    found = variance > 1e-12 * max(float(np.square(centred).sum()), np.finfo(float).tiny)
    placed, shares = np.zeros((len(points), axes), np.float32), np.zeros(axes)
    placed[:, : len(found)] = centred @ (directions * found)
    shares[: len(found)] = np.where(found, variance, 0) / (np.square(centred).sum() or 1.0)
    return placed, shares
