"""Memory-based parameter adaptation: the invariants of the paper, and the method on dense samples."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from parmesan_engine.methods import mbpa_reading
from parmesan_engine.methods.mbpa import Mbpa, windows
from parmesan_engine.methods.mbpa_reading import adapted, kernel_weights, train_head, with_constant
from tests.helpers import SIDES, VALUES, truth
from tests.methods.lessons import learn, query

B, Q, K, D, L = 5, 2, 6, 7, 3


@pytest.fixture
def given():
    """Queries, neighbours, labels, weights and head, all random."""
    random = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=random)

    return with_constant(normalize(draw(B, Q, D), dim=2)), with_constant(normalize(draw(B, K, D), dim=2)), draw(B, K, L).softmax(2), \
        draw(B, K).softmax(1), draw(L, D + 1)


def by_autograd(queries, near, labels, weights, head, *, classify, steps, rate, beta, explicit=False):
    """The paper's rule for each head by itself, gradients from autograd."""
    answers = []
    for asked, h, y, w in zip(queries, near, labels, weights, strict=True):
        theta = head.clone()
        for _ in range(steps):
            theta.requires_grad_(True)
            out = h @ theta.T
            losses = cross_entropy(out, y, reduction="none") if classify else (out - y).square().sum(1) / 2
            slope = torch.autograd.grad((w * losses).sum(), theta)[0]
            theta = theta.detach()
            stepped = theta - rate * slope
            theta = stepped - beta * (theta - head) if explicit else head + (stepped - head) / (1 + beta)
        answers.append(asked @ theta.T)
    return torch.stack(answers)


@pytest.mark.parametrize("beta", [0.0, 0.3])
@pytest.mark.parametrize("classify", [True, False])
def test_the_closed_form_is_the_gradient(given, classify, beta):
    rule = {"classify": classify, "steps": 6, "rate": 0.7, "beta": beta}
    torch.testing.assert_close(adapted(*given, **rule), by_autograd(*given, **rule), rtol=1e-4, atol=1e-5)


def test_the_implicit_pull_comes_to_rest_where_the_papers_does(given):
    rule = {"classify": True, "steps": 300, "rate": 0.7, "beta": 0.1}
    ours = adapted(*given, **rule)
    torch.testing.assert_close(ours, by_autograd(*given, explicit=True, **rule), rtol=1e-4, atol=1e-4)
    assert (ours - adapted(*given, **{**rule, "beta": 0.0})).abs().max() > 0.01


def test_no_step_is_the_head_itself(given):
    queries, *_, head = given
    assert torch.equal(adapted(*given, classify=True, steps=0, rate=0.7, beta=0.0), queries @ head.T)


def test_a_strong_pull_leaves_the_head_as_it_is(given):
    queries, *_, head = given
    rule = {"classify": True, "steps": 20, "rate": 0.7}
    torch.testing.assert_close(adapted(*given, beta=1e6, **rule), queries @ head.T)
    assert (adapted(*given, beta=0.0, **rule) - queries @ head.T).abs().max() > 0.1


def test_a_single_neighbour_raises_the_probability_of_its_label(given):
    _, near, _, _, head = given
    label, one = torch.eye(L)[torch.arange(B) % L], torch.ones(B, 1)
    shares = [adapted(near[:, :1], near[:, :1], label[:, None], one, head, classify=True, steps=n, rate=0.7, beta=0.0).softmax(2)[:, 0]
              for n in range(4)]
    own = torch.stack([(share * label).sum(1) for share in shares])
    assert (own.diff(dim=0) > 0).all()


def test_a_step_changes_nothing_that_was_given(given):
    before = [one.clone() for one in given]
    adapted(*given, classify=True, steps=5, rate=0.7, beta=0.1)
    assert all(torch.equal(*pair) for pair in zip(given, before, strict=True))


def test_the_order_of_neighbours_does_not_matter_and_one_given_twice_counts_as_one_of_twice_the_weight(given):
    queries, near, labels, weights, head = given
    rule = {"classify": True, "steps": 5, "rate": 0.7, "beta": 0.0}
    order = torch.arange(K).flip(0)
    plain = adapted(*given, **rule)
    torch.testing.assert_close(adapted(queries, near[:, order], labels[:, order], weights[:, order], head, **rule), plain)
    twice = [torch.cat([one, one], 1) for one in (near, labels, weights / 2)]
    torch.testing.assert_close(adapted(queries, *twice, head, **rule), plain)


def test_default_rate_is_steady_on_identical_neighbours():
    head, near = torch.randn(1, D + 1, generator=torch.Generator().manual_seed(1)), with_constant(normalize(torch.ones(1, K, D), dim=2))
    labels, weights, recipe = torch.full((1, K, 1), 2.0), torch.full((1, K), 1 / K), Mbpa()
    answer = adapted(near[:, :1], near, labels, weights, head, classify=False, steps=recipe.steps, rate=recipe.rate, beta=0.0)
    torch.testing.assert_close(answer, torch.full((1, 1, 1), 2.0), rtol=0.01, atol=0.0)  # the most curved case: |h|^2 = 2 for all


