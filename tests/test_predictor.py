"""The predictor follows a memory bit for bit: live after any deltas equals one made anew from the same memory."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parmesan_engine.errors import EmptyMemoryError, ShapeError, VersionError
from parmesan_engine.memory import Memory
from parmesan_engine.metric import Metric
from parmesan_engine.predictor import Predictor
from parmesan_engine.registry import recipe_of
from tests.helpers import SIDES, TASK, VALUES, TinyEncoder, batch, plain_metric, same, sample, truth

ENCODER = TinyEncoder(gain=1 / 64)
FEATURES = {dims: ENCODER.channels_of(1, dims) for dims in (1, 2, 3)}


def memory_for(dims=2, task=TASK, novelty=0.0):
    return Memory.create(None, channels=FEATURES[dims], task=task, encoder=recipe_of(ENCODER), novelty=novelty)


def some(dims, seed, n, *, task=TASK, gesture="g", weights=None):
    """Return a batch of n random nodes of sample `seed` with their true labels."""
    pyramid = ENCODER.encode(sample(dims, seed))
    nodes = np.sort(np.random.default_rng(seed).permutation(len(pyramid.levels[0].keys))[:n])
    labels = truth(dims, seed).ravel()[nodes]
    rows = np.eye(task.label_dim)[labels] if task.kind == "segmentation" else 1000 + 500.0 * labels[:, None]
    return batch(pyramid, nodes, rows, gesture=gesture, weights=weights)


def predictor_of(memory, dims=2, *, tau=0.02, k=8, steps=2, task=None):
    metric = plain_metric(FEATURES[dims], tau=tau, k=k)
    return Predictor(ENCODER, memory, metric, task=task or memory.task, steps=steps)


def fresh_prediction(memory, dims, like):
    fresh = Predictor(ENCODER, memory, like.metric, task=like.task, k=like.k, steps=like.steps)
    fresh.set_sample("x", sample(dims, 7))
    return fresh.predict("x")


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_a_memorised_sample_gets_its_own_labels(dims):
    memory, labels = memory_for(dims), truth(dims, 0)
    memory.add([some(dims, 0, labels.size)])
    predictor = predictor_of(memory, dims, k=1, tau=1e-6, steps=0)
    predictor.set_sample("own", sample(dims, 0))
    prediction = predictor.predict("own")
    assert np.array_equal(prediction.labels, labels) and prediction.labels.dtype == np.int16
    assert prediction.probabilities.shape == (3, *SIDES[dims])
    np.testing.assert_allclose(prediction.probabilities.sum(0), 1, atol=1e-5)
    assert prediction.novelty.max() < 1e-6 and prediction.conflict.max() == 0 and prediction.entries == labels.size


def test_values_of_a_memorised_sample_come_back():
    memory = memory_for(task=VALUES)
    memory.add([some(2, 0, 480, task=VALUES)])
    predictor = predictor_of(memory, k=1, tau=1e-6, steps=0)
    predictor.set_sample("own", sample(2, 0))
    prediction = predictor.predict("own")
    assert prediction.labels is None and prediction.probabilities is None
    np.testing.assert_allclose(prediction.values, 1000 + 500 * truth(2, 0), rtol=1e-6)


def test_order_of_batches_and_rows_changes_no_bit():
    batches = [some(2, seed, 60, weights=np.linspace(0.5, 2, 60, dtype=np.float32)) for seed in range(4)]
    one, two = memory_for(), memory_for()
    for b in batches:
        one.add([b])
    shuffled = []
    for number, b in enumerate(reversed(batches)):
        order = np.random.default_rng(number).permutation(60)
        shuffled.append(replace(b, keys=b.keys[order], labels=b.labels[order], coordinates=b.coordinates[order],
                                parents=b.parents[order], weights=b.weights[order]))
    two.add(shuffled)
    predictions = [fresh_prediction(memory, 2, predictor_of(memory)) for memory in (one, two)]
    assert same(*predictions) and predictions[0].version == one.version == two.version


@settings(max_examples=15, deadline=None)
@given(data=st.data(), dims=st.integers(1, 3), novelty=st.sampled_from([0.0, 0.002]), kind=st.sampled_from(["classes", "values"]))
def test_any_deltas_give_the_prediction_of_a_fresh_predictor(data, dims, novelty, kind):
    task = TASK if kind == "classes" else VALUES
    memory = memory_for(dims, task, novelty)
    memory.add([some(dims, 0, 80, task=task)])
    live = predictor_of(memory, dims)
    live.set_sample("x", sample(dims, 7))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    for number in range(data.draw(st.integers(1, 7))):
        verb = data.draw(st.sampled_from(["add", "replace", "remove", "modify", "unlearn", "undo"]))
        stored = memory.select()
        chosen = random.permutation(stored)[: random.integers(1, max(len(stored) // 2, 2))]
        if verb == "add" or len(chosen) == 0 or len(chosen) == len(stored):
            delta = memory.add([some(dims, int(random.integers(1, 9)), int(random.integers(1, 60)), task=task, gesture=f"g{number}")])
        elif verb == "replace":  # painting over: some go and others come in one delta
            delta = memory.add([some(dims, int(random.integers(1, 9)), 50, task=task)], remove=chosen)
        elif verb == "remove":
            delta = memory.remove(chosen)
        elif verb == "modify":
            chosen = chosen[np.isin(chosen, memory.ids)]
            delta = memory.modify(chosen, labels=np.roll(memory.labels(chosen), 1, 1) + (0 if kind == "classes" else 7),
                                  weights=random.uniform(0.1, 3, len(chosen)))
        elif verb == "unlearn":
            delta, _ = memory.unlearn(chosen)
        else:
            try:
                delta = memory.undo()
            except VersionError:  # an unlearn cannot be undone
                continue
        if len(memory) == 0:
            return
        live.apply(delta)
        assert same(live.predict("x"), fresh_prediction(memory, dims, live)), verb
        assert len(live.index) == len(memory) and live.version == memory.version


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32), dims=st.integers(1, 3), novelty=st.sampled_from([0.0, 0.002]),
       kind=st.sampled_from(["classes", "values"]))
def test_switching_between_versions_gives_the_prediction_of_a_fresh_predictor(seed, dims, novelty, kind):
    task, random = (TASK if kind == "classes" else VALUES), np.random.default_rng(seed)
    memory = memory_for(dims, task, novelty)
    memory.add([some(dims, 0, 80, task=task)])
    for number in range(5):
        stored = memory.select()
        memory.add([some(dims, number + 1, 30, task=task, gesture=f"g{number}")], remove=random.permutation(stored)[:10])
        chosen = memory.ids[::7]
        memory.modify(chosen, labels=np.roll(memory.labels(chosen), 1, 1), weights=random.uniform(0.1, 3, len(chosen)))
    versions = [record.version for record in memory.history() if record.entries]
    live = Predictor(ENCODER, memory.checkout(versions[0]), plain_metric(FEATURES[dims], tau=0.02), task=task)
    live.set_sample("x", sample(dims, 7))
    for version in (*random.permutation(versions), memory.version):
        live.switch(memory.checkout(str(version)))
        assert same(live.predict("x"), fresh_prediction(memory.checkout(str(version)), dims, live)) and live.version == version
    live.switch(memory)
    memory.remove(memory.ids[:3])
    with pytest.raises(VersionError):
        live.switch(memory.checkout(versions[0]))


def test_painting_over_most_neighbours_never_counts_an_entry_twice():
    """Regression: a query that lost its neighbours was searched again when the new entries were already in the index."""
    memory = memory_for()
    first = memory.add([some(2, 0, 200)])
    live = predictor_of(memory, k=3)
    live.set_sample("x", sample(2, 7))
    live.apply(memory.add([some(2, 1, 200)], remove=first.added))
    assert live.states["x"].live.searched_again > 0
    rows = live.states["x"].live.neighbors.ids
    assert all(len(set(row)) == 3 for row in rows.tolist())
    assert same(live.predict("x"), fresh_prediction(memory, 2, live))


def test_apply_says_how_much_changed_and_nothing_changes_for_nothing():
    memory = memory_for()
    memory.add([some(2, 0, 100)])
    live = predictor_of(memory)
    live.set_sample("x", sample(2, 7))
    before = live.predict("x")
    assert live.apply(memory.refresh()) == 0 and same(live.predict("x"), before)
    assert 0 < live.apply(memory.add([some(2, 1, 3)])) <= 480


def test_it_abstains_where_nothing_is_near():
    for task in (TASK, VALUES):
        memory = memory_for(task=task)
        memory.add([some(2, 0, 480, task=task)])
        metric = Metric(np.zeros(4), np.eye(4)[:, :1])  # brightness alone
        predictor = Predictor(ENCODER, memory, metric, task=task)
        strange = sample(2, 0)
        array = strange.array.astype(np.float32)
        array[:, 5:9, 5:9] = -1e6  # the opposite of everything that was labelled
        predictor.set_sample("strange", replace(strange, array=array))
        prediction = predictor.predict("strange")
        unknown = prediction.labels == -1 if task is TASK else np.isnan(prediction.values)
        assert unknown[5:9, 5:9].all() and not unknown[12:].any() and (prediction.novelty[unknown] >= 0.999).all()


def test_a_memory_that_is_switched_off_is_an_empty_one():
    memory = memory_for()
    added = memory.add([some(2, 0, 100)])
    live = predictor_of(memory)
    live.set_sample("x", sample(2, 7))
    live.apply(memory.modify(added.added, weights=np.zeros(100)))
    with pytest.raises(EmptyMemoryError):
        live.predict("x")
    live.apply(memory.modify(added.added, weights=np.ones(100)))
    assert same(live.predict("x"), fresh_prediction(memory, 2, live))


def test_new_classes_are_taken_up_live():
    memory = memory_for()
    memory.add([some(2, 0, 100)])
    live = predictor_of(memory)
    live.set_sample("x", sample(2, 7))
    wider = TASK.replace(classes=(*TASK.classes, "new"), colors=(*TASK.colors, (1, 2, 3)))
    memory.set_task(wider)
    live.set_task(wider)
    assert live.predict("x").probabilities.shape[0] == 4 and not live.predict("x").probabilities[3].any()
    assert same(live.predict("x"), fresh_prediction(memory, 2, live))
    pyramid = ENCODER.encode(sample(2, 7))
    live.apply(memory.add([batch(pyramid, np.arange(20), np.eye(4)[[3] * 20])]))
    assert same(live.predict("x"), fresh_prediction(memory, 2, live)) and (live.predict("x").labels == 3).any()
    with pytest.raises(ShapeError):
        live.set_task(TASK)


def test_an_empty_memory_cannot_predict():
    memory = memory_for()
    predictor = predictor_of(memory)
    with pytest.raises(EmptyMemoryError):
        predictor.set_sample("x", sample(2, 0))
    delta = memory.add([some(2, 0, 5)])
    predictor.apply(delta)
    predictor.set_sample("x", sample(2, 0))
    predictor.apply(memory.remove(delta.added))
    with pytest.raises(EmptyMemoryError):
        predictor.predict("x")


def test_strides_give_the_full_picture():
    memory, seen = memory_for(), []
    memory.add([some(2, 0, 200)])
    predictor = predictor_of(memory)
    predictor.set_sample("x", sample(2, 0), stride=2, progress=seen.append)
    prediction = predictor.predict("x")
    assert prediction.labels.shape == prediction.novelty.shape == (24, 20) and seen == sorted(seen) and seen[-1] == 1.0
    assert prediction.encoder == recipe_of(ENCODER) and not torch.is_tensor(prediction.labels)


@pytest.mark.parametrize("task", [TASK, VALUES], ids=["classes", "values"])
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 3])
def test_a_box_is_cut_from_the_whole_and_an_overview_holds_the_nodes(dims, stride, task):
    memory = memory_for(dims, task)
    memory.add([some(dims, 0, 90, task=task), some(dims, 1, 60, task=task, gesture="h")])
    predictor = predictor_of(memory, dims)
    state = predictor.set_sample("x", sample(dims, 7), stride=stride)
    whole, overview = predictor.predict("x"), predictor.overview("x")
    box = tuple((n // 3, n // 3 + max(1, n // 2)) for n in SIDES[dims])
    cut = predictor.predict("x", box=box)
    inside, nodes = tuple(slice(*b) for b in box), tuple(slice(None, None, stride) for _ in SIDES[dims])
    for name in ("labels", "values", "conflict", "novelty"):
        one = getattr(whole, name)
        if one is not None:
            assert np.array_equal(getattr(cut, name), one[inside], equal_nan=True)
            assert np.array_equal(getattr(overview, name), one[nodes], equal_nan=True)
            assert getattr(overview, name).shape == state.pyramid.levels[0].grid
    if task is TASK:
        assert np.array_equal(cut.probabilities, whole.probabilities[(slice(None), *inside)])


def test_an_overview_follows_the_memory_and_its_class_totals():
    memory = memory_for()
    memory.add([some(2, 0, 80)])
    predictor = predictor_of(memory)
    predictor.set_sample("x", sample(2, 7))
    first = predictor.overview("x").probabilities.copy()
    predictor.apply(memory.add([some(2, 1, 40, gesture="h")]))
    followed = predictor.overview("x").probabilities
    assert not np.array_equal(first, followed)
    assert np.array_equal(followed.reshape(3, -1), fresh_prediction(memory, 2, predictor).probabilities.reshape(3, -1))


@pytest.mark.parametrize("box", [((0, 5),), ((0, 25), (0, 5)), ((3, 3), (0, 5)), ((-1, 5), (0, 5))])
def test_a_box_outside_the_sample_is_refused(box):
    memory = memory_for()
    memory.add([some(2, 0, 80)])
    predictor = predictor_of(memory)
    predictor.set_sample("x", sample(2, 7))
    with pytest.raises(ShapeError):
        predictor.predict("x", box=box)


@pytest.mark.parametrize("task", [TASK, VALUES], ids=["classes", "values"])
def test_coarse_to_fine_over_all_coarse_nodes_is_the_flat_prediction_also_live(task):
    memory = memory_for(task=task)
    memory.add([some(2, 0, 200, task=task)])
    flat, all_nodes, few = (
        Predictor(ENCODER, memory, plain_metric(FEATURES[2], tau=0.02), task=task, index={"name": name, "keywords": keywords})
        for name, keywords in (("exact", {}), ("hierarchical", {"k_coarse": 1000}), ("hierarchical", {"k_coarse": 1})))
    for predictor in (flat, all_nodes, few):
        predictor.set_sample("x", sample(2, 7))
    assert 1 < few.index.coarse_nodes < 20 and same(flat.predict("x"), all_nodes.predict("x"))
    assert not torch.equal(flat.states["x"].live.neighbors.ids, few.states["x"].live.neighbors.ids)
    for delta in (memory.add([some(2, 1, 60, task=task, gesture="h")]), memory.remove(memory.ids[::2])):
        for predictor in (flat, all_nodes, few):
            predictor.apply(delta)
        assert same(flat.predict("x"), all_nodes.predict("x"))
    assert torch.isin(few.states["x"].live.neighbors.ids, torch.tensor(memory.ids)).all()
