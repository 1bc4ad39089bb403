"""Random sequences of verbs against a plain model: content, versions, deltas, history, order independence, forgetting."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parmesan_engine.memory import Memory
from parmesan_engine.memory.consolidate import exact_distances, unit_rows
from tests.memory.memory_model import OPS, TASK, Model, apply, assert_equal, batch, new_memory, rebuilt

FORMATS = pytest.mark.parametrize("keys", ["float32", "float16"])
STEPS = st.lists(st.tuples(st.sampled_from(OPS), st.integers(0, 2**31)), min_size=4, max_size=18)
RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
NOVELTY = 0.06


def play(memory, steps, each=None) -> Model:
    model = Model(memory.key_format)
    for op, number in steps:
        plan = model.plan(op, number)
        if plan:
            returned = apply(memory, plan)
            model.apply(plan)
            if each:
                each(memory, model, returned[0] if plan[0] == "unlearn" else returned)
    return model


def greedy(memory, ids) -> set[int]:
    """Return the active ids by the definition, one pair at a time."""
    order = sorted(ids, key=lambda i: (int(memory.ties([i])[0]), i))
    units, labels = {i: unit_rows(memory.keys([i]))[0] for i in ids}, {i: int(memory.labels([i]).argmax()) for i in ids}
    kept = []
    for i in order:
        near = [(float(exact_distances(units[i], units[j])), place, j) for place, j in enumerate(kept)]
        near = [found for found in near if np.float32(found[0]) <= np.float32(NOVELTY)]
        if not near or labels[min(near)[2]] != labels[i]:
            kept.append(i)
    return set(kept)


@FORMATS
@settings(parent=RELAXED, max_examples=40)
@given(steps=STEPS)
def test_every_step_matches_the_model_and_a_memory_that_only_ever_got_the_survivors(steps, keys):
    play(new_memory(keys=keys), steps, lambda memory, model, _: assert_equal(memory, model))


@RELAXED
@given(STEPS)
def test_deltas_tell_what_changed(steps):
    memory, seen = new_memory(), {}

    def follow(memory, model, delta):
        before = set(seen)
        assert set(delta.added.tolist()).isdisjoint(before) and set(delta.removed.tolist()) <= before
        assert set(delta.modified.tolist()) <= before - set(delta.removed.tolist())
        for i in delta.removed.tolist():
            del seen[i]
        changed = np.concatenate([delta.added, delta.modified])
        seen.update(zip(changed.tolist(), memory.ties(changed).tolist(), strict=True))
        assert seen == dict(zip(memory.ids.tolist(), memory.ties(memory.ids).tolist(), strict=True))
        assert delta.after == memory.version and all((np.diff(ids) > 0).all() for ids in (delta.added, delta.removed, delta.modified))

    play(memory, steps, follow)
    follow_novelty, seen = new_memory(novelty=NOVELTY), {}
    play(follow_novelty, steps, follow)


@FORMATS
@settings(parent=RELAXED, max_examples=40)
@given(steps=STEPS)
def test_all_versions_stay_readable_as_if_the_unlearned_had_never_been(steps, keys):
    memory = new_memory(keys=keys)
    model = play(memory, steps)
    records = memory.history()
    assert [record.seq for record in records] == list(range(len(model.versions)))
    for record, state in zip(records, model.versions, strict=True):
        view, expected = memory.checkout(record.version), rebuilt(model, state)
        assert view.version == record.version == expected.version and record.entries == len(state) == view.stored
        assert len(view) == len(expected) and sorted(view.ties(view.ids)) == sorted(expected.ties(expected.ids))
    assert memory.verify() == []


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_novelty_keeps_what_the_definition_keeps_whatever_came_before(steps):
    memory = new_memory(novelty=NOVELTY)
    model = play(memory, steps)
    assert set(memory.ids.tolist()) == greedy(memory, model.active)
    fresh = rebuilt(model, model.state, NOVELTY, seed=3)
    assert memory.version == fresh.version and memory.stored == len(model.state)
    assert Counter(memory.ties(memory.ids).tolist()) == Counter(fresh.ties(fresh.ids).tolist())
    assert memory.version != rebuilt(model, model.state).version  # the setting is part of the content


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS, cut=st.integers(0, 17), keys=st.sampled_from(["float32", "float16"]))
def test_closing_and_opening_changes_nothing_not_even_what_undo_would_do(tmp_path_factory, steps, cut, keys):
    path = tmp_path_factory.mktemp("memory")
    memory, model = new_memory(path, keys=keys), Model(keys)
    for place, (op, number) in enumerate(steps):
        if place % 5 == cut % 5:
            memory.close()
            memory = Memory.open(path)
        plan = model.plan(op, number)
        if plan:
            apply(memory, plan)
            model.apply(plan)
    assert_equal(memory, model)
    assert memory.verify() == []
    memory.close()


@FORMATS
@pytest.mark.parametrize("novelty", [0.0, NOVELTY])
def test_order_of_learning_does_not_show_and_forgetting_is_never_having_learned(novelty, keys):
    noise = np.random.default_rng(5).normal(0, 1e-4, (40, 4)).astype(np.float32)
    one, two = batch(1, 40, "source A"), batch(2, 40, "source B", "sample-1", author="ben")
    one, two = (replace(part, keys=part.keys + noise) for part in (one, two))
    ab, ba, b = (new_memory(novelty=novelty, keys=keys) for _ in range(3))
    ab.add([one])
    ab.add([two])
    ba.add([two])
    ba.add([one])
    b.add([two])

    def content(memory):
        order = np.argsort(memory.ties(memory.ids), kind="stable")
        ids = memory.ids[order]
        return [memory.version, memory.ties(ids).tobytes(), memory.keys(ids).tobytes(), memory.labels(ids).tobytes()]

    assert content(ab) == content(ba) != content(b)
    ab.remove(ab.select(source="source A"))
    assert content(ab) == content(b)
    ba.unlearn(ba.select(source="source A", removed=True))
    assert content(ba) == content(b)


def test_a_class_added_later_leaves_versions_alone_and_can_be_undone():
    memory = new_memory()
    memory.add([batch(1)])
    version = memory.version
    wider = TASK.replace(classes=(*TASK.classes, "new"), colors=(*TASK.colors, (0, 0, 0)))
    delta = memory.set_task(wider)
    assert delta.after == version == memory.version and memory.labels(memory.ids).shape == (6, 4)
    memory.modify([0], labels=[[0, 0, 0, 1]])
    assert memory.labels([0]).tolist() == [[0, 0, 0, 1]]
    assert memory.checkout(version).task == wider  # the newest version with this content
    memory.undo()
    memory.undo()
    assert memory.task == TASK and memory.labels(memory.ids).shape == (6, 3) and memory.version == version
