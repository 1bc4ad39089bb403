"""The learned encoder: what tiles, precision, channels and axes may and may not change; weights that are what they say."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from parmesan_engine.encoders import weights
from parmesan_engine.encoders.conv_pyramid import ConvPyramid
from parmesan_engine.encoders.filter_bank import FilterBank
from parmesan_engine.encoders.normalise import Normaliser
from parmesan_engine.encoders.pyramid_net import PyramidNet
from parmesan_engine.encoders.tiling import node_positions
from parmesan_engine.errors import FormatError, ShapeError, UnknownNameError, VersionError
from parmesan_engine.registry import pinned, recipe_of
from parmesan_engine.types import Sample

STEMS = {1: 2, 2: 4, 3: 2}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Return a function: axes, channels -> path of the weights of a small random network."""
    made = {}

    def make(dims=2, channels=3):
        if (dims, channels) not in made:
            torch.manual_seed(dims)
            net = PyramidNet(dims, channels, widths=(6, 8), depths=(1, 2), outputs=5, stem=STEMS[dims])
            for module in net.modules():  # as after training: statistics of their own
                if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                    module.running_mean.normal_(0, 0.1)
                    module.running_var.uniform_(0.5, 1.5)
            made[dims, channels] = tmp_path_factory.mktemp("weights") / f"{dims}.safetensors"
            weights.save(made[dims, channels], net, {"by": "a test"})
        return str(made[dims, channels])

    return make


def sample(shape, seed=0):
    return Sample(np.random.default_rng(seed).integers(0, 255, shape).astype(np.uint8), "noise")


@pytest.mark.parametrize(("shape", "tile"), [((3, 90, 131), 48), ((3, 300), 96), ((3, 26, 21, 30), 12)])
def test_a_tile_changes_nothing(file, shape, tile):
    name = file(len(shape) - 1)
    whole, pieces = (ConvPyramid(weights=name, filters=False, tile=t).encode(sample(shape), stride=1) for t in (4096, tile))
    torch.testing.assert_close(whole.levels[0].keys, pieces.levels[0].keys, atol=2e-5, rtol=0)


def test_features_are_those_of_the_network_where_a_node_is_a_pixel_of_a_level(file):
    encoder = ConvPyramid(weights=file(), filters=False, coordinates=False)
    image = sample((3, 64, 64))
    level = encoder.encode(image, stride=8).levels[0]
    expected = encoder.net(encoder._pixels(_normalised(image), [64, 64]))[1]  # stride 8
    at = node_positions(64, 8)
    assert (at == np.arange(8) * 8 + 3).all()  # half a pixel before the middle of the node: a sixteenth of the way to the one before
    expected = torch.nn.functional.normalize(expected[0], dim=0)
    first = expected[:, 3, 3] * 15 / 16 * 15 / 16
    first += expected[:, 2, 3] / 16 * 15 / 16 + expected[:, 3, 2] * 15 / 16 / 16 + expected[:, 2, 2] / 256
    torch.testing.assert_close(level.keys.view(8, 8, -1)[3, 3, 5:], first, atol=1e-5, rtol=0)


def _normalised(image):
    return Normaliser.of(image).apply(image.array)


def test_filters_stand_beside_and_are_the_filter_banks_own(file):
    image = sample((3, 40, 50))
    both, bank = ConvPyramid(weights=file()).encode(image), FilterBank().encode(image)
    width = len(bank.groups)
    assert both.groups[-width:] == bank.groups
    assert torch.equal(both.levels[0].keys[:, -width:], bank.levels[0].keys)
    assert set(both.groups[:-width]) == {"stage@4", "stage@8"}


def test_light_changes_nothing(file):
    image = sample((3, 40, 50))
    bright = Sample(image.array.astype(np.float32) * 3 + 7, "bright")
    one, other = (ConvPyramid(weights=file(), filters=False).encode(s).levels[0].keys for s in (image, bright))
    torch.testing.assert_close(one, other, atol=1e-4, rtol=0)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_other_channels_are_seen_as_grey(file, channels):
    image = sample((channels, 32, 40))
    grey = Sample(np.repeat(_normalised(image).mean(0, keepdims=True), 3, axis=0), "grey")
    encoder = ConvPyramid(weights=file(), filters=False, coordinates=False)
    keys = encoder.encode(image).levels[0].keys
    assert keys.shape[1] == 10
    if channels == 1:
        torch.testing.assert_close(keys, encoder.encode(grey).levels[0].keys, atol=1e-4, rtol=0)


