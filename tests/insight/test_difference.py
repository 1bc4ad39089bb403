"""Two predictions to a map and counts: nothing where nothing changed, everything where the memory was empty, symmetric."""

from dataclasses import replace

import numpy as np
import pytest

from parmesan_engine.errors import ShapeError
from parmesan_engine.insight import difference
from tests.helpers import VALUES, sample
from tests.test_predictor import memory_for, predictor_of, some


def two(task=None):
    """Return the predictions of one sample by two memories, and their predictor."""
    task = {"task": task} if task else {}
    memory = memory_for(**task)
    memory.add([some(2, 0, 100, **task)])
    predictor = predictor_of(memory)
    predictor.set_sample("x", sample(2, 7))
    before = predictor.predict("x")
    more = some(2, 3, 100, gesture="h", **task)
    predictor.apply(memory.add([replace(more, labels=np.roll(more.labels, 1, 0))]))  # wrong on purpose: answers must move
    return before, predictor.predict("x")


def test_counts_are_those_of_the_two_label_maps():
    before, after = two()
    found = difference(before, after)
    other = before.labels != after.labels
    assert found.changed == other.sum() > 0 and found.total == 480
    assert ((found.map == 1) == other).all() and (found.map[~other] <= 0.5).all() and (found.map >= 0).all()
    assert sum(count for *_, count in found.moves) == found.changed
    for was, now, count in found.moves:
        assert was != now and count == ((before.labels == was) & (after.labels == now)).sum()
    back = difference(after, before)
    assert np.array_equal(back.map, found.map) and sorted((b, a, n) for a, b, n in back.moves) == sorted(found.moves)


@pytest.mark.parametrize("task", [None, VALUES])
def test_the_same_prediction_differs_nowhere(task):
    _, after = two(task)
    found = difference(after, after)
    assert found.changed == 0 and found.moves == () and not found.map.any()


def test_from_no_examples_everything_changes():
    _, after = two()
    found = difference(None, after)
    assert found.changed == 480 and (found.map == 1).all() and {was for was, *_ in found.moves} == {-1}
    assert difference(after, None).changed == 480


def test_values_step_over_their_range():
    before, after = two(VALUES)
    found, span = difference(before, after), np.ptp(np.concatenate([before.values.ravel(), after.values.ravel()]))
    np.testing.assert_allclose(found.map, np.abs(after.values - before.values) / span, atol=1e-6)
    assert found.shift == pytest.approx(np.abs(after.values - before.values).mean(), rel=1e-5) and found.moves == ()
    assert difference(None, after).changed == 480


def test_a_class_that_came_later_is_no_obstacle():
    before, after = two()
    wider = replace(after, probabilities=np.concatenate([after.probabilities, np.zeros((1, 24, 20), np.float32)]))
    assert np.allclose(difference(before, wider).map, difference(before, after).map)


def test_different_parts_are_refused():
    before, after = two()
    with pytest.raises(ShapeError, match="same part"):
        difference(before, replace(after, conflict=after.conflict[:4]))
    with pytest.raises(ShapeError):
        difference(None, None)
