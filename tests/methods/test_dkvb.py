"""The discrete key-value bottleneck: the authors' rules, and unlearning by pruning."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from parmesan_engine.methods.dkvb import Bottleneck, Dkvb
from parmesan_engine.methods.dkvb_keys import SMOOTHING, fetch, fit_keys, learn_values, nearest, project, projections
from tests.helpers import VALUES
from tests.methods.lessons import learn, lesson, query

C, M, DIMS, L, N = 3, 20, 2, 4, 30


@pytest.fixture
def random():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def keys(random):
    return torch.randn(C, M, DIMS, generator=random)


@pytest.fixture
def points(random):
    return torch.randn(C, N, DIMS, generator=random)


def small(**more):
    return Dkvb(**{"codebooks": 8, "pairs": 64, "steps": 60, "key_rounds": 3, **more})


@pytest.mark.parametrize("size", [0.5, 4.0])  # of values: the gradient of large ones is clipped
@pytest.mark.parametrize("classify", [True, False])
def test_a_step_is_plain_gradient_descent_on_the_values(random, keys, points, classify, size):
    found = nearest(points, keys)
    targets = torch.randn(N, L, generator=random) * size
    values = torch.randn(C, M, L, generator=random) * size
    targets = (3 * targets).softmax(1) if classify else targets
    expected = values.clone().requires_grad_(True)
    answers = expected[torch.arange(C)[:, None], found].mean(0)
    loss = cross_entropy(answers, targets, label_smoothing=SMOOTHING) if classify else (answers - targets).square().sum(1).mean() / 2
    (C * loss).backward()
    norm = torch.nn.utils.clip_grad_norm_([expected], 1.0)
    assert (norm > 1) == (size > 1 and not classify)
    torch.optim.SGD([expected], lr=0.3).step()
    learn_values(values, found, targets, classify=classify, rate=0.3, steps=1, seed=0)
    torch.testing.assert_close(values, expected.detach())


def test_only_fetched_values_change_and_the_others_stay_bit_for_bit(random, keys, points):
    values = torch.randn(C, M, L, generator=random)
    before, found = values.clone(), nearest(points[:, :5], keys)
    learn_values(values, found, torch.eye(L)[torch.arange(5) % L], classify=True, rate=10.0, steps=50, seed=0)
    fetched = torch.zeros(C, M, dtype=torch.bool).scatter_(1, found, True)
    assert fetched.any() and not fetched.all()
    assert torch.equal(values[~fetched], before[~fetched]) and (values[fetched] != before[fetched]).any(1).all()


def test_what_other_nodes_fetch_is_answered_as_before_to_the_last_bit():
    keys = torch.randn(C, M, DIMS, generator=torch.Generator().manual_seed(1))
    near, far = keys[:, :10], keys[:, 10:]  # each point fetches its own key
    values = torch.zeros(C, M, L)
    learn_values(values, nearest(near, keys), torch.eye(L)[torch.arange(10) % L], classify=True, rate=10.0, steps=50, seed=0)
    before = fetch(values, nearest(near, keys))
    learn_values(values, nearest(far, keys), torch.eye(L)[torch.full((10,), 3)], classify=True, rate=10.0, steps=50, seed=0)
    assert torch.equal(fetch(values, nearest(near, keys)), before)
    assert (before.argmax(1) == torch.arange(10) % L).all() and (fetch(values, nearest(far, keys)).argmax(1) == 3).all()


def test_projections_are_fixed_gaussian_and_of_unit_columns():
    matrices = projections(50, C, DIMS, 3)
    torch.testing.assert_close(matrices.norm(dim=1), torch.ones(C, DIMS))
    assert torch.equal(matrices, projections(50, C, DIMS, 3)) and not torch.equal(matrices, projections(50, C, DIMS, 4))
    features = torch.randn(7, 50, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(project(features, matrices), torch.stack([features @ one for one in matrices]))


def test_the_nearest_key_is_the_nearest_and_an_unused_one_is_never_picked(random, keys, points):
    assert torch.equal(nearest(points, keys), torch.cdist(points, keys).argmin(2))
    usable = torch.rand(C, M, generator=random) < 0.3
    usable[1] = False
    found = nearest(points, keys, usable)
    assert torch.equal(found[0], torch.cdist(points, keys)[0].masked_fill(~usable[0], torch.inf).argmin(1))
    assert (found[1] == -1).all() and usable[0][found[0]].all() and usable[2][found[2]].all()


def test_the_answer_is_the_mean_over_codebooks_that_have_a_key(random):
    values = torch.randn(C, M, L, generator=random)
    found = torch.tensor([[0, 1, -1], [2, -1, -1], [4, 5, -1]])
    answers = fetch(values, found)
    torch.testing.assert_close(answers[0], (values[0, 0] + values[1, 2] + values[2, 4]) / 3)
    torch.testing.assert_close(answers[1], (values[0, 1] + values[2, 5]) / 2)
    assert answers[2].isnan().all()


def test_keys_go_where_the_nodes_are_and_none_is_dead(random):
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    nodes = (centres[torch.arange(3000) % 3] + 0.1 * torch.randn(3000, 2, generator=random))[None]
    keys = fit_keys(nodes, 12, rounds=5, seed=0)
    assert keys.shape == (1, 12, 2) and torch.cdist(keys[0], centres).min(1)[0].max() < 0.5
    assert len(nearest(nodes, keys).unique()) == 12
    drawn = nodes[:, torch.randperm(3000, generator=random)[:12]]  # nodes themselves, not moved
    spread = [(nodes[0] - some[0][nearest(nodes, some)[0]]).norm(dim=1).mean() for some in (keys, drawn)]
    assert spread[0] < spread[1]


def test_there_may_be_fewer_nodes_than_keys_or_than_a_batch(random):
    keys = fit_keys(torch.randn(2, 5, 3, generator=random), 8, rounds=2, seed=0)
    assert keys.shape == (2, 8, 3) and keys.isfinite().all()


def test_the_threads_do_not_matter(random, keys):
    points = torch.randn(C, 3000, DIMS, generator=random)
    answers, threads = [], torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            values, own = torch.zeros(C, M, L), fit_keys(points, M, rounds=2, seed=0)
            learn_values(values, nearest(points, own), torch.eye(L)[torch.arange(3000) % L], classify=True, rate=10.0, steps=20, seed=0)
            answers.append(values)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*answers)


def test_keys_are_placed_without_labels_and_frozen_after_the_first_step():
    method, other = learn(small(), "one", range(2), classes=(0, 1, 2)), small()
    places = [one.clone() for one in method.places]
    learn(method, "two", range(2, 6))
    assert all(torch.equal(*pair) for pair in zip(places, method.places, strict=True))
    other.begin_experience(method.experience)
    given = lesson(other, range(2))
    for batch in given.batches:
        batch.labels[:] = batch.labels[:, [1, 2, 0]]  # the same nodes, other classes
    other.observe(given)
    other.end_experience()
    assert all(torch.equal(*pair) for pair in zip(places, other.places, strict=True))


def test_values_are_fetched_where_training_did_and_zero_elsewhere():
    method = learn(small(pairs=300), "one", range(2))
    model = method.known["task"].model
    assert 0.2 < model.used.float().mean() < 1
    assert (model.values[~model.used] == 0).all() and (model.values[model.used] != 0).any(1).all()


def test_values_of_a_regression_are_in_its_unit():
    answer = learn(small(steps=300), "one", range(4), task=VALUES).predict(query(small()))
    assert np.quantile(answer, 0.1) > 950 and np.quantile(answer, 0.9) < 2100


def test_unlearning_prunes_the_pairs_most_used_by_the_step_and_leaves_the_others_bit_for_bit():
    values, counts = torch.randn(1, 4, L), {"a": torch.tensor([[5, 0, 2, 0]]), "b": torch.tensor([[1, 3, 2, 0]])}
    left = Dkvb().without(Bottleneck(values, counts), "a")
    assert left.used.tolist() == [[False, True, True, False]]
    assert torch.equal(left.values[0, 1:], values[0, 1:]) and (left.values[0, 0] == 0).all()
    assert list(left.counts) == ["b"] and left.counts["b"].tolist() == [[0, 3, 2, 0]]
    assert Dkvb().without(left, "b") is None


def test_what_was_unlearned_can_be_learned_again():
    method = learn(small(), "one", range(2), classes=(0, 1))
    learn(method, "two", range(2, 4), classes=(2,))
    first = (method.predict(query(method)) == 2).sum()
    method.forget("two")
    assert set(np.unique(method.predict(query(method)))) == {0, 1}
    learn(method, "two", range(2, 4), classes=(2,))
    assert (method.predict(query(method)) == 2).sum() > first / 2
