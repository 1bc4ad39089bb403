"""Why a pixel got its answer: the voters are the neighbours, their shares the votes, opponents the nearest of other classes."""

import numpy as np
import pytest

from parmesan_engine.errors import ShapeError
from parmesan_engine.insight import explain
from tests.helpers import VALUES, batch, sample
from tests.test_predictor import ENCODER, memory_for, predictor_of, some


def explained(at=(4, 5), *, task=None, top=8, k=6, **setting):
    memory = memory_for(**({"task": task} if task else {}))
    memory.add([some(2, 0, 150, **({"task": task} if task else {})), some(2, 1, 150, gesture="h", **({"task": task} if task else {}))])
    predictor = predictor_of(memory, k=k, **setting)
    predictor.set_sample("x", sample(2, 7))
    return explain(predictor, "x", at, top=top), predictor, memory


def test_voters_are_the_nearest_examples_with_where_they_come_from():
    found, predictor, memory = explained()
    node = 4 * 20 + 5
    ids = predictor.states["x"].live.neighbors.ids[node].tolist()
    assert sorted(n.entry for n in found.neighbors) == sorted(ids)
    assert sum(n.vote for n in found.neighbors) == pytest.approx(1, abs=1e-5)
    votes = [n.vote for n in found.neighbors]
    assert votes == sorted(votes, reverse=True) and all(0 <= n.similarity <= 1 + 1e-6 for n in found.neighbors)
    for n in found.neighbors:
        (origin,) = memory.provenance(np.array([n.entry]))
        assert (n.sample_id, n.at, n.gesture, n.source, n.author) == (origin.sample_id, origin.coordinates, origin.gesture, "s", "a")
        assert n.label == memory.labels(np.array([n.entry])).argmax()


def test_the_answer_is_the_prediction_at_that_pixel():
    found, predictor, memory = explained(at=(0, 0))
    prediction = predictor.predict("x")
    assert found.label == prediction.labels[0, 0] and found.version == memory.version and not found.abstained
    assert list(found.shares) == ["ground", "blob", "line"] and sum(found.shares.values()) == pytest.approx(1, abs=1e-5)
    assert found.shares[predictor.task.classes[found.label]] == max(found.shares.values())
    assert found.conflict == prediction.conflict[0, 0] and found.novelty == prediction.novelty[0, 0] and found.value is None


def test_votes_explain_the_class_when_nothing_is_smoothed():
    found, predictor, _ = explained(steps=0)
    share = np.zeros(3)
    for n in found.neighbors:
        share[int(n.label)] += n.vote
    np.testing.assert_allclose(predictor.states["x"].answers[4 * 20 + 5].numpy(), share, atol=1e-5)


def test_opponents_are_the_nearest_of_each_other_class():
    found, predictor, memory = explained()
    key = predictor.states["x"].queries[4 * 20 + 5].double()
    distances = 0.5 * (predictor.index.keys.double() - key).square().sum(1)
    classes = memory.labels(predictor.index.ids.numpy()).argmax(1)
    others = {name: c for c, name in enumerate(predictor.task.classes) if c != found.label}
    assert set(found.opponents) == set(others)
    for name, c in others.items():
        assert found.opponents[name].similarity == pytest.approx(1 - float(distances[classes == c].min()), abs=1e-5)
        assert found.opponents[name].label == c and found.opponents[name].vote == 0


def test_top_limits_the_list_to_the_strongest():
    all_of_them, *_ = explained(top=100)
    found, *_ = explained(top=2)
    assert len(all_of_them.neighbors) == 6 and found.neighbors == all_of_them.neighbors[:2]


def test_fewer_examples_than_neighbours_asked_for():
    memory = memory_for()
    memory.add([some(2, 0, 3)])
    predictor = predictor_of(memory, k=8)
    predictor.set_sample("x", sample(2, 7))
    found = explain(predictor, "x", (0, 0))
    assert len(found.neighbors) == 3 and all(n.entry >= 0 for n in found.neighbors)


def test_message_passing_that_overrules_the_neighbours_is_said():
    memory, pyramid = memory_for(), ENCODER.encode(sample(2, 7))
    labels = np.zeros(480, int)
    labels[10 * 20 + 10] = 1  # one odd example in the middle of ground
    memory.add([batch(pyramid, np.arange(480), np.eye(3)[labels])])
    predictor = predictor_of(memory, k=1, tau=1e-3, steps=12)
    predictor.lam = 0.9
    predictor.set_sample("x", sample(2, 7))
    found = explain(predictor, "x", (10, 10))
    assert found.neighbors[0].label == 1 and found.label == 0 and found.smoothed
    assert not explain(predictor, "x", (2, 2)).smoothed


def test_values_have_a_value_and_no_classes():
    found, predictor, _ = explained(task=VALUES)
    assert found.label is None and found.shares == {} and found.opponents == {}
    assert found.value == predictor.predict("x").values[4, 5]
    assert all(n.label in (1000, 1500, 2000) for n in found.neighbors)


@pytest.mark.parametrize("at", [(24, 0), (0, -1), (3,), (1, 2, 3)])
def test_a_pixel_outside_is_refused(at):
    with pytest.raises(ShapeError, match="a pixel inside"):
        explained(at=at)
