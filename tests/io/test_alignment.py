"""Label volumes come onto the voxels of their sample whatever way round a tool has stored them; voxels are only moved."""

import itertools

import nibabel
import numpy as np
import pytest

from parmesan_engine.errors import ShapeError
from parmesan_engine.io.alignment import OTHER_PLACE, aligned

LABELS = np.random.default_rng(0).integers(0, 4, (4, 5, 6)).astype(np.uint8)  # z, y, x
AFFINE = nibabel.affines.from_matvec(np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0] @ np.diag([0.5, 0.75, 2.0]), [3, -7, 11])


@pytest.mark.parametrize("codes", ["".join(p) for axes in itertools.permutations(("LR", "PA", "IS")) for p in itertools.product(*axes)])
def test_every_order_and_direction_of_axes(codes):
    stored = nibabel.Nifti1Image(LABELS.T, AFFINE).as_reoriented(
        nibabel.orientations.ornt_transform(nibabel.io_orientation(AFFINE), nibabel.orientations.axcodes2ornt(codes)))
    turned, notes = aligned(np.asarray(stored.dataobj).T, stored.affine, AFFINE, LABELS.shape, "a")
    assert np.array_equal(turned, LABELS) and len(notes) == (0 if np.allclose(stored.affine, AFFINE) else 1)


def test_few_digits_are_enough():
    turned, notes = aligned(LABELS, AFFINE.round(4), AFFINE, LABELS.shape, "a")
    assert turned is LABELS and not notes


@pytest.mark.parametrize("move", [np.diag([1, 1, 1.5, 1]), nibabel.affines.from_matvec(np.eye(3), [0.5, 0, 0])])
def test_another_place_is_told_and_nothing_moved(move):
    turned, notes = aligned(LABELS, AFFINE @ move, AFFINE, LABELS.shape, "a")
    assert turned is LABELS and notes == (OTHER_PLACE,)


@pytest.mark.parametrize("flat", [np.zeros((4, 4)), np.diag([1.0, 1, 0, 1]), np.full((4, 4), np.nan), AFFINE[[0, 0, 1, 3]]])
def test_an_affine_that_gives_no_places_counts_as_missing(flat):
    assert aligned(LABELS, flat, AFFINE, LABELS.shape, "a") == (LABELS, ()) == aligned(LABELS, AFFINE, flat, LABELS.shape, "a")
    assert aligned(LABELS[:1], flat, np.eye(4), (1, 5, 6), "a")[1] == ()


def test_without_affines_the_shape_decides():
    assert aligned(LABELS, None, AFFINE, LABELS.shape, "a") == (LABELS, ())
    for own in (None, AFFINE @ np.diag([2, 1, 1, 1])):
        with pytest.raises(ShapeError, match=r"\(4, 5, 6\), as the sample has; got \(6, 5, 4\) in a"):
            aligned(LABELS.T, own, AFFINE, LABELS.shape, "a")
