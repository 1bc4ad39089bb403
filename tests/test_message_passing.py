"""Message passing: an average over alike nodes nearby, the identity without rounds, in 1-D, 2-D and 3-D and on tiny grids."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parmesan_engine.message_passing import RADII, affinity, refine

GRIDS = [(1,), (2,), (40,), (1, 1), (1, 9), (3, 2), (13, 17), (1, 1, 1), (2, 1, 3), (5, 6, 7)]


def field(grid, seed=0, d=6):
    rows = np.random.default_rng(seed).normal(size=(int(np.prod(grid)), d))
    return torch.from_numpy((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32))


def places(grid):
    return np.stack(np.unravel_index(np.arange(int(np.prod(grid))), grid), 1)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_rows_sum_to_one_and_listen_within_the_window_only(grid):
    listen = affinity(field(grid), grid, tau=0.1)
    torch.testing.assert_close(listen.weights.sum(1), torch.ones(len(listen.ids)))
    assert bool((listen.weights >= 0).all()) and 0 <= int(listen.ids.min()) <= int(listen.ids.max()) < len(listen.ids)
    offset = np.abs(places(grid)[listen.ids.numpy()] - places(grid)[:, None])
    heard = listen.weights.numpy() > 0
    alone = len(listen.ids) == 1
    allowed = np.asarray([0, *RADII[len(grid)]])
    assert np.isin(offset[heard], allowed).all()
    for steps in offset[heard]:  # along one direction: all non-zero steps are equal
        assert len(set(steps[steps > 0])) == (0 if alone else 1)


@pytest.mark.parametrize("grid", [(30,), (9, 11), (4, 5, 6)], ids=str)
def test_weights_are_the_softmax_of_the_most_alike(grid):
    keys, tau, keep = field(grid, seed=1), 0.2, 4
    listen, at = affinity(keys, grid, tau=tau, keep=keep), places(grid)
    for node in (0, len(keys) // 2, len(keys) - 1):
        step = at - at[node]
        size = np.abs(step).max(1)
        near = np.isin(size, RADII[len(grid)]) & ((np.abs(step) == size[:, None]) | (step == 0)).all(1)
        distance = 1 - (keys.double() @ keys[node].double()).numpy()
        chosen = np.flatnonzero(near)[np.argsort(distance[near], kind="stable")[:keep]]
        weights = np.exp(-distance[chosen] / tau)
        mine = {int(i): float(w) for i, w in zip(listen.ids[node], listen.weights[node], strict=True) if w > 0}
        assert mine == pytest.approx(dict(zip(chosen.tolist(), weights / weights.sum(), strict=True)), abs=1e-5)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), grid=st.sampled_from(GRIDS), steps=st.integers(0, 4), lam=st.floats(0, 0.99), value=st.floats(-9, 9))
def test_a_constant_field_stays_and_no_round_is_the_identity(seed, grid, steps, lam, value):
    listen, n = affinity(field(grid, seed), grid, tau=0.05), int(np.prod(grid))
    flat = torch.full((n, 2), value)
    torch.testing.assert_close(refine(flat, listen, steps=steps, lam=lam), flat, rtol=1e-5, atol=1e-5)
    rough = torch.from_numpy(np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32))
    assert torch.equal(refine(rough, listen, steps=0, lam=lam), rough)
    refined = refine(rough, listen, steps=steps, lam=lam)
    assert float(refined.min()) >= float(rough.min()) - 1e-5 and float(refined.max()) <= float(rough.max()) + 1e-5


def test_rounds_follow_the_formula():
    grid, lam = (6, 5), 0.4
    listen = affinity(field(grid), grid, tau=0.1)
    dense = torch.zeros(30, 30, dtype=torch.float64)
    for i in range(30):
        dense[i].index_add_(0, listen.ids[i], listen.weights[i].double())
    start = torch.rand(30, 3, generator=torch.Generator().manual_seed(0))
    expected = start.double()
    for _ in range(3):
        expected = (1 - lam) * start.double() + lam * dense @ expected
    torch.testing.assert_close(refine(start, listen, steps=3, lam=lam).double(), expected, rtol=1e-5, atol=1e-6)


def test_distributions_stay_distributions_and_outliers_are_outvoted():
    grid = (9, 9)
    keys = field((1, 1)).repeat(81, 1)  # all alike
    answers = torch.tensor([1.0, 0.0]).repeat(81, 1)
    answers[40] = torch.tensor([0.45, 0.55])
    refined = refine(answers, affinity(keys, grid, tau=0.1), steps=2, lam=0.5)
    torch.testing.assert_close(refined.sum(1), torch.ones(81))
    assert int(refined[40].argmax()) == 0
