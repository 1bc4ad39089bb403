"""From nodes to pixels: exact where a node was sampled, linear between, the last node beyond."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parmesan_engine.resample import blocks, slices, to_pixels
from parmesan_engine.types import FeatureLevel


def level_of(shape, stride):
    grid = tuple(-(-n // s) for n, s in zip(shape, stride, strict=True))
    return FeatureLevel(torch.empty(int(np.prod(grid)), 1), grid, stride)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), dims=st.integers(1, 3))
def test_interpolation_axis_by_axis(data, dims):
    shape = tuple(data.draw(st.integers(1, 9)) for _ in range(dims))
    stride = tuple(data.draw(st.sampled_from([1, 2, 3, 4])) for _ in range(dims))
    level = level_of(shape, stride)
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(int(np.prod(level.grid)), 2)).astype(np.float32))
    pixels = to_pixels(rows, level, shape)
    assert pixels.shape == (2, *shape)
    expected = rows.T.reshape(2, *level.grid).double().numpy()
    for axis, (nodes, step, n) in enumerate(zip(level.grid, stride, shape, strict=True), start=1):
        expected = np.apply_along_axis(lambda line, m=nodes, s=step, k=n: np.interp(np.arange(k), np.arange(m) * s, line), axis, expected)
    np.testing.assert_allclose(pixels.numpy(), expected, atol=1e-5)
    at_nodes = pixels[(slice(None), *(slice(None, None, s) for s in stride))]
    assert torch.equal(at_nodes.reshape(2, -1).T, rows), "a sampled pixel has exactly its node's row"


def test_distributions_stay_distributions():
    level = level_of((11, 7), (4, 2))
    rows = torch.softmax(torch.randn(len(level.keys), 5, generator=torch.Generator().manual_seed(0)), 1)
    torch.testing.assert_close(to_pixels(rows, level, (11, 7)).sum(0), torch.ones(11, 7))


@pytest.mark.parametrize("stride", [1, 4])
def test_one_node_fills_the_sample(stride):
    level = level_of((stride,), (stride,))
    assert to_pixels(torch.tensor([[3.5]]), level, (stride,)).tolist() == [[3.5] * stride]


@pytest.mark.parametrize("shape", [(7,), (5, 4), (6, 3, 2)])
def test_blocks_cover_a_shape_once(shape):
    for pixels in (1, 5, 12, 10**6):
        counts = np.zeros(shape, int)
        for box in blocks(shape, pixels):
            part = slices(box)
            counts[part] += 1
            assert counts[part].size <= max(pixels, np.prod(shape[1:], dtype=int))
        assert (counts == 1).all()
