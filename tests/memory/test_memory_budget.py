"""Which entries a budget keeps: at most so many, every class, by content alone; and what forgetting does afterwards."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parmesan_engine.errors import LimitError
from parmesan_engine.memory.budget import drawn, level_of
from tests.memory.memory_model import batch, new_memory


@settings(max_examples=80, deadline=None)
@given(counts=st.lists(st.integers(0, 40), min_size=1, max_size=6), budget=st.integers(1, 120), seed=st.integers(0, 99))
def test_at_most_the_budget_and_as_even_as_the_classes_allow(counts, budget, seed):
    counts, random = np.array(counts), np.random.default_rng(seed)
    if budget < (counts > 0).sum():
        with pytest.raises(LimitError, match="one of each class"):
            level_of(counts, budget)
        return
    level = level_of(counts, budget)
    assert np.minimum(counts, level).sum() <= budget
    assert np.minimum(counts, level + 1).sum() > budget or (counts <= level).all()  # no class could keep one more
    classes = random.permutation(np.repeat(np.arange(len(counts)), counts))
    lots = random.integers(0, 2**64, len(classes), dtype=np.uint64)
    kept = drawn(lots, classes, budget)
    assert np.array_equal(np.bincount(classes[kept], minlength=len(counts)), np.minimum(counts, level))
    for number in np.unique(classes[~kept]):
        assert lots[(classes == number) & kept].max() < lots[(classes == number) & ~kept].min()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 99), small=st.integers(3, 60), more=st.integers(0, 60))
def test_order_does_not_show_and_a_smaller_budget_keeps_a_part_of_a_larger_one(seed, small, more):
    random = np.random.default_rng(seed)
    classes, lots = random.integers(0, 3, 90), random.integers(0, 2**64, 90, dtype=np.uint64)
    kept, order = drawn(lots, classes, small), random.permutation(90)
    assert np.array_equal(drawn(lots[order], classes[order], small), kept[order])
    larger = drawn(lots, classes, small + more)
    assert not (kept & ~larger).any()
    again = np.zeros(90, bool)
    again[larger] = drawn(lots[larger], classes[larger], small)
    assert np.array_equal(again, kept)  # in two steps as in one


def test_equal_entries_stay_or_go_together():
    lots = np.array([5, 5, 5, 9, 1], np.uint64)
    assert drawn(lots, np.zeros(5, int), 2).tolist() == [False, False, False, False, True]
    assert drawn(lots, np.zeros(5, int), 4).tolist() == [True, True, True, False, True]


def test_a_class_of_equal_entries_is_not_lost():
    """Regression: what was learned twice has each entry twice, and with a small budget all of them went."""
    lots, classes = np.array([5, 7, 5, 5, 6], np.uint64), np.array([0, 1, 0, 0, 1])
    assert drawn(lots, classes, 2).tolist() == [True, False, False, False, True]
    assert drawn(lots, classes, 3).tolist() == [True, False, False, False, True]
    assert drawn(lots, classes, 4).tolist() == [True, True, True, False, True]


def bars(memory, ids, kept):
    """Return for each class the lowest lot that went; above all where none did."""
    lots, labels = memory.lots(ids), memory.labels(ids).argmax(axis=1)
    return [int(lots[(labels == c) & ~kept].min(initial=2**64 - 1)) for c in range(3)]


@pytest.mark.parametrize("purge", [True, False])
def test_forgetting_afterwards_is_the_same_bars_on_a_memory_that_never_learned_it(purge):
    one, two = batch(1, 60, "source A"), batch(2, 60, "source B", "sample-1", author="ben")
    both, alone = new_memory(), new_memory()
    both.add([one])
    both.add([two])
    alone.add([two])
    ids = both.ids
    kept = drawn(both.lots(ids), both.answers(ids), 50)
    limits = bars(both, ids, kept)
    before = both.version
    delta = both.consolidate(lambda memory: memory.ids[~drawn(memory.lots(memory.ids), memory.answers(memory.ids), 50)], author="ann")
    assert delta.removed.tolist() == ids[~kept].tolist() and both.history()[-1].verb == "consolidate" and both.history()[-1].author == "ann"
    assert both.undo().after == before and both.redo().after == delta.after
    if purge:
        both.unlearn(both.select(source="source A", removed=True))
    else:
        both.remove(both.select(source="source A"))
    mine = alone.ids
    alone.remove(mine[alone.lots(mine) >= np.array(limits, np.uint64)[alone.answers(mine)]])
    assert both.version == alone.version and 0 < len(alone) < 60 and both.verify() == []
    if purge:
        assert both.checkout(both.history()[2].version).stored == 60  # what was taken out of B is still in the history


def test_novelty_goes_on_by_what_is_stored():
    memory = new_memory(novelty=0.06)
    memory.add([batch(1, 80), batch(2, 80, source="other")])
    stored, active = memory.select(), len(memory)
    gone = stored[~drawn(memory.lots(stored), memory.answers(stored), 40)]
    view = memory.without(gone, gone[:0])
    delta = memory.consolidate(lambda _: gone)
    fresh = new_memory(novelty=0.06)
    for seed, source in ((1, "first source"), (2, "other")):
        fresh.add([batch(seed, 80, source=source)])
    fresh.remove(gone)
    assert len(memory) <= 40 < active and memory.version == view.version == fresh.version == delta.after
    assert memory.ids.tolist() == view.ids.tolist() == fresh.ids.tolist()
    assert memory.undo().after == memory.history()[1].version and len(memory) == active