def test_axes_that_the_weights_do_not_know_get_the_filters_alone(file):
    volume = sample((1, 6, 7, 8))
    encoder = ConvPyramid(weights=file())
    assert torch.equal(encoder.encode(volume).levels[0].keys, FilterBank().encode(volume).levels[0].keys)
    with pytest.raises(ShapeError, match="2 axes"):
        ConvPyramid(weights=file(), filters=False).encode(volume)


def test_bfloat16_is_near(file):
    image = sample((3, 64, 64))
    exact, rough = (ConvPyramid(weights=file(), precision=p, filters=False).encode(image).levels[0].keys for p in ("float32", "bfloat16"))
    assert 0 < (exact - rough).abs().max() < 0.1
    with pytest.raises(UnknownNameError, match="precision"):
        ConvPyramid(weights=file(), precision="float8").encode(image)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_card_gives_the_same(file):
    image = sample((3, 70, 90))
    there, here = (ConvPyramid(weights=file(), device=d).encode(image).levels[0].keys.cpu() for d in ("cuda", "cpu"))
    torch.testing.assert_close(there, here, atol=2e-3, rtol=0)


def test_what_is_pinned_refuses_other_weights(file, tmp_path):
    path = tmp_path / "mine.safetensors"
    weights.save(path, PyramidNet(widths=(4, 4), depths=(1, 1), outputs=3), {})
    encoder = pinned(ConvPyramid(weights=str(path)))
    assert encoder.digest == weights.digest(str(path))
    assert encoder.encode(sample((3, 8, 8))).groups
    weights.save(path, PyramidNet(widths=(4, 4), depths=(1, 1), outputs=3), {})
    with pytest.raises(VersionError, match="digest"):
        ConvPyramid(**recipe_of(encoder)["keywords"]).encode(sample((3, 8, 8)))


def test_weights_come_back_to_half_precision(tmp_path):
    net = PyramidNet(3, 1, widths=(4, 6), depths=(1, 2), outputs=3, stem=2)
    weights.save(tmp_path / "a.safetensors", net, {"minutes": 3})
    again, recipe = weights.load(str(tmp_path / "a.safetensors"))
    assert recipe == {"minutes": 3}
    assert again.shape == net.shape
    for name, value in again.state_dict().items():
        torch.testing.assert_close(value, net.state_dict()[name], atol=1e-3, rtol=1e-3)


def test_weights_that_are_none(tmp_path):
    with pytest.raises(FormatError, match="photographs"):
        weights.load("photograps")
    (tmp_path / "a.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(FormatError, match="pretrain"):
        weights.load(str(tmp_path / "a.safetensors"))
    save_file({"x": torch.zeros(3)}, tmp_path / "b.safetensors")
    with pytest.raises(FormatError, match="pretrain"):
        weights.load(str(tmp_path / "b.safetensors"))


@pytest.mark.parametrize("change", [
    {"widths": [10**9, 4]}, {"widths": [4096] * 8, "depths": [64] * 8},
    {"depths": [1]}, {"stem": 3}, {"outputs": "8"}, {"spatial_dims": 4}, {"more": 1}])
def test_a_hostile_shape_allocates_nothing(tmp_path, change):
    shape = {"spatial_dims": 2, "channels": 3, "widths": [4, 4], "depths": [1, 1], "outputs": 3, "stem": 4} | change
    save_file({"x": torch.zeros(3)}, tmp_path / "c.safetensors", metadata={"shape": json.dumps(shape), "recipe": "{}"})
    with pytest.raises(FormatError, match="pretrain"):
        weights.load(str(tmp_path / "c.safetensors"))


def test_loading_takes_no_random_numbers(file):
    path = file()  # making it takes some
    before = torch.get_rng_state()
    weights.load(path)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_shipped_weights_are_small_and_say_where_they_come_from():
    files = list(weights.SHIPPED.glob("*.safetensors"))
    assert files
    assert sum(f.stat().st_size for f in files) <= 8 << 20
    for path in files:
        net, recipe = weights.load(path.stem)
        assert sum(p.numel() for p in net.parameters()) <= 4_000_000
        assert recipe["data"]


def test_bits_do_not_depend_on_the_number_of_threads(file):
    image, before, seen = sample((3, 64, 64)), torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            seen.append(ConvPyramid().encode(image).levels[0].keys)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*seen)
