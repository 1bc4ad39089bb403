"""Weight 0 is off: stored and versioned, but nowhere to be seen; on again, everything is as it was."""

import numpy as np
import pytest

from parmesan_engine.memory import Memory
from tests.memory.memory_model import batch, new_memory


@pytest.mark.parametrize("novelty", [0.0, 0.06])
def test_off_looks_like_removed_in_all_that_is_active(novelty):
    off, gone = new_memory(novelty=novelty), new_memory(novelty=novelty)
    for memory in (off, gone):
        memory.add([batch(1, 40, "source A"), batch(2, 40, "source B", "sample-1")])
    chosen = off.select(source="source A")
    delta, removed = off.switch(False, source="source A"), gone.remove(chosen)
    assert np.array_equal(off.ids, gone.ids) and off.stored == 80 and gone.stored == 40
    for name in ("added", "removed", "modified"):
        assert np.array_equal(getattr(delta, name), getattr(removed, name))
    assert off.version != gone.version, "what is switched off is still part of the content"
    assert off.columns().ids.tolist() == off.ids.tolist() and len(off.columns(stored=True).ids) == 80


def test_on_again_is_as_before_with_each_weight_it_had(tmp_path):
    with new_memory(tmp_path) as memory:
        memory.add([batch(1, weights=np.float32([1, 2, 3, 0.5, 1, 1])), batch(2, source="other")])
        version, ids = memory.version, memory.select(source="first source")
        off = memory.switch(False, source="first source")
        assert off.removed.tolist() == ids.tolist() and memory.weights(ids).tolist() == [0] * 6
    with Memory.open(tmp_path) as memory:
        on = memory.switch(True, source="first source")
        assert memory.weights(ids).tolist() == [1, 2, 3, 0.5, 1, 1]
        assert on.added.tolist() == ids.tolist() and not len(on.modified) and memory.version == version
        memory.undo()
        assert not np.isin(ids, memory.ids).any()
        memory.undo()
        assert memory.version == version and memory.verify() == []


def test_what_came_switched_off_is_switched_on_with_weight_one():
    memory = new_memory()
    delta = memory.add([batch(1, weights=np.zeros(6, np.float32))])
    assert not len(delta.added) and len(memory) == 0 and memory.stored == 6
    assert memory.switch(True, author="ann").added.tolist() == list(range(6)) and memory.weights(memory.ids).tolist() == [1] * 6
    assert memory.history()[-1].author == "ann"


def test_removing_and_bringing_back_what_is_off_touches_nothing_active():
    memory = new_memory()
    memory.add([batch(1), batch(2, source="other")])
    ids = memory.select(source="other")
    memory.switch(False, source="other")
    for delta in (memory.remove(ids), memory.undo()):
        assert not len(delta.added) and not len(delta.removed) and not len(delta.modified)
    memory.undo()
    assert np.isin(ids, memory.ids).all()


def test_what_was_removed_is_switched_too_and_comes_back_as_the_others_are():
    memory = new_memory()
    memory.add([batch(1, source="study"), batch(2, source="other")])
    version = memory.version
    memory.remove([0, 1])
    memory.switch(False, source="study")
    memory.remove([], revive=[0])
    assert memory.is_stored([0]).all() and 0 not in memory.ids
    memory.remove([], revive=[1])
    assert memory.switch(True, source="study").added.tolist() == list(range(6)) and memory.version == version
    assert memory.switch(True, source="study").after == version and memory.history()[-2].version != version
