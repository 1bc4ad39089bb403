import time

import numpy as np
import pytest

from parmesan_engine import synthetic
from parmesan_engine.errors import ShapeError

MAKERS = {1: synthetic.make_1d, 2: synthetic.make_2d, 3: synthetic.make_3d}


@pytest.mark.parametrize(
    "dims, shape, spacing",
    [(1, (1, 4096), (0.002,)), (2, (3, 384, 384), (0.5, 0.5)), (3, (1, 48, 64, 64), (2.0, 1.0, 1.0))],
)
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_samples_have_labels_for_every_class(dims, shape, spacing, seed):
    start = time.perf_counter()
    sample, labels = MAKERS[dims](seed)
    assert time.perf_counter() - start < 4  # measured: 0.25 s
    task = synthetic.demo_task(dims)
    assert sample.array.shape == shape and sample.spacing == pytest.approx(spacing) and np.isfinite(sample.array).all()
    assert labels.dtype == np.int16 and labels.shape == sample.spatial_shape
    shares = np.bincount(labels.ravel(), minlength=len(task.classes)) / labels.size
    assert len(shares) == len(task.classes) and shares.min() > 0.004 and shares.max() < 0.95


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_the_seed_decides(dims):
    (first, labels), (again, labels_again), (other, _) = MAKERS[dims](3), MAKERS[dims](3), MAKERS[dims](4)
    assert first.content_hash == again.content_hash and np.array_equal(labels, labels_again)
    assert first.content_hash != other.content_hash


@pytest.mark.parametrize("dims", [2, 3])
def test_classes_differ_in_brightness_yet_overlap(dims):
    sample, labels = MAKERS[dims](0)
    grey = sample.array.astype(float).mean(0)
    means = [grey[labels == label].mean() for label in range(3)]
    spread = max(grey[labels == label].std() for label in range(3))
    assert min(abs(a - b) for i, a in enumerate(means) for b in means[:i]) > 15
    low, high = np.argsort(means)[:2]
    assert np.percentile(grey[labels == low], 98) > np.percentile(grey[labels == high], 2), (
        "a threshold must not solve it"
    )
    assert spread > 10


def test_demo_task_names_the_three():
    assert [len(synthetic.demo_task(dims).classes) for dims in (1, 2, 3)] == [4, 3, 3]
    with pytest.raises(ShapeError):
        synthetic.demo_task(4)
