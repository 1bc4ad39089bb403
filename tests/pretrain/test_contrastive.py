"""Two views of pictures and the loss that compares them: exact places, known values, what is no negative, gradients."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from parmesan_engine.errors import ShapeError
from parmesan_engine.pretrain.contrastive import Pairs, contrast
from parmesan_engine.pretrain.views import Views, grid_of, sampled, two_crops

SIZES = {1: (90,), 2: (60, 44), 3: (20, 24, 18)}
SHAPES = {1: (32,), 2: (24, 20), 3: (10, 12, 8)}
dimensions = pytest.mark.parametrize("dims", [1, 2, 3])


def ramps(dims, size=None):
    """Return a picture whose channels are its coordinates: linear mixing keeps them exact."""
    return grid_of(size or SIZES[dims]).movedim(-1, 0).contiguous()


@dimensions
def test_crops_show_the_same_place_at_where(dims):
    pictures = [ramps(dims), ramps(dims, tuple(n // 4 for n in SIZES[dims]))]  # the second is smaller than a view
    views = two_crops(pictures, np.random.default_rng(3), SHAPES[dims], strength=0)
    assert views.first.shape == views.second.shape == (2, dims, *SHAPES[dims]) and views.regions is None
    for number in range(2):
        where = views.where[number].reshape(-1, dims)
        known = torch.isfinite(where).all(1)
        assert known.float().mean() > 0.1
        there = sampled(views.second[number:number + 1], where[known][None])[0]
        assert torch.allclose(there, views.first[number].flatten(1)[:, known], atol=1e-3)
        assert views.first[number].flatten(1).std(1).min() > 0.5
        for view in (views.first, views.second):  # inside the picture: nothing is the repeated edge
            assert all(len(view[number, axis].unique()) >= view.shape[2 + axis] for axis in range(dims))


def test_signals_are_not_mirrored_and_pictures_are():
    def signs(dims):
        made = [two_crops([ramps(dims)], np.random.default_rng(seed), SHAPES[dims], strength=0) for seed in range(12)]
        return {float(torch.sign(one.second[0, -1].flatten()[-1] - one.second[0, -1].flatten()[0])) for one in made}

    assert signs(1) == {1.0} and signs(2) == signs(3) == {1.0, -1.0}


def test_crops_depend_on_the_generator_alone():
    picture = torch.rand(3, 50, 50)
    made = [two_crops([picture], np.random.default_rng(seed), (24, 24)) for seed in (1, 1, 2)]
    assert torch.equal(made[0].first, made[1].first) and torch.equal(made[0].second, made[1].second)
    assert not torch.equal(made[0].first, made[2].first)


@pytest.mark.parametrize("pictures", [[], [torch.zeros(3, 50)], [torch.zeros(3, 1, 50)]])
def test_pictures_of_other_kinds_are_refused(pictures):
    with pytest.raises(ShapeError):
        two_crops(pictures, np.random.default_rng(0), (16, 16))


@dimensions
def test_pairs_are_known_places(dims):
    views = two_crops([torch.rand(1, *SIZES[dims])] * 3, np.random.default_rng(0), SHAPES[dims])
    pairs = Pairs.drawn(views, 15, np.random.default_rng(1))
    assert (pairs.pictures.diff() >= 0).all() and torch.bincount(pairs.pictures).max() <= 15
    index = (pairs.pictures, *pairs.pixels.long().T)
    assert torch.equal(views.where[index], pairs.places) and torch.isfinite(pairs.places).all()


def pairs_of(places, pictures, regions=None):
    places = torch.tensor(places, dtype=torch.float32)[:, None]
    return Pairs(torch.tensor(pictures), places, places, None if regions is None else torch.tensor(regions))


def test_loss_has_the_value_of_its_formula():
    torch.manual_seed(0)
    first, second = torch.randn(2, 4, 16), torch.randn(2, 4, 16)
    pairs = pairs_of([0, 5, 10, 3, 15], [0, 0, 0, 1, 1])
    one, two = (normalize(torch.stack([maps[b, :, int(p)] for b, p in zip(pairs.pictures, pairs.pixels, strict=True)]), dim=1)
                for maps in (first, second))
    scores = (one @ two.T / 0.2).exp()
    expected = -(scores.diag() / scores.sum(1)).log().mean() / 2 - (scores.diag() / scores.sum(0)).log().mean() / 2
    assert contrast(first, second, pairs, stride=1, temperature=0.2) == pytest.approx(float(expected), rel=1e-5)


def test_equal_views_of_distinct_places_cost_nothing_and_wrong_ones_much():
    maps = torch.eye(8)[None]  # 8 features, 8 places
    pairs = pairs_of(list(range(8)), [0] * 8)
    right, wrong = (contrast(maps, other, pairs, stride=1, temperature=0.05) for other in (maps, maps.roll(1, 2)))
    assert right < 1e-5 < 10 < wrong
    assert contrast(maps, torch.ones(1, 8, 8), pairs, stride=1) == pytest.approx(math.log(8), rel=1e-5)  # nothing can be told


def test_places_nearer_than_a_stride_or_on_one_region_are_no_negatives():
    flat = torch.ones(2, 4, 8)
    alone = contrast(flat, flat, pairs_of([0, 1, 20], [0, 0, 1]), stride=4)
    assert alone == pytest.approx((2 * math.log(2) + math.log(3)) / 3, rel=1e-5)  # 0 and 1 do not count for each other
    whole = contrast(flat, flat, pairs_of([0, 14, 20], [0, 0, 1], [7, 7, 7]), stride=4)  # regions count within a picture only
    assert whole == pytest.approx(float(alone), rel=1e-6)
    assert contrast(flat, flat, pairs_of([0, 14, 20], [0, 0, 1]), stride=4) == pytest.approx(math.log(3), rel=1e-5)


@dimensions
def test_node_middles_and_gradients(dims):
    """A node of stride 4 is at pixel 1.5 of each axis: its features are read there exactly."""
    maps = torch.randn(1, 5, *(3,) * dims, requires_grad=True)
    pixels = torch.stack([torch.full((dims,), 1.5), torch.full((dims,), 9.5)])
    pairs = Pairs(torch.tensor([0, 0]), pixels, pixels)
    loss = contrast(maps, maps.detach(), pairs, stride=4)
    loss.backward()
    touched = maps.grad.abs().sum(1)[0] > 0
    corners = torch.zeros_like(touched)
    corners[(0,) * dims] = corners[(2,) * dims] = True
    assert torch.equal(touched, corners)


def test_views_without_a_common_place_give_zero():
    views = Views(torch.zeros(1, 1, 4), torch.zeros(1, 1, 4), torch.full((1, 4, 1), math.nan))
    maps = torch.randn(1, 2, 4, requires_grad=True)
    loss = contrast(maps, maps, Pairs.drawn(views, 3, np.random.default_rng(0)), stride=1)
    loss.backward()
    assert loss == 0 and maps.grad.abs().max() == 0
