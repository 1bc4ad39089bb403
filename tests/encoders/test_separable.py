"""Banded products against scipy, and kernels at the limits."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from parmesan_engine.encoders.eigen import sorted_eigenvalues
from parmesan_engine.encoders.separable import Axis, derivatives, filter_axis, gaussian_weights, mirror


def everywhere(values, sigmas, orders):
    """Filter an array at each of its pixels."""
    axes = [Axis(0, n, 1, 0, n - 1) for n in values.shape]
    positions = [np.arange(n) for n in values.shape]
    return derivatives(torch.from_numpy(values)[None], axes, positions, sigmas, [orders])[orders][0].numpy()


@pytest.mark.parametrize("orders", [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)])
@pytest.mark.parametrize("sigma", [1.0, 2.3, 9.0])
def test_equals_scipy(orders, sigma):
    values = np.random.default_rng(0).standard_normal((61, 83)).astype(np.float32)
    ours = everywhere(values, (sigma, sigma), orders)
    theirs = ndimage.gaussian_filter(values.astype(np.float64), sigma, order=orders, mode="mirror")
    # scipy's truncated second derivative answers a parabola with 0.99 of its curvature, ours with all of it
    assert np.abs(ours - theirs).max() < 1e-2 * np.abs(theirs).max()


def test_equals_scipy_exactly_without_derivatives():
    values = np.random.default_rng(0).standard_normal((20, 31, 17)).astype(np.float32)
    ours = everywhere(values, (0.7, 2.0, 30.0), (0, 0, 0))  # the last is wider than the axis: mirrored many times
    theirs = ndimage.gaussian_filter(values.astype(np.float64), (0.7, 2.0, 30.0), mode="mirror")
    np.testing.assert_allclose(ours, theirs, atol=2e-6)


@pytest.mark.parametrize("sigma", [0.05, 0.3, 0.7, 1.0, 4.0])
@pytest.mark.parametrize("phase", [0.0, 0.3])
def test_constants_ramps_and_parabolas_are_answered_exactly(sigma, phase):
    offsets = np.arange(-20, 21)[None] - phase
    for order, power in [(0, 0), (1, 0), (2, 0), (1, 1), (2, 1), (2, 2)]:
        expected = {(0, 0): 1, (1, 1): 1, (2, 2): 2}.get((order, power), 0)
        answer = (gaussian_weights(offsets, sigma, order) * offsets**power).sum()
        assert answer == pytest.approx(expected, abs=1e-8)


def test_tiny_sigma_is_identity_and_differences():
    offsets = np.array([[-2.0, -1.0, 0.0, 1.0, 2.0]])
    np.testing.assert_allclose(gaussian_weights(offsets, 0.01, 0)[0], [0, 0, 1, 0, 0], atol=1e-5)
    np.testing.assert_allclose(gaussian_weights(offsets, 0.01, 1)[0], [0, -0.5, 0, 0.5, 0], atol=1e-5)
    np.testing.assert_allclose(gaussian_weights(offsets, 0.01, 2)[0], [0, 1, -2, 1, 0], atol=1e-5)


def test_rows_are_those_of_the_full_result():
    values = torch.randn(3, 200, generator=torch.Generator().manual_seed(0))
    axis = Axis(0, 200, 1, 0, 199)
    full = filter_axis(values, 1, axis, np.arange(200), 3.0, 1)
    some = filter_axis(values, 1, axis, np.arange(5, 200, 7), 3.0, 1)
    torch.testing.assert_close(some, full[:, 5::7], atol=1e-6, rtol=0)


def test_mirror_does_not_repeat_the_edge():
    assert mirror(np.arange(-3, 7), 0, 3).tolist() == [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]
    assert mirror(np.arange(-2, 3), 0, 0).tolist() == [0] * 5


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("kind", ["random", "degenerate", "identity", "zero", "tiny"])
def test_eigenvalues_equal_numpy(size, kind):
    generator = np.random.default_rng(size)
    matrices = generator.standard_normal((500, size, size))
    matrices = matrices + matrices.transpose(0, 2, 1)
    if kind == "degenerate":
        basis = np.linalg.qr(matrices)[0]
        matrices = basis @ np.diag([3.0, 1.0, 1.0][:size]) @ basis.transpose(0, 2, 1)
    matrices *= {"zero": 0.0, "tiny": 1e-12}.get(kind, 1.0)
    if kind == "identity":
        matrices = np.tile(np.eye(size), (500, 1, 1))
    matrices = matrices.astype(np.float32)
    fields = {(i, j): torch.from_numpy(matrices[:, i, j].copy()) for i in range(size) for j in range(i, size)}
    ours = np.stack([v.numpy() for v in sorted_eigenvalues(fields, size)], 1)
    theirs = np.linalg.eigvalsh(matrices.astype(np.float64))[:, ::-1]
    assert np.abs(ours - theirs).max() <= 1e-6 * max(np.abs(theirs).max(), 1e-30)
    assert (np.diff(ours, axis=1) <= 1e-6 * np.abs(theirs).max()).all()
