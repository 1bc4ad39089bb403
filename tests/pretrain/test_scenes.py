"""Procedural scenes: correspondences are exact, everything follows from the seed, one code for 1 to 3 axes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from parmesan_engine.errors import LimitError, ShapeError
from parmesan_engine.pretrain import scenes
from parmesan_engine.pretrain.lighting import blurred, disturbed
from parmesan_engine.pretrain.shapes import Leaves, rotations
from parmesan_engine.pretrain.textures import EDGE, Textures

SHAPES = {1: (300,), 2: (40, 56), 3: (14, 18, 16)}
dimensions = pytest.mark.parametrize("dims", [1, 2, 3])


@dimensions
def test_the_second_view_shows_the_same_at_where(dims):
    """Both views are functions of the place in the scene: read the second at `where` itself, not at the pixel beside it."""
    shape, random = SHAPES[dims], np.random.default_rng(5)
    views = scenes.two_views(5, 1, shape, strength=0)
    textures = Textures.woven(random, dims)  # draws what two_views drew
    scene, moves = scenes.planted(random, textures, shape, 3)
    _, straight = scenes.cameras(random, shape)
    where, half = views.where[0].flatten(0, -2).T, (torch.tensor(shape) - 1)[:, None] / 2
    known = torch.isfinite(where).all(0)
    colours, leaves = scenes.moved(scene, moves).seen(straight.points(where[:, known] - half))
    regions = views.regions.flatten()[known]
    same = leaves == regions
    assert same.float().mean() > 0.99  # rounding decides on an edge
    assert len(regions.unique()) > 4 and 0.3 < known.float().mean() < 1
    difference = (colours - views.first.flatten(2)[0][:, known]).abs()[:, same]
    assert difference.max() < 1e-2 and difference.mean() < 2e-4
    assert (where[:, known] >= 0).all() and (where[:, known] <= 2 * half).all()


@dimensions
def test_what_is_hidden_or_outside_is_unknown(dims):
    """Pixels without a place are outside the second view, or lie under another leaf there."""
    shape, random = SHAPES[dims], np.random.default_rng(2)
    views = scenes.two_views(2, 1, shape, strength=0)
    scene, moves = scenes.planted(random, Textures.woven(random, dims), shape, 3)
    bent, straight = scenes.cameras(random, shape)
    axes = [torch.arange(n, dtype=torch.float32) - (n - 1) / 2 for n in shape]
    points = bent.points(torch.stack(torch.meshgrid(*axes, indexing="ij")).flatten(1))
    regions = views.regions.flatten()
    went = points + torch.cat([torch.zeros(1, dims), moves])[regions].T
    hidden = scenes.moved(scene, moves).leaves.front(went)[0] != regions
    outside = (straight.pixels(went).abs() > (torch.tensor(shape) - 1)[:, None] / 2).any(0)
    assert torch.equal(torch.isnan(views.where).all(-1).flatten(), hidden | outside)
    assert torch.equal(torch.isnan(views.where).any(-1), torch.isnan(views.where).all(-1))


@dimensions
def test_seeds_decide_every_bit(dims):
    def made(seed):
        views = scenes.two_views(seed, 2, SHAPES[dims], channels=1)
        return [views.first, views.second, torch.nan_to_num(views.where, -1.0), views.regions]

    one, again, other = made(1), made(1), made(2)
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    shape = (2, 1, *SHAPES[dims])
    assert [tuple(part.shape) for part in one] == [shape, shape, (2, *shape[2:], dims), (2, *shape[2:])]
    assert one[0].dtype == torch.float32 and one[3].dtype == torch.int64 and torch.isfinite(one[0]).all()
    assert not torch.equal(one[0][0], one[0][1])


def test_strength_changes_looks_but_not_places():
    plain, strong = (scenes.two_views(3, 2, (32, 32), strength=s) for s in (0, 1))
    assert torch.equal(plain.regions, strong.regions) and torch.equal(torch.isnan(plain.where), torch.isnan(strong.where))
    assert not torch.allclose(plain.first, strong.first, atol=0.05)


def test_the_higher_rank_is_in_front():
    leaves = Leaves.grown(np.random.default_rng(0), 40, np.ones(2))
    points = torch.rand(2, 500) * 2 - 1
    front, depth = leaves.front(points)
    shown = torch.cat([torch.zeros(1), leaves.ranks])[front]
    for leaf, rank in enumerate(leaves.ranks):
        raised = torch.where(leaves.ranks > rank, leaves.ranks - 1, leaves.ranks)
        raised[leaf] = 40
        inside = replace(leaves, ranks=raised).front(points)[0] == leaf + 1
        assert (shown[inside] >= rank).all()
    assert len(front.unique()) > 5 and ((depth > 0) == (front > 0)).all()


@dimensions
def test_textures_are_periodic_and_pass_through_their_points(dims):
    textures = Textures.woven(np.random.default_rng(0), dims)
    edge = EDGE[dims]
    assert torch.allclose(textures.lattices.mean(1), torch.zeros(len(textures)), atol=1e-4)
    assert torch.allclose(textures.lattices.var(1), torch.ones(len(textures)), atol=1e-2)
    places = torch.randint(-3 * edge, 3 * edge, (dims, 50)).float()
    kinds = torch.randint(0, len(textures), (50,))
    index = sum((places[axis].long() % edge) * edge ** (dims - 1 - axis) for axis in range(dims))
    assert torch.equal(textures.at(kinds, places), textures.lattices[kinds, index])
    halfway = places.clone()
    halfway[-1] += 0.5
    places[-1] += 1
    mean = (textures.at(kinds, places) + textures.lattices[kinds, index]) / 2
    assert torch.allclose(textures.at(kinds, halfway), mean, atol=1e-5)


@dimensions
def test_blur_keeps_flat_pictures_and_spreads_a_point(dims):
    flat = torch.full((2, 1, *(9,) * dims), 0.7)
    sigmas = torch.tensor([0.0, 1.0])
    assert torch.allclose(blurred(flat, sigmas), flat)
    point = torch.zeros(2, 1, *(9,) * dims)
    point[(slice(None), 0, *(4,) * dims)] = 1
    out = blurred(point, sigmas)
    assert torch.equal(out[0], point[0]) and 0 < out[1].max() < 0.5 and out[1].sum() == pytest.approx(1, abs=1e-5)


def test_disturbances_can_be_left_out_and_do_not_move_edges():
    picture = torch.zeros(1, 3, 24, 24)
    picture[..., 12:] = 1
    assert torch.equal(disturbed(picture, np.random.default_rng(0), 0), picture)
    for seed in range(5):
        slope = disturbed(picture, np.random.default_rng(seed), 0.5).mean((0, 1, 2)).diff().abs()
        assert slope.argmax() == 11


def test_rotations_keep_lengths():
    turns = rotations(np.random.default_rng(0), 50, 3, 0.1)
    assert np.allclose(turns @ turns.transpose(0, 2, 1), np.eye(3)) and np.abs(turns - np.eye(3)).max() < 0.6


@pytest.mark.parametrize("arguments, error", [((0, (8, 8)), ShapeError), ((1, (8, 8, 8, 8)), ShapeError), ((1, (1, 8)), ShapeError),
                                              ((1, (2000, 2000)), LimitError), ((300, (512, 512)), LimitError)])
def test_sizes_are_checked_first(arguments, error):
    with pytest.raises(error):
        scenes.two_views(0, *arguments)
