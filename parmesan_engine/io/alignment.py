"""Bring a label volume onto the voxels of its sample: tools store the same volume with other axes first, or mirrored."""

import nibabel
import numpy as np

from parmesan_engine.errors import ShapeError

_CLOSE = 0.05  # of a voxel: affines are stored with few digits
OTHER_PLACE = "the file says that its labels lie elsewhere in space than the sample; they were matched by their order in the file"


def aligned(labels: np.ndarray, own: np.ndarray | None, wanted: np.ndarray | None, shape: tuple[int, ...],
            name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return labels in the order of the sample's voxels, and notes for the user. Values and voxels stay as they are.

    labels: (z, y, x), or any other shape when one affine is missing; own, wanted: (4, 4) from voxel (x, y, z) to world, of the
    labels and of the sample; one that puts many voxels into one place counts as missing. Raises ShapeError when the labels do
    not have `shape` afterwards.
    """
    notes = ()
    if _places(own) and _places(wanted) and labels.ndim == len(shape) == 3 and not np.allclose(own, wanted):
        turned = _turned(labels, np.linalg.solve(wanted, own), shape)
        if turned is None:
            notes = (OTHER_PLACE,)
        elif turned is not labels:
            labels, notes = turned, ("axes of the labels turned to those of the sample, as both files say where they lie",)
    if labels.shape != tuple(shape):
        expected = f"labels of shape {tuple(shape)}, as the sample has"
        raise ShapeError(expected, f"{labels.shape} in {name}", "choose the labels of this sample")
    return labels, notes


def _places(affine: np.ndarray | None) -> bool:
    """Return whether an affine gives every voxel a place of its own."""
    return affine is not None and bool(np.isfinite(affine).all()) and np.linalg.matrix_rank(affine[:3, :3]) == 3


def _turned(labels: np.ndarray, between: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return the labels with axes swapped and mirrored, None when that does not map one grid onto the other.

    between: (4, 4) from the labels' voxels (x, y, z) to the sample's.
    """
    ends = np.array([np.zeros(3), np.asarray(labels.shape[::-1]) - 1.0])
    mapped = ends @ between[:3, :3].T + between[:3, 3]
    grid = np.array([np.zeros(3), np.asarray(shape[::-1]) - 1.0])
    whole = np.abs(np.abs(between[:3, :3]) - np.rint(np.abs(between[:3, :3]))).max() * max(shape) <= 1
    if not whole or np.abs(np.sort(mapped, axis=0) - grid).max() > _CLOSE:
        return None
    orientation = nibabel.orientations.io_orientation(np.rint(between))
    if np.array_equal(orientation, [[0, 1], [1, 1], [2, 1]]):
        return labels
    return np.ascontiguousarray(nibabel.orientations.apply_orientation(labels.T, orientation).T)
