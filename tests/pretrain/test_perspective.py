"""Streets and rooms: rays that hit where geometry says, truth that agrees with itself, an objective that asks for no scale."""

import math

import numpy as np
import pytest
import torch

from parmesan_engine.encoders.pyramid_net import PyramidNet
from parmesan_engine.pretrain.perspective import EDGE, Perspective
from parmesan_engine.pretrain.raycast import FAR, Solids, cast
from parmesan_engine.pretrain.worlds import KINDS, worlds

AWAY = (0.0, 0.0, -1000.0)


def solids(centre=AWAY, half=(1, 1, 1), yaw=0.0, foot=AWAY, radius=0.5, height=2.0, middle=AWAY, radii=(1, 1, 1)):
    values = (centre, half, yaw, foot, radius, height, middle, radii)
    return Solids(*(torch.tensor([[value]], dtype=torch.float32) for value in values))


def hit(shapes, ray, origin=(0, 1, 0)):
    found = cast(shapes, torch.tensor([origin], dtype=torch.float32), torch.tensor([[ray]], dtype=torch.float32), torch.zeros(1, 1))
    return [f[0, 0] for f in found]


def test_a_box_is_hit_on_its_front():
    distance, shape, normal, surface = hit(solids(centre=(0.5, 1, 10), half=(1, 1, 2)), (0, 0, 1))
    assert (distance.item(), shape.item()) == (8, 2)
    assert normal.tolist() == [0, 0, -1]
    assert surface.tolist() == [-0.5, 0]


def test_a_turned_box_shows_its_edge():
    distance, _, normal, _ = hit(solids(centre=(0, 1, 10), yaw=math.pi / 4), (1e-3, 0, 1))
    assert distance.item() == pytest.approx(10 - math.sqrt(2), abs=0.01)
    assert normal.abs().tolist() == pytest.approx([math.sqrt(0.5), 0, math.sqrt(0.5)], abs=1e-5)
    assert normal[2] < 0 < normal[0]  # the side that looks at the camera, to the right


def test_a_post_and_a_ball():
    distance, shape, normal, _ = hit(solids(foot=(0, 0, 5)), (0, 0, 1))
    assert (distance.item(), shape.item()) == (4.5, 3)
    assert normal.tolist() == [0, 0, -1]
    assert hit(solids(foot=(0, 0, 5)), (0, 0, 1), origin=(0, 2.5, 0))[1] == 0  # over it
    distance, shape, normal, _ = hit(solids(middle=(0, 1, 5), radii=(1, 2, 1)), (0, 0, 1))
    assert (distance.item(), shape.item()) == (4, 4)
    assert normal.tolist() == pytest.approx([0, 0, -1])


def test_ground_and_sky():
    distance, shape, normal, surface = hit(solids(), (0.5, -0.5, 1))
    assert (distance.item(), shape.item(), normal.tolist(), surface.tolist()) == (2, 1, [0, 1, 0], [1, 2])
    distance, shape, *_ = hit(solids(), (0, 0.1, 1))
    assert (distance.item(), shape.item()) == (FAR, 0)


def test_what_is_behind_is_not_seen():
    assert hit(solids(centre=(0, 1, -5), foot=(0, 0, -5), middle=(0, 1, -5)), (0, 0, 1))[1] == 0


def test_truth_agrees_with_itself():
    image, kinds, normals, depth = worlds(np.random.default_rng(3), 6, 48)
    assert image.shape == (6, 3, 48, 48)
    assert 0 <= image.min() < image.max() <= 1
    assert set(kinds.unique().tolist()) <= set(range(len(KINDS)))
    assert torch.equal(torch.isnan(depth), kinds == 0)
    torch.testing.assert_close(normals.norm(dim=1), torch.ones(6, 48, 48), atol=1e-2, rtol=0)


def test_the_ground_is_as_far_as_geometry_says():
    _, kinds, normals, depth = worlds(np.random.default_rng(5), 4, 64)
    for kind, normal, log in zip(kinds, normals, depth, strict=True):
        ground = (kind == 1) | (kind == 2)
        if ground.sum() < 50:
            continue
        up = normal[:, ground]
        torch.testing.assert_close(up, up[:, :1].expand_as(up), atol=1e-4, rtol=0)
        # on a plane, one over the distance ahead is linear in the picture
        y, x = torch.nonzero(ground, as_tuple=True)
        design = torch.stack([torch.ones(len(x)), y.float(), x.float()], 1).double()
        inverse = (-log[ground]).exp().double()
        fit = torch.linalg.lstsq(design, inverse[:, None]).solution
        assert (design @ fit - inverse[:, None]).abs().max() < 0.02 * inverse.max()


def test_the_same_seed_the_same_world():
    one, two, other = (worlds(np.random.default_rng(seed), 2, 24) for seed in (1, 1, 2))
    assert all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(one, two, strict=True))
    assert not torch.equal(one[0], other[0])


@pytest.fixture(scope="module")
def objective():
    return Perspective(scenes=8)


def test_batches_are_parts_of_scenes(objective):
    seen = []
    Perspective(scenes=9, progress=seen.append)
    assert seen == [8 / 9, 1]
    pictures, truth = objective.batch(np.random.default_rng(0), 3, 64)
    assert (pictures.shape, truth.shape) == ((3, 3, 64, 64), (3, 5, 64, 64))
    assert objective.truth.shape[-1] == EDGE
    assert torch.equal(pictures, objective.batch(np.random.default_rng(0), 3, 64)[0])


def test_the_loss_asks_for_no_scale_and_reaches_the_network(objective):
    torch.manual_seed(0)
    net = PyramidNet(widths=(8, 8), depths=(1, 1), outputs=6)
    heads = objective.heads(6, 2)
    tensors = objective.batch(np.random.default_rng(1), 4, 64)
    net.eval()
    before = objective.loss(net, heads, tensors)
    with torch.no_grad():
        for head in heads:
            head.bias[-1] += 3
    torch.testing.assert_close(objective.loss(net, heads, tensors), before, atol=1e-4, rtol=0)
    before.backward()
    assert all(torch.isfinite(p.grad).all() and p.grad.abs().sum() > 0 for p in net.stages.parameters() if p.requires_grad and p.ndim > 1)


def test_a_scene_of_sky_alone_has_a_loss(objective):
    net = PyramidNet(widths=(8, 8), depths=(1, 1), outputs=6)
    truth = torch.zeros(2, 5, 64, 64)
    truth[:, 4] = torch.nan
    assert torch.isfinite(objective.loss(net, objective.heads(6, 2), (torch.randn(2, 3, 64, 64), truth)))
