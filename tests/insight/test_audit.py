"""Leave-one-stroke-out: equal to a search in a memory really without the stroke; finds what was labelled wrong on purpose."""

from dataclasses import replace

import numpy as np
import pytest

from parmesan_engine.errors import EmptyMemoryError
from parmesan_engine.insight import audit, witnesses
from parmesan_engine.insight.witnesses import probes_of, strokes_of
from parmesan_engine.insight.witnesses import testimony as hear
from parmesan_engine.predictor import Predictor
from parmesan_engine.transduction import transfer, votes
from tests.helpers import VALUES, batch, sample, truth
from tests.test_predictor import ENCODER, memory_for, predictor_of, some


def painted(dims=2, *, wrong=(), sizes=(30, 50, 20, 40), task=None, **setting):
    """Return (memory, predictor): one gesture per size, each on a sample of its own; the labels of those in `wrong` are rolled."""
    more = {"task": task} if task else {}
    memory = memory_for(dims, **more)
    for seed, size in enumerate(sizes):
        one = some(dims, seed, size, gesture=f"g{seed}", **more)
        labels = np.roll(one.labels, 1, 1) if seed in wrong and task is None else one.labels * (4 if seed in wrong else 1)
        memory.add([replace(one, labels=labels, sample_id=f"sample-{seed}")])
    return memory, predictor_of(memory, dims, **setting)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("wide", [1, 4, 1000])
def test_testimony_equals_a_search_without_the_stroke(dims, wide, monkeypatch):
    monkeypatch.setattr(witnesses, "WIDE", wide)
    memory, predictor = painted(dims)
    strokes = strokes_of(predictor)
    probes = probes_of(strokes)
    said = hear(predictor, strokes, probes)
    assert strokes.count == 4 and len(probes) == 140 and len(predictor.index) == 140
    for number in range(strokes.count):
        rest = memory.without(strokes.members(number), np.empty(0, np.int64))
        alone = Predictor(ENCODER, rest, predictor.metric, task=memory.task, k=predictor.k)
        rows = np.flatnonzero(strokes.stroke[probes] == number)
        keys, _ = predictor.index.lookup(predictor.index.ids.new_tensor(strokes.ids[probes[rows]]))
        found = alone.index.search(keys, predictor.k)
        answers = transfer(found, votes(found, alone.tables.weights, predictor.metric.tau), alone.tables.labels)
        np.testing.assert_allclose(said.answers[rows], answers, atol=1e-6)
        assert np.array_equal(said.nearest[rows], found.distances[:, 0])


def test_a_stroke_labelled_wrong_is_found_and_the_right_ones_are_not():
    _, right = painted(sizes=(60, 60, 60, 60))
    before = {one.gesture: one.contradicted for one in audit(right).strokes}
    memory, predictor = painted(wrong=[2], sizes=(60, 60, 60, 60))
    found = audit(predictor)
    first = found.strokes[0]
    assert first.gesture == "g2" and first.contradicted > first.heard / 2 and not first.redundant
    assert max(before.values()) < first.contradicted / 2
    assert all(one.contradicted < one.heard / 3 for one in found.strokes[1:])
    (origin,) = memory.provenance(np.array([first.worst]))
    own = memory.labels(np.array([first.worst])).argmax()
    assert (origin.gesture, origin.coordinates) == ("g2", first.at) and first.label == own != first.says
    assert set(memory.select(gesture="g2").tolist()) >= set(found.contradicted[:10].tolist())


def test_wrong_values_are_found():
    _, predictor = painted(wrong=[1], sizes=(150, 30, 150, 150), task=VALUES, tau=0.002)
    found = audit(predictor)
    assert found.strokes[0].gesture == "g1" and found.strokes[0].contradicted > 15
    assert all(one.contradicted <= 3 for one in found.strokes[1:])


def test_a_class_with_one_stroke_is_not_judged():
    memory, pyramid = memory_for(), ENCODER.encode(sample(2, 0))
    nodes = np.arange(480)
    for gesture, part, label in (("a", nodes[:200], 0), ("b", nodes[200:400], 0), ("c", nodes[400:410], 2)):
        memory.add([batch(pyramid, part, np.eye(3)[np.full(len(part), label)], gesture=gesture)])
    found = {one.gesture: one for one in audit(predictor_of(memory)).strokes}
    assert found["c"].contradicted == 0 and not found["c"].redundant


def test_redundant_strokes_can_all_go_together():
    memory, pyramid, labels = memory_for(), ENCODER.encode(sample(2, 0)), truth(2, 0).ravel()
    for number in range(6):  # the same picture, dealt out to six strokes
        nodes = np.arange(number, 480, 6)
        memory.add([batch(pyramid, nodes, np.eye(3)[labels[nodes]], gesture=f"g{number}")])
    memory.add([batch(pyramid, np.array([5]), np.eye(3)[[2]], gesture="odd")])
    predictor = predictor_of(memory, k=4)
    found = {one.gesture: one for one in audit(predictor).strokes}
    gone = [gesture for gesture, one in found.items() if one.redundant]
    for gesture in gone:
        assert found[gesture].contradicted == 0
    ids = np.concatenate([memory.select(gesture=gesture) for gesture in gone]) if gone else np.empty(0, np.int64)
    rest = Predictor(ENCODER, memory.without(ids, np.empty(0, np.int64)), predictor.metric, task=memory.task, k=predictor.k)
    for gesture in gone:
        mine = memory.select(gesture=gesture)
        keys, _ = predictor.index.lookup(predictor.index.ids.new_tensor(mine))
        near = rest.index.search(keys, predictor.k)
        answers = transfer(near, votes(near, rest.tables.weights, predictor.metric.tau), rest.tables.labels)
        assert np.array_equal(answers.argmax(1).numpy(), memory.labels(mine).argmax(1))
    assert "odd" not in gone


def test_copies_of_one_stroke_are_redundant_but_not_all_of_them():
    memory, pyramid = memory_for(), ENCODER.encode(sample(2, 0))
    labels = truth(2, 0).ravel()
    for gesture in "abc":
        memory.add([batch(pyramid, np.arange(480), np.eye(3)[labels], gesture=gesture)])
    found = audit(predictor_of(memory, k=2, tau=1e-4))
    assert sum(one.redundant for one in found.strokes) == 2


def test_large_strokes_are_heard_in_part_and_evenly(monkeypatch):
    monkeypatch.setattr(witnesses, "PROBES", 10)
    _, predictor = painted()
    strokes = strokes_of(predictor)
    probes = probes_of(strokes)
    assert [int((strokes.stroke[probes] == n).sum()) for n in range(4)] == [10] * 4
    found = audit(predictor)
    assert all(one.heard == 10 for one in found.strokes) and sum(one.entries for one in found.strokes) == 140


def test_the_audit_changes_nothing_and_tells_how_far_it_is():
    memory, predictor = painted()
    version, entries, told = memory.version, len(predictor.index), []
    audit(predictor, told.append)
    assert (memory.version, len(predictor.index)) == (version, entries)
    assert told == sorted(told) and all(0 < step <= 1 for step in told)


def test_an_empty_memory_is_refused():
    with pytest.raises(EmptyMemoryError):
        audit(predictor_of(memory_for()))
