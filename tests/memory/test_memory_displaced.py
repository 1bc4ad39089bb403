"""Forgetting a gesture brings back what it had painted over, as if it had never been made. Against replaying the others."""

from random import Random

import numpy as np
import pytest

from tests.memory.memory_model import batch, new_memory

PLACES = 6


def paint(memory, gesture: str, places: list[int]) -> None:
    """Paint over places of one sample: what was there goes. An empty gesture name is an eraser."""
    at = np.column_stack([places, places])
    gone = memory.select(coordinates=("sample-0", at))
    stroke = batch(int(gesture or 0), len(places), coordinates=at, gesture=f"stroke-{gesture}")
    memory.add([stroke] if gesture else [], remove=gone, gesture=f"stroke-{gesture}" if gesture else "eraser")


def forget(memory, gesture: str, purge: bool) -> None:
    chosen = memory.select(gesture=f"stroke-{gesture}", removed=purge)
    back = memory.displaced_by(chosen)
    memory.remove(chosen[memory.is_stored(chosen)], revive=back)
    if purge:
        memory.unlearn(chosen)


@pytest.mark.parametrize("purge", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_forgetting_a_gesture_is_never_having_made_it(seed, purge):
    rng = Random(seed)
    strokes = [(str(number), sorted(rng.sample(range(PLACES), rng.randint(1, 4)))) for number in range(1, 7)]
    whole, without = new_memory(), new_memory()
    forgotten = str(rng.randint(1, 6))
    for name, places in strokes:
        paint(whole, name, places)
        if rng.random() < 0.4:
            whole.undo()
            whole.redo()
        if name != forgotten:
            paint(without, name, places)
    forget(whole, forgotten, purge)
    assert whole.version == without.version and whole.verify() == []


def test_several_gestures_of_one_author_go_at_once():
    whole, without = new_memory(), new_memory()
    for memory in (whole, without):
        paint(memory, "1", [0, 1, 2, 3])
    paint(whole, "2", [0, 1, 2])
    paint(whole, "3", [1, 2])
    for memory in (whole, without):
        paint(memory, "4", [2])
    chosen = np.union1d(whole.select(gesture="stroke-2", removed=True), whole.select(gesture="stroke-3", removed=True))
    whole.remove(chosen[whole.is_stored(chosen)], revive=whole.displaced_by(chosen))
    assert whole.version == without.version and len(whole) == 4


def test_what_was_erased_later_stays_away():
    memory = new_memory()
    paint(memory, "1", [0, 1])
    paint(memory, "2", [0, 1])
    paint(memory, "", [1])
    forget(memory, "2", purge=False)
    assert memory.coordinates(memory.ids).tolist() == [[0, 0]] and memory.provenance(memory.ids)[0].gesture == "stroke-1"
