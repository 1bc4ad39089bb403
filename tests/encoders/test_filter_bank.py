"""The filter bank: invariances, strides, tiles and what its features are."""

from functools import partial

import numpy as np
import pytest
import torch
from scipy import ndimage

from parmesan_engine.encoders import FilterBank
from parmesan_engine.encoders.features import GAINS
from parmesan_engine.encoders.normalise import CLIP, Normaliser
from parmesan_engine.types import Sample


def noise(*shape, seed=0, smooth=1.0, **keywords):
    values = np.random.default_rng(seed).standard_normal(shape)
    values = ndimage.gaussian_filter(values, (0, *(smooth,) * (len(shape) - 1)))
    return Sample(values.astype(np.float32), "noise", **keywords)


def finest(encoder, sample, stride=1):
    level = encoder.encode(sample, stride=stride).levels[0]
    return level.keys.T.reshape(-1, *level.grid).numpy()


@pytest.mark.parametrize(("shape", "spacing", "sizes"), [
    ((2, 700), None, (13, 100, 256)),
    ((3, 90, 71), None, (16, 37)),
    ((1, 130, 9), (1.0, 4.5), (32, 50)),
    ((1, 21, 33, 18), (2.0, 1.0, 1.0), (8, 17)),
])
@pytest.mark.parametrize("stride", [1, 2])
def test_tiled_equals_untiled(shape, spacing, sizes, stride):
    sample = noise(*shape, smooth=0.0, spacing=spacing)
    whole = finest(FilterBank(tile=10_000), sample, stride)
    for size in sizes:
        np.testing.assert_allclose(finest(FilterBank(tile=size), sample, stride), whole, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 300), (3, 64, 51), (1, 17, 20, 15)])
