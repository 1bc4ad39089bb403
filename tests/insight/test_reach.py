"""What examples decide, and what would be without them: equal, bit for bit, to a real removal, and nothing is committed."""

import numpy as np
import pytest
import torch

from parmesan_engine.errors import EmptyMemoryError
from parmesan_engine.insight import reach, without
from parmesan_engine.transduction import transfer, votes
from tests.helpers import VALUES, same, sample
from tests.test_predictor import memory_for, predictor_of, some

NOTHING = np.empty(0, np.int64)


def held(dims=2, *, novelty=0.0, names=("x", "y"), **setting):
    """Return (memory, predictor) with three gestures of 60 random examples each, holding two samples."""
    task = {"task": setting.pop("task")} if "task" in setting else {}
    memory = memory_for(dims, novelty=novelty, **task)
    for seed, gesture in enumerate("abc"):
        weights = np.linspace(0.5, 2, 60, dtype=np.float32)
        memory.add([some(dims, seed, 60, gesture=gesture, weights=weights, **task)])
    predictor = predictor_of(memory, dims, **setting)
    for number, name in enumerate(names):
        predictor.set_sample(name, sample(dims, 7 + number))
    return memory, predictor


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_shares_of_all_gestures_add_up_and_are_those_of_the_votes(dims):
    memory, predictor = held(dims)
    parts = [reach(predictor, "x", memory.select(gesture=gesture)) for gesture in "abc"]
    assert torch.allclose(sum(parts), torch.ones(len(parts[0])), atol=1e-5)
    neighbors = predictor.states["x"].live.neighbors
    shares = votes(neighbors, predictor.tables.weights, predictor.metric.tau)
    ids = set(memory.select(gesture="b").tolist())
    for node in (0, 7, len(parts[1]) - 1):
        expected = sum(float(s) for s, i in zip(shares[node], neighbors.ids[node].tolist(), strict=True) if i in ids)
        assert float(parts[1][node]) == pytest.approx(expected, abs=1e-6)


def test_nothing_reaches_nothing_and_unknown_ids_count_for_nothing():
    _, predictor = held()
    assert float(reach(predictor, "x", NOTHING).sum()) == 0
    assert float(reach(predictor, "x", np.array([10**6])).sum()) == 0
    few = memory_for()
    few.add([some(2, 0, 3)])
    lonely = predictor_of(few, k=8)  # fewer examples than voters: places of the list stay empty
    lonely.set_sample("x", sample(2, 7))
    assert torch.allclose(reach(lonely, "x", few.ids), torch.ones(480), atol=1e-5)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("novelty", [0.0, 0.002])
def test_without_equals_a_real_removal(dims, novelty):
    memory, predictor = held(dims, novelty=novelty)
    before = {name: predictor.predict(name) for name in "xy"}
    ids, version, count = memory.select(gesture="b"), memory.version, len(memory)
    other = without(predictor, ids, NOTHING, ["x", "y"])
    assert (memory.version, len(memory)) == (version, count)
    for name in "xy":
        assert same(predictor.predict(name), before[name])  # the one in use has not moved
    memory.remove(ids)
    assert memory.version == other.version
    anew = predictor_of(memory, dims)
    for number, name in enumerate("xy"):
        anew.set_sample(name, sample(dims, 7 + number))
        assert same(other.predict(name), anew.predict(name))


def test_what_had_been_painted_over_comes_back():
    memory, _ = held()
    gone = memory.select(gesture="a")[:20]
    memory.add([some(2, 5, 20, gesture="over")], remove=gone)
    predictor = predictor_of(memory)
    predictor.set_sample("x", sample(2, 7))
    over = memory.select(gesture="over")
    other = without(predictor, over, gone, ["x"])
    memory.remove(over, revive=gone)
    anew = predictor_of(memory)
    anew.set_sample("x", sample(2, 7))
    assert same(other.predict("x"), anew.predict("x"))


def test_values_without_a_gesture():
    memory, predictor = held(task=VALUES)
    ids = memory.select(gesture="c")
    other = without(predictor, ids, NOTHING, ["x"])
    memory.remove(ids)
    anew = predictor_of(memory)
    anew.set_sample("x", sample(2, 7))
    assert same(other.predict("x"), anew.predict("x"))
    neighbors = other.states["x"].live.neighbors
    answers = transfer(neighbors, votes(neighbors, other.tables.weights, other.metric.tau), other.tables.labels)
    assert torch.equal(answers, other.states["x"].answers)


def test_without_everything_there_is_no_answer():
    memory, predictor = held()
    other = without(predictor, memory.ids, NOTHING, ["x"])
    with pytest.raises(EmptyMemoryError):
        other.predict("x")
    assert len(predictor.index) == 180