def test_weights_are_those_of_the_paper():
    squared = torch.tensor([[0.0, 1.0, 3.0]])
    expected = torch.tensor([[1 / 1e-3, 1 / 1.001, 1 / 3.001]])
    torch.testing.assert_close(kernel_weights(squared), expected / expected.sum())


@pytest.mark.parametrize("classify", [True, False])
def test_a_head_is_trained_by_adam_and_the_old_one_stays(monkeypatch, classify):
    monkeypatch.setattr(mbpa_reading, "TRAINING_STEPS", 20)
    random = torch.Generator().manual_seed(0)
    features, head = with_constant(torch.randn(60, D, generator=random)), torch.randn(L, D + 1, generator=random)
    labels, before = torch.eye(L)[(features[:, 0] > 0).long()], head.clone()
    weights = head.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([weights], lr=mbpa_reading.TRAINING_RATE)
    for _ in range(20):
        optimiser.zero_grad()
        answers = features @ weights.T
        (cross_entropy(answers, labels) if classify else (answers - labels).square().sum(1).mean() / 2).backward()
        optimiser.step()
    torch.testing.assert_close(train_head(head, features, labels, classify=classify), weights.detach(), rtol=1e-3, atol=1e-4)
    assert torch.equal(head, before)


@pytest.mark.parametrize("grid", [(5,), (160,), (7, 9), (1, 6), (3, 5, 4)])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 8])
def test_windows_cover_each_node_and_ask_nodes_of_their_own(grid, size):
    nodes, asking = windows(grid, size)
    assert set(nodes.flatten().tolist()) == set(range(int(np.prod(grid))))
    assert nodes.shape[1] == size ** len(grid) and asking.shape[1] == min(size, 2) ** len(grid)
    owner = {}
    for number, (window, askers) in enumerate(zip(nodes.tolist(), asking.tolist(), strict=True)):
        assert set(askers) <= set(window)
        assert all(owner.setdefault(node, number) == number for node in window)  # no node is in two
        places = np.stack(np.unravel_index(window, grid))
        assert (np.ptp(places, axis=1) < size).all()


def test_a_window_of_equal_nodes_is_answered_as_its_nodes_are():
    node, window = (learn(Mbpa(window=size, k=3), "one", range(2)) for size in (0, 4))
    it, grid = node.known["task"], (6, 7)
    features = node.scaling.apply(query(node).levels[0].keys[100:101].expand(42, -1).numpy())
    answers = [one.answers(one.known["task"].model, features, it.classes, grid, node.tasks["task"]) for one in (node, window)]
    torch.testing.assert_close(*answers, rtol=1e-4, atol=1e-4)
    assert (answers[0] - (with_constant(normalize(features)) @ it.model.head.T)).abs().max() > 1e-3  # which is not the head's


def test_it_recovers_what_its_head_forgot():
    head, method = (Mbpa(steps=steps, window=0) for steps in (0, 20))
    for one in (head, method):
        learn(one, "one", range(4), classes=(0, 1))
        learn(one, "two", range(4, 8), classes=(2,))
    expected = truth(2, 9)
    forgotten, answer = head.predict(query(head, seed=9)), method.predict(query(method, seed=9))
    assert (forgotten[expected == 1] == 1).mean() < 0.5 < 0.8 < (answer[expected == 1] == 1).mean()
    assert (answer == expected).mean() > (forgotten == expected).mean()


def test_the_oldest_entries_give_way():
    method = Mbpa(capacity=50)
    learn(method, "one", range(2), classes=(0, 1))
    size = method.bytes
    learn(method, "two", [2], classes=(1,))
    model = method.known["task"].model
    assert len(model.features) == 50 and method.bytes == size
    assert (model.steps == 0).sum() == 30 and (model.labels[-20:, 1] == 1).all()


def test_what_is_remembered_stays_as_it_was_stored():
    method = learn(Mbpa(), "one", range(2), task=VALUES)
    before = method.known["task"].model
    learn(method, "two", range(2, 4), task=VALUES)
    after = method.known["task"].model
    assert torch.equal(after.features[: len(before.features)], before.features)
    assert torch.equal(after.labels[: len(before.labels)], before.labels)
    torch.testing.assert_close(after.features.norm(dim=1), torch.ones(len(after.features)))


def test_forgetting_takes_the_entries_of_a_step_and_leaves_the_others():
    method = learn(Mbpa(), "one", range(2), classes=(0, 1))
    before = method.known["task"].model
    learn(method, "two", range(2, 4), classes=(1, 2))
    head = method.known["task"].model.head
    method.forget("two")
    after = method.known["task"].model
    assert torch.equal(after.features, before.features) and torch.equal(after.head, head)
    assert set(np.unique(method.predict(query(method)))) <= {0, 1}
    method.forget("one")
    assert (method.predict(query(method)) == -1).all() and method.predict(query(method)).shape == SIDES[2]


def test_a_window_larger_than_the_sample_is_the_whole_sample():
    side = max(SIDES[2])
    huge, whole = (learn(Mbpa(window=window), "one", (0,)) for window in (10**12, side))
    assert np.array_equal(huge.predict(query(huge)), whole.predict(query(whole)))
