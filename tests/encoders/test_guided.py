"""Guided upsampling: equal to its formula, keeps what is constant, follows edges, in one to three dimensions."""

import numpy as np
import pytest
import torch

from parmesan_engine.encoders import guided
from parmesan_engine.encoders.guided import upsample

CASES = [((5,), (40,), (1,)), ((4, 3), (30, 17), (1, 2)), ((1, 2), (3, 9), (2, 1)), ((3, 2, 2), (12, 9, 8), (2, 3, 1))]


def case(grid, shape, stride, seed=0):
    random = torch.Generator().manual_seed(seed)
    positions = [np.arange(0, n, s) for n, s in zip(shape, stride, strict=True)]
    cells = torch.rand(3, *grid, generator=random)
    return cells, torch.rand(2, *(len(p) for p in positions), generator=random), positions


def by_hand(cells, guide, positions, shape, node):
    """The formula of one node, written out cell by cell, in float64."""
    grid, place = cells.shape[1:], [p[i] for p, i in zip(positions, node, strict=True)]
    at = [(x + 0.5) * k / n - 0.5 for x, k, n in zip(place, grid, shape, strict=True)]
    mean = guided._POOLS[len(grid)](guide, tuple(grid)) if guide is not None else None
    total, weights = torch.zeros(len(cells), dtype=torch.float64), 0.0
    for cell in np.ndindex(*grid):
        if max(abs(i - np.round(a)) for i, a in zip(cell, at, strict=True)) > guided.REACH:
            continue
        weight = np.exp(-0.5 * sum(((i - a) / guided.DISTANCE) ** 2 for i, a in zip(cell, at, strict=True)))
        if guide is not None:
            apart = (guide[(slice(None), *node)].double() - mean[(slice(None), *cell)].double()).square().mean()
            weight *= np.exp(-0.5 * float(apart) / guided.INTENSITY**2) + guided.FLOOR
        total, weights = total + weight * cells[(slice(None), *cell)].double(), weights + weight
    return total / weights


@pytest.mark.parametrize("with_guide", [True, False])
@pytest.mark.parametrize(("grid", "shape", "stride"), CASES)
def test_equals_the_formula_at_every_node(grid, shape, stride, with_guide):
    cells, guide, positions = case(grid, shape, stride)
    guide = guide if with_guide else None
    found = upsample(cells, guide, positions, shape)
    assert found.shape == (*(len(p) for p in positions), 3) and found.is_contiguous()
    for node in list(np.ndindex(*found.shape[:-1]))[::7]:
        np.testing.assert_allclose(found[node], by_hand(cells, guide, positions, shape, node), atol=1e-5)


@pytest.mark.parametrize(("grid", "shape", "stride"), CASES)
def test_a_constant_stays_and_nothing_leaves_the_range(grid, shape, stride):
    cells, guide, positions = case(grid, shape, stride)
    torch.testing.assert_close(upsample(torch.ones_like(cells), guide, positions, shape).min(), torch.tensor(1.0))
    found = upsample(cells, guide, positions, shape)
    assert found.min() >= cells.min() - 1e-6 and found.max() <= cells.max() + 1e-6


def test_edges_come_from_the_guide():
    shape, edge = (64, 64), 27  # inside a cell: the cell there is mixed
    truth = torch.zeros(shape)
    truth[:, edge:] = 1
    cells = torch.nn.functional.adaptive_avg_pool2d(truth[None], (8, 8)).round()
    positions = [np.arange(64), np.arange(64)]
    wrong = {name: (upsample(cells, guide, positions, shape)[..., 0] - truth).abs()[:, edge - 6:edge + 6].mean()
             for name, guide in (("guided", truth[None] * 0.8), ("plain", None))}
    assert wrong["guided"] < 0.1 < 0.2 < wrong["plain"]


def test_an_even_guide_changes_nothing():
    cells, guide, positions = case((4, 3), (30, 17), (1, 1))
    even = torch.full_like(guide, 0.4)
    torch.testing.assert_close(upsample(cells, even, positions, (30, 17)), upsample(cells, None, positions, (30, 17)))


def test_pieces_do_not_show_and_can_be_cancelled(monkeypatch):
    cells, guide, positions = case((4, 3), (30, 17), (1, 1))
    whole = upsample(cells, guide, positions, (30, 17))
    monkeypatch.setattr(guided, "CHUNK", 2 * 25 * 17)
    seen = []
    assert torch.equal(upsample(cells, guide, positions, (30, 17), progress=seen.append), whole)
    assert len(seen) == 15 and seen == sorted(seen) and seen[-1] == 1.0

    def stop(fraction):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upsample(cells, guide, positions, (30, 17), progress=stop)