@pytest.mark.parametrize("stride", [2, 4, 8])
def test_keys_of_a_stride_are_keys_of_single_pixels(shape, stride):
    sample = noise(*shape, smooth=0.5)
    every, some = finest(FilterBank(), sample), finest(FilterBank(), sample, stride)
    at = [np.minimum(np.arange(0, n, stride) + (stride - 1) // 2, n - 1) for n in shape[1:]]
    np.testing.assert_allclose(some, every[np.ix_(np.arange(len(every)), *at)], atol=1e-5)


def normalised_derivative(values, scale, *order):
    return scale ** sum(order) * ndimage.gaussian_filter(values, scale, order=order, mode="mirror")


def test_features_are_the_responses_they_are_named_after():
    sample = noise(1, 96, 80)
    values = Normaliser.of(sample).apply(sample.array)[0].astype(np.float64)
    encoder = FilterBank(coordinates=False)
    got, groups = finest(encoder, sample), np.array(encoder.groups_of(1, 2))
    for scale in encoder.scales:
        respond = partial(normalised_derivative, values, scale)
        hessian = np.moveaxis(np.array([[respond(2, 0), respond(1, 1)], [respond(1, 1), respond(0, 2)]]), (0, 1), (2, 3))
        expected = {
            "intensity": respond(0, 0)[None],
            "gradient": np.hypot(respond(1, 0), respond(0, 1))[None],
            "laplacian": (respond(2, 0) + respond(0, 2))[None],
            "hessian": np.moveaxis(np.linalg.eigvalsh(hessian)[..., ::-1], 2, 0),
        }
        for kind, want in expected.items():
            mine = got[groups == f"{kind}@{scale:g}"] / GAINS[kind]
            # below one pixel scipy samples a kernel that is too narrow to be sampled
            assert np.abs(mine - want).max() < (0.03 if scale < 1 else 0.01) * np.abs(want).max(), (kind, scale)


@pytest.mark.parametrize("scale", [0.7, 2.0, 5.7, 16.0])
def test_structure_tensor_on_its_coarse_grid_is_the_dense_one(scale):
    sample = noise(1, 90, 100, smooth=0.5)
    values = Normaliser.of(sample).apply(sample.array)[0].astype(np.float64)
    y, x = (scale * ndimage.gaussian_filter(values, scale, order=o, mode="mirror") for o in ((1, 0), (0, 1)))
    trace = ndimage.gaussian_filter(y * y + x * x, scale, mode="mirror")
    encoder = FilterBank(scales=[scale], coordinates=False)
    first, second = finest(encoder, sample)[-2:] / GAINS["structure"]
    energies = (first + 0.03) ** 2 + (second + 0.03) ** 2 - 2 * 0.03**2
    assert np.abs(energies - trace).max() < 1e-2 * trace.max()


@pytest.mark.parametrize("shape", [(2, 500), (3, 40, 53), (1, 14, 15, 16)])
@pytest.mark.parametrize(("a", "b"), [(7.5, -300.0), (1e-3, 5.0)])
def test_affine_changes_of_intensity_change_nothing(shape, a, b):
    sample = noise(*shape)
    changed = Sample(sample.array.astype(np.float64) * a + b, "changed")
    np.testing.assert_allclose(finest(FilterBank(), changed), finest(FilterBank(), sample), atol=2e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float16, np.float64, np.int32, bool])
def test_every_real_dtype(dtype):
    array = (np.random.default_rng(0).random((1, 20, 21)) * 90).astype(dtype)
    keys = FilterBank().encode(Sample(array, "x")).levels[0].keys
    assert keys.dtype == torch.float32
    assert torch.isfinite(keys).all()


@pytest.mark.parametrize(("shape", "tolerance"), [((41, 65), 1e-4), ((44, 63), 0.05)])
def test_quarter_turn_turns_the_features(shape, tolerance):
    """Exact where both ends of each axis lie on the coarse grids; else the grids start from the other end."""
    sample = noise(1, *shape)
    turned = Sample(np.ascontiguousarray(np.rot90(sample.array, axes=(1, 2))), "turned")
    encoder = FilterBank(coordinates=False)
    difference = finest(encoder, turned) - np.rot90(finest(encoder, sample), axes=(1, 2))
    assert np.abs(difference).max() < tolerance


def test_axes_of_a_volume_are_equal():
    sample = noise(1, 16, 21, 18)
    moved = Sample(np.ascontiguousarray(sample.array.transpose(0, 3, 1, 2)), "moved")
    encoder = FilterBank(coordinates=False)
    np.testing.assert_allclose(finest(encoder, moved), finest(encoder, sample).transpose(0, 3, 1, 2), atol=1e-4)


def test_ball_sampled_coarsely_along_one_axis_has_the_same_features():
    z, y, x = np.meshgrid(*(np.arange(49.0) - 24,) * 3, indexing="ij")
    ball = 1 / (1 + np.exp((np.sqrt(z**2 + y**2 + x**2) - 11) / 1.5))
    encoder = FilterBank(scales=[3.4, 5.7], coordinates=False)
    fine = Sample(ball[None].astype(np.float32), "fine", spacing=(1, 1, 1), unit="mm")
    thick = Sample(np.ascontiguousarray(ball[None, ::2]).astype(np.float32), "thick", spacing=(2, 1, 1), unit="mm")
    # both are measured in the intensities of the fine one, so that only the geometry differs
    a, b = finest(encoder, fine)[:, ::2], finest(encoder, thick)
    blind = finest(encoder, Sample(thick.array, "blind"))
    scale = np.abs(a).max(axis=(1, 2, 3), keepdims=True)
    error = np.abs(a - b)[:, 6:-6, 12:-12, 12:-12] / scale
    assert error.max() < 0.12  # the percentiles of the two samplings differ a little
    assert (np.abs(a - blind)[:, 6:-6, 12:-12, 12:-12] / scale).max() > 3 * error.max()


def test_asymmetry_points_to_the_side_where_something_happens():
    signal = np.zeros((1, 801), np.float32)
    signal[0, 390:411] = np.hanning(21)
    keys = finest(FilterBank(), Sample(signal, "beat"))
    row = FilterBank().groups_of(1, 1).index("asymmetry@45")
    assert keys[row, 360] > 0.3
    assert keys[row, 440] == pytest.approx(-keys[row, 360], rel=1e-3)


def test_upside_down_signal_keeps_energy_and_flips_derivatives():
    sample = noise(1, 400)
    groups = np.array([g.split("@")[0] for g in FilterBank().groups_of(1, 1)])
    up, down = finest(FilterBank(), sample), finest(FilterBank(), Sample(-sample.array, "down"))
    for kind, sign in {"derivative": -1, "laplacian": -1, "energy": 1, "asymmetry": 1}.items():
        np.testing.assert_allclose(down[groups == kind], sign * up[groups == kind], atol=1e-3)


def test_hot_pixel_is_clipped_and_constants_are_zero():
    array = np.random.default_rng(0).random((2, 30, 30)).astype(np.float32)
    array[0, 3, 4], array[1] = 1e9, 5.0
    normalised = Normaliser.of(Sample(array, "x")).apply(array)
    assert normalised[0].max() == CLIP
    assert (normalised[1] == 0).all()


def test_mask_of_few_pixels_is_not_lost():
    array = np.zeros((1, 100, 100), np.uint8)
    array[0, :5, :5] = 255
    assert Normaliser.of(Sample(array, "x")).apply(array).max() > 1


def test_long_axis_and_short_axis():
    pyramid = FilterBank().encode(noise(1, 3, 1000))
    assert [level.grid for level in pyramid.levels] == [(3, 1000), (1, 250), (1, 63)]
