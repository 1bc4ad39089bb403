"""What every registered encoder must do."""

import json
import math
import threading

import numpy as np
import pytest
import torch

from parmesan_engine.encoders import ENCODERS
from parmesan_engine.errors import FormatError, ShapeError, UnknownNameError
from parmesan_engine.registry import recipe_of
from parmesan_engine.types import Sample
from tests.encoders.tiny_models import shared_model

SHAPES = [(1, 1), (1, 2), (2, 333), (1, 1, 1), (1, 1, 40), (3, 37, 1), (4, 33, 50), (1, 1, 1, 1), (1, 2, 3, 2), (2, 9, 20, 7)]


SHIPPED = [name for name in ENCODERS.names() if ENCODERS.get(name).__module__.startswith("parmesan_engine.")]  # no test doubles


@pytest.fixture(params=SHIPPED)
def encoder(request):
    keywords = {"model": str(shared_model()), "side": 84} if request.param == "backbone" else {}  # its weights are not ours to ship
    return ENCODERS.build({"name": request.param, "keywords": keywords})


def sample(shape, seed=0):
    return Sample(np.random.default_rng(seed).integers(0, 255, shape).astype(np.uint8), "noise")


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_levels_and_groups(encoder, shape):
    spatial = shape[1:]
    if len(spatial) not in getattr(encoder, "spatial_dims", (1, 2, 3)):
        for ask in (lambda: encoder.encode(sample(shape)), lambda: encoder.channels_of(shape[0], len(spatial))):
            with pytest.raises(ShapeError, match="spatial axes"):
                ask()
        return
    pyramid = encoder.encode(sample(shape))
    assert pyramid.spatial_shape == spatial
    assert len(pyramid.levels) >= 3
    assert len(pyramid.groups) == encoder.channels_of(shape[0], len(spatial))
    assert pyramid.groups == tuple(encoder.groups_of(shape[0], len(spatial)))
    for level in pyramid.levels:
        assert level.keys.shape == (math.prod(level.grid), len(pyramid.groups))
        assert level.keys.dtype == torch.float32
        assert level.keys.is_contiguous()
        assert torch.isfinite(level.keys).all()
        assert level.grid == tuple(-(-n // s) for n, s in zip(spatial, level.stride, strict=True))


def test_coarse_levels_are_means_of_their_nodes(encoder):
    pyramid = encoder.encode(sample((1, 53, 70)))
    fine = pyramid.levels[0].keys.numpy()
    for number in (1, 2):
        parents, coarse = pyramid.parents(number), pyramid.levels[number].keys.numpy()
        counts = np.bincount(parents, minlength=len(coarse))
        assert (counts > 0).all()
        sums = np.zeros(coarse.shape)
        np.add.at(sums, parents, fine)
        np.testing.assert_allclose(coarse, sums / counts[:, None], atol=1e-4)


def test_deterministic_also_from_two_threads(encoder):
    images = [sample((3, 64, 64), seed) for seed in range(2)]
    alone = [encoder.encode(image).levels[0].keys for image in images]
    together: dict[int, torch.Tensor] = {}
    threads = [threading.Thread(target=lambda i=i: together.update({i: encoder.encode(images[i]).levels[0].keys}))
               for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(alone[i], together[i]) for i in range(2))


def test_leaves_the_callers_torch_as_it_was(encoder):
    before = torch.get_num_threads()
    with torch.inference_mode():
        encoder.encode(sample((1, 20, 20)))
    assert encoder.encode(sample((1, 20, 20))).levels[0].keys.requires_grad is False
    assert torch.get_num_threads() == before


def test_stride_is_chosen_by_size(encoder):
    assert encoder.encode(sample((1, 256, 256))).levels[0].stride == (1, 1)
    assert encoder.encode(sample((1, 257, 256))).levels[0].stride == (2, 2)
    assert encoder.encode(sample((1, 30, 40)), stride=(1, 4)).levels[0].grid == (30, 10)


@pytest.mark.parametrize("stride", [0, -1, (2,), (1, 2, 3)])
def test_bad_stride(encoder, stride):
    with pytest.raises(ShapeError, match="stride"):
        encoder.encode(sample((1, 8, 8)), stride=stride)


def test_progress_rises_to_one_and_can_cancel(encoder):
    seen = []
    encoder.encode(sample((1, 64, 64)), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0

    class CancelledError(Exception):
        pass

    def stop(fraction):
        raise CancelledError

    with pytest.raises(CancelledError):
        encoder.encode(sample((1, 64, 64)), progress=stop)
    assert torch.isfinite(encoder.encode(sample((1, 8, 8))).levels[0].keys).all()  # workers survive


def test_recipe_survives_json(encoder):
    recipe = json.loads(json.dumps(recipe_of(encoder)))
    image = sample((3, 25, 31))
    again = ENCODERS.build(recipe)
    assert json.loads(json.dumps(recipe_of(again))) == recipe
    assert torch.equal(again.encode(image).levels[0].keys, encoder.encode(image).levels[0].keys)


@pytest.mark.parametrize("text", [
    "filter_bank:scales=[]", "filter_bank:scales=[-1]", 'filter_bank:scales=["a"]', "filter_bank:scales=[1e9]", "filter_bank:scales=[NaN]",
    "skimage:sigma_min=0", "skimage:sigma_min=8,sigma_max=2"])
def test_scales_that_people_type_are_checked_before_anything_is_allocated(text):
    with pytest.raises(FormatError, match="correct them"):
        ENCODERS.build(ENCODERS.parse(text)).groups_of(1, 2)


def test_unknown_names():
    with pytest.raises(UnknownNameError, match="filter_bank"):
        ENCODERS.build({"name": "filter_bonk", "keywords": {}})


@pytest.mark.parametrize("shape", [(1, 2000), (3, 120, 90), (1, 20, 30, 25)])
def test_cuda_equals_cpu(encoder, shape):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    if len(shape) - 1 not in getattr(encoder, "spatial_dims", (1, 2, 3)):
        pytest.skip("refuses such samples")
    recipe = recipe_of(encoder)
    recipe["keywords"]["device"] = "cuda"
    image = sample(shape)
    keys = ENCODERS.build(recipe).encode(image).levels[0].keys
    assert keys.is_cuda
    torch.testing.assert_close(keys.cpu(), encoder.encode(image).levels[0].keys, atol=2e-3, rtol=2e-3)
