"""Votes, answers and conflict: shares sum to 1, cold temperatures pick the nearest, nobody near means no answer."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parmesan_engine.transduction import conflict, spread, transfer, votes
from parmesan_engine.types import Neighbors


def neighbors(seed, queries=9, k=5, entries=30, found=None):
    random = np.random.default_rng(seed)
    distances = torch.from_numpy(np.sort(random.uniform(0, 0.4, (queries, k)).astype(np.float32), 1))
    ids = torch.from_numpy(np.stack([random.permutation(entries)[:k] for _ in range(queries)]))
    for row, n in enumerate(found or []):
        distances[row, n:], ids[row, n:] = torch.inf, -1
    return Neighbors(distances, ids)


def one_hot(entries=30, classes=4):
    return torch.eye(classes)[torch.arange(entries) % classes]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), tau=st.floats(1e-6, 10), found=st.lists(st.integers(0, 5), max_size=9))
def test_shares_and_answers_sum_to_one_or_to_nothing(seed, tau, found):
    near = neighbors(seed, found=found)
    weights = torch.from_numpy(np.random.default_rng(seed).uniform(0.1, 3, 30).astype(np.float32))
    shares = votes(near, weights, tau)
    expected = (near.ids >= 0).any(1).float()
    torch.testing.assert_close(shares.sum(1), expected)
    assert bool((shares >= 0).all()) and not bool(shares[near.ids < 0].any())
    torch.testing.assert_close(transfer(near, shares, one_hot()).sum(1), expected)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), tau=st.floats(0.01, 1))
def test_shares_follow_the_formula(seed, tau):
    near, weights = neighbors(seed), torch.linspace(0.5, 2, 30)
    raw = np.exp(-near.distances.double().numpy() / tau) * weights.double().numpy()[near.ids.numpy()]
    np.testing.assert_allclose(votes(near, weights, tau).numpy(), raw / raw.sum(1, keepdims=True), rtol=1e-4, atol=1e-7)


def test_a_cold_temperature_picks_the_nearest_and_a_hot_one_averages():
    near, labels = neighbors(1), one_hot()
    cold = transfer(near, votes(near, torch.ones(30), 1e-7), labels)
    assert torch.equal(cold, labels[near.ids[:, 0]])
    hot = transfer(near, votes(near, torch.ones(30), 1e7), labels)
    torch.testing.assert_close(hot, labels[near.ids].mean(1))


def test_a_weight_of_zero_silences_an_entry():
    near, weights = neighbors(2), torch.ones(30)
    weights[near.ids[0, 0]] = 0
    shares = votes(near, weights, 0.05)
    assert float(shares[0, 0]) == 0 and abs(float(shares[0].sum()) - 1) < 1e-6
    silent = votes(near, torch.zeros(30), 0.05)
    assert not bool(silent.any()), "nobody has a voice: no answer, not NaN"


def test_far_neighbours_do_not_overflow():
    near = Neighbors(torch.tensor([[2.0, 2.0]]), torch.tensor([[0, 1]]))
    assert votes(near, torch.ones(2), 1e-6).tolist() == [[0.5, 0.5]]


def test_values_are_the_weighted_mean_and_their_spread():
    near, labels = neighbors(3), torch.linspace(-5, 20, 30)[:, None]
    shares = votes(near, torch.ones(30), 0.1)
    answer = transfer(near, shares, labels)
    values, w = labels[near.ids, 0].double(), shares.double()
    mean = (w * values).sum(1)
    torch.testing.assert_close(answer[:, 0].double(), mean, rtol=1e-5, atol=1e-5)
    deviation = (w * (values - mean[:, None]) ** 2).sum(1).sqrt()
    torch.testing.assert_close(spread(near, shares, labels, answer).double(), deviation, rtol=1e-3, atol=2e-3)
    same = votes(near, torch.ones(30), 0.1)
    flat = torch.full((30, 1), 7.0)
    assert float(spread(near, same, flat, transfer(near, same, flat)).max()) < 0.01


@pytest.mark.parametrize("classes", [1, 2, 5])
def test_conflict_is_zero_when_all_agree_and_one_when_evenly_split(classes):
    agreed, split, nobody = torch.eye(classes)[:1], torch.full((1, classes), 1 / classes), torch.zeros(1, classes)
    assert conflict(agreed).item() == 0 and conflict(nobody).item() == 0
    assert conflict(split).item() == pytest.approx(1.0 if classes > 1 else 0.0)
    if classes > 2:
        assert 0 < conflict(torch.tensor([[0.5, 0.5, *[0.0] * (classes - 2)]])).item() == pytest.approx(math.log(2) / math.log(classes))
