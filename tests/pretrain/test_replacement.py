"""Replacement Learning: what a blend computes, what it costs, who learns through it, and that it can be baked."""

import copy
import itertools

import pytest
import torch
from torch import nn

from parmesan_engine.errors import LimitError, ShapeError
from parmesan_engine.pretrain.replacement import Blend, bake, replace_blocks, replaced_blocks


class Block(nn.Module):
    """A residual block with a normalisation that keeps statistics, and weights at two depths."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.GELU(), nn.Conv2d(width, width, 1))
        self.scale = nn.Parameter(torch.ones(width, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.scale * self.body(x)


class Net(nn.Module):
    def __init__(self, depths=(2, 5), width=6) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stages = nn.ModuleList(nn.Sequential(*(Block(width) for _ in range(depth))) for depth in depths)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for stage in self.stages:
            x = stage(x)
        return x


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def blends(net: Net) -> list[Blend]:
    return [block for stage in net.stages for block in stage if isinstance(block, Blend)]


X = torch.randn(2, 6, 7, 5, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("blocks", range(9))
@pytest.mark.parametrize("every", [2, 3, 4])
def test_only_inner_blocks_and_never_two_in_a_row(blocks, every):
    chosen = replaced_blocks(blocks, every)
    assert all(0 < i < blocks - 1 for i in chosen) and all(b - a >= 2 for a, b in itertools.pairwise(chosen))
    assert bool(chosen) == (blocks >= 3)


@pytest.mark.parametrize("every, expected", [(2, 2), (3, 1)])
def test_parameters_fall_by_a_block_less_two_numbers(every, expected):
    net = Net()
    before, block = count(net), count(net.stages[1][1])
    assert replace_blocks(net.stages, every) == expected == len(blends(net))
    assert count(net) == before - expected * (block - 2)
    assert isinstance(net.stages[0][0], Block) and len(net.state_dict()) == len({*net.state_dict()})


@pytest.mark.parametrize("a, b, source", [(1.0, 0.0, 0), (0.0, 1.0, 2)])
def test_one_neighbour_alone_is_copying_it(a, b, source):
    net = Net(depths=(3,)).eval()
    plain = copy.deepcopy(net)
    plain.stages[0][1] = copy.deepcopy(plain.stages[0][source])
    replace_blocks(net.stages, 2)
    with torch.no_grad():
        blends(net)[0].a.fill_(a)
        blends(net)[0].b.fill_(b)
    assert torch.equal(net(X), plain(X))


def test_it_starts_halfway_between_its_neighbours():
    net = Net(depths=(3,)).eval()
    plain = copy.deepcopy(net)
    with torch.no_grad():
        for mine, one, two in zip(*(plain.stages[0][i].parameters() for i in (1, 0, 2)), strict=True):
            mine.copy_(0.5 * one + 0.5 * two)
    replace_blocks(net.stages, 2)
    assert torch.equal(net(X), plain(X))


def test_neighbours_learn_through_it_only_if_asked():
    """With the input of the last block cut off, the last block gets a gradient through the blend alone, or none."""
    grads = {}
    for share in (True, False):
        net = Net(depths=(3,))
        replace_blocks(net.stages, 2, share_gradient=share)
        first, blend, last = net.stages[0]
        blend(first(X), first, last).square().sum().backward()
        assert blend.a.grad.abs() > 0 and blend.b.grad.abs() > 0
        grads[share] = last.scale.grad
    assert grads[False] is None and grads[True].abs().sum() > 0


def test_it_keeps_its_own_statistics():
    net = Net(depths=(3,)).train()
    replace_blocks(net.stages, 2)
    first, blend, last = net.stages[0]
    assert torch.equal(blend.get_buffer("body/1/running_mean"), torch.zeros(6))
    net(X)
    means = [first.body[1].running_mean, blend.get_buffer("body/1/running_mean"), last.body[1].running_mean]
    assert not any(torch.allclose(a, b) for a, b in ((means[0], means[1]), (means[1], means[2])))
    kept = blend.get_buffer("body/1/running_mean").clone()
    net.eval()(X)
    assert torch.equal(blend.get_buffer("body/1/running_mean"), kept)
    assert torch.allclose(net(X[:1]), net(X)[:1], atol=1e-6)  # evaluation uses them: an answer does not depend on the rest of the batch


@pytest.mark.parametrize("share", [True, False])
def test_a_trained_network_is_baked_into_an_ordinary_one(share):
    net = Net()
    replace_blocks(net.stages, 2, share_gradient=share)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        net(X).square().mean().backward()
        optimizer.step()
    assert all(float(blend.a) != 0.5 for blend in blends(net))
    expected = net.eval()(X)
    bake(net.stages)
    assert not blends(net) and not net.stages[1].training
    ordinary = Net().eval()
    ordinary.load_state_dict(net.state_dict())  # strict: the names are those of a network that never had a blend
    assert torch.allclose(ordinary(X), expected, rtol=1e-5, atol=1e-6)


def test_its_state_can_be_saved_and_loaded():
    net, other = Net(), Net(width=6)
    for one in (net, other):
        replace_blocks(one.stages, 2)
    net(X)
    with torch.no_grad():
        blends(net)[0].a.fill_(0.3)
    other.load_state_dict(net.state_dict())
    assert torch.equal(other.eval()(X), net.eval()(X))


def test_blocks_of_other_shapes_are_refused():
    net = Net(depths=(3,))
    net.stages[0][2] = Block(7)
    with pytest.raises(ShapeError, match="block 2 of stage 1"):
        replace_blocks(net.stages, 2)


@pytest.mark.parametrize("depths, every", [((3,), 1), ((2, 2), 2)])
def test_nothing_to_replace_is_said(depths, every):
    with pytest.raises(LimitError):
        replace_blocks(Net(depths=depths).stages, every)
