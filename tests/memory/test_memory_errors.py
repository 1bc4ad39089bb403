"""Wrong input: the right error, what to do in it, and nothing stored."""

import dataclasses

import numpy as np
import pytest

from parmesan_engine.errors import FormatError, LimitError, ParmesanError, ShapeError, UnknownNameError, VersionError
from parmesan_engine.memory import Memory
from parmesan_engine.types import TaskSpec
from tests.memory.memory_model import TASK, batch, new_memory

NAN_KEYS = np.full((6, 4), np.nan, np.float32)
BAD_BATCHES = {
    "channels": ({"keys": np.zeros((6, 5), np.float32)}, ShapeError, "memory's channels"),
    "coarse channels": ({"coarse_keys": np.zeros((2, 5), np.float32)}, ShapeError, "memory's channels"),
    "flat keys": ({"keys": np.zeros(6, np.float32)}, ShapeError, "keys of shape"),
    "complex keys": ({"keys": np.zeros((6, 4), complex)}, FormatError, "real numbers"),
    "NaN keys": ({"keys": NAN_KEYS}, FormatError, "finite keys"),
    "too large for float32": ({"keys": np.full((6, 4), 1e300)}, FormatError, "finite keys"),
    "NaN coarse keys": ({"coarse_keys": NAN_KEYS[:2]}, FormatError, "finite coarse_keys"),
    "label width": ({"labels": np.ones((6, 2), np.float32) / 2}, ShapeError, r"\(6, 3\)"),
    "label sums": ({"labels": np.ones((6, 3), np.float32)}, LimitError, "summing to 1"),
    "negative labels": ({"labels": np.tile(np.float32([2, -1, 0]), (6, 1))}, LimitError, "not negative"),
    "NaN labels": ({"labels": np.full((6, 3), np.nan, np.float32)}, FormatError, "finite labels"),
    "rows of coordinates": ({"coordinates": np.zeros((5, 2), int)}, ShapeError, "coordinates"),
    "axes": ({"coordinates": np.zeros((6, 3), int)}, ShapeError, "number of axes"),
    "4 axes": ({"coordinates": np.zeros((6, 4), int)}, ShapeError, "coordinates"),
    "negative coordinates": ({"coordinates": np.full((6, 2), -1)}, LimitError, "coordinates from 0"),
    "far coordinates": ({"coordinates": np.full((6, 2), 2**31)}, LimitError, "coordinates from 0"),
    "float coordinates": ({"coordinates": np.zeros((6, 2))}, FormatError, "integer coordinates"),
    "parents": ({"parents": np.full(6, 2)}, LimitError, "parents from 0 to 1"),
    "rows of parents": ({"parents": np.zeros(5, int)}, ShapeError, "6 parents"),
    "negative weights": ({"weights": np.full(6, -0.5)}, LimitError, "at least 0"),
    "NaN weights": ({"weights": np.full(6, np.nan)}, LimitError, "finite weights"),
    "rows of weights": ({"weights": np.ones(5)}, ShapeError, "6 weights"),
}


@pytest.fixture
def memory(tmp_path):
    with new_memory(tmp_path) as memory:
        memory.add([batch(1)])
        yield memory


def unchanged_by(memory, call, error, match):
    version, rows = memory.version, len(memory.history())
    with pytest.raises(error, match=match) as caught:
        call()
    assert isinstance(caught.value, ParmesanError)
    with Memory.open(memory.path) as other:
        assert other.version == memory.version == version and len(other.history()) == rows == len(memory.history())
        assert other.verify() == []


@pytest.mark.parametrize("name", BAD_BATCHES)
def test_a_bad_batch_is_refused_and_so_is_a_good_one_beside_it(memory, name):
    changes, error, match = BAD_BATCHES[name]
    unchanged_by(memory, lambda: memory.add([batch(2), dataclasses.replace(batch(3), **changes)], remove=[0]), error, match)


@pytest.mark.parametrize("ids", [[99], [-1], [0, 99], [2]])
def test_unknown_and_removed_ids(memory, ids):
    memory.remove([2])
    if ids != [2]:
        for read in (memory.keys, memory.labels, memory.weights, memory.provenance, memory.ties, memory.coordinates, memory.parents):
            with pytest.raises(UnknownNameError):
                read(ids)
        unchanged_by(memory, lambda: memory.unlearn(ids), UnknownNameError, "ids of entries")
    unchanged_by(memory, lambda: memory.remove(ids), UnknownNameError, "ids of entries")
    unchanged_by(memory, lambda: memory.modify(ids, weights=np.ones(len(ids))), UnknownNameError, "ids of entries")
    unchanged_by(memory, lambda: memory.add([batch(2)], remove=ids), UnknownNameError, "ids of entries")


def test_ids_that_are_no_ids(memory):
    for ids in ([0.5], [[0, 1]], ["a"]):
        unchanged_by(memory, lambda ids=ids: memory.remove(ids), ShapeError, "entry ids")
    unchanged_by(memory, lambda: memory.modify([0, 0], weights=[1, 2]), ShapeError, "each id once")
    unchanged_by(memory, lambda: memory.modify([0, 1], weights=[1]), ShapeError, "2 weights")
    unchanged_by(memory, lambda: memory.modify([0], labels=[[1, 0]]), ShapeError, r"\(1, 3\)")
    with pytest.raises(UnknownNameError, match="coarse nodes"):
        memory.coarse_keys([2])


def test_versions_by_prefix(memory):
    version = memory.version
    memory.add([batch(2)])
    assert memory.checkout(version[:6]).version == version == memory.checkout(version).version
    for wrong in (version[:5], "", "123456789", version + "0", None):
        with pytest.raises(VersionError):
            memory.checkout(wrong)
        unchanged_by(memory, lambda wrong=wrong: memory.restore(wrong), VersionError, "version")


def test_nothing_to_undo_or_redo(memory):
    unchanged_by(memory, memory.redo, VersionError, "redo works only right after undo")
    memory.undo()
    unchanged_by(memory, memory.undo, VersionError, "as it was at first")
    memory.redo()
    memory.undo()
    memory.add([batch(2)])
    unchanged_by(memory, memory.redo, VersionError, "redo works only right after undo")


def test_a_verb_that_changes_nothing_makes_no_version(memory):
    seq = memory.history()[-1].seq
    labels = memory.labels(memory.ids)
    for call in (lambda: memory.add([]), lambda: memory.remove([]), lambda: memory.modify(memory.ids, labels),
                 lambda: memory.restore(memory.version), lambda: memory.set_task(TASK), lambda: memory.add([batch(2, rows=0)])):
        delta = call()
        assert delta.before == delta.after and len(delta.added) == len(delta.removed) == len(delta.modified) == 0
    assert memory.history()[-1].seq == seq


def test_tasks_that_examples_forbid(memory):
    unchanged_by(memory, lambda: memory.set_task(TaskSpec("regression")), ShapeError, "segmentation task")
    memory.modify([0], labels=[[0, 0, 1]])
    fewer = TASK.replace(classes=TASK.classes[:2], colors=TASK.colors[:2])
    unchanged_by(memory, lambda: memory.set_task(fewer), ShapeError, "before the class")


@pytest.mark.parametrize("arguments", [{"channels": 0}, {"novelty": -0.1}, {"novelty": 2.0}, {"novelty": float("nan")}])
def test_a_memory_that_makes_no_sense_is_not_made(tmp_path, arguments):
    with pytest.raises(LimitError):
        new_memory(tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()


def test_values_are_stored_and_checked_as_values():
    memory = new_memory(task=TaskSpec("regression", unit="m"))
    memory.add([batch(1, labels=np.array([[-3.5], [0], [1e6], [2], [2], [1]]))])
    assert memory.labels([0, 2]).ravel().tolist() == [-3.5, 1e6]
    with pytest.raises(FormatError, match="finite labels"):
        memory.add([batch(1, labels=np.full((6, 1), np.inf))])


def test_reading_and_selecting():
    memory = new_memory()
    memory.add([batch(1, coordinates=np.array([[0, 0], [0, 1], [5, 5], [7, 2], [9, 9], [9, 9]]))])
    memory.add([batch(9, 3, "second source", "sample-1", "stroke-1", "ben")], gesture="together")
    assert memory.select(source="second source").tolist() == [6, 7, 8] == memory.select(author="ben").tolist()
    assert memory.select(sample="sample-0", gesture="stroke-1").size == 0 == memory.select(source="never heard of").size
    assert memory.select(before=9.0).tolist() == list(range(6))
    assert memory.select(coordinates=("sample-0", np.array([[9, 9], [0, 1], [-1, 5], [2**40, 0]]))).tolist() == [1, 4, 5]
    assert memory.select(coordinates=("sample-1", np.zeros((0, 2), int))).size == 0
    with pytest.raises(ShapeError):
        memory.select(coordinates=("sample-0", np.zeros((4, 3), int)))
    chosen = memory.labels(memory.ids).argmax(axis=1)
    assert memory.select(label=1).tolist() == np.flatnonzero(chosen == 1).tolist()
    overview = memory.columns()
    assert np.array_equal(overview.label, chosen) and [overview.names[c] for c in overview.author[5:7]] == ["anna", "ben"]
    who = memory.provenance([8])[0]
    assert (who.sample_id, who.source, who.gesture, who.author, who.time) == ("sample-1", "second source", "stroke-1", "ben", 9.0)
    assert memory.history()[-1].gesture == "together" and memory.encoder == {"name": "test encoder"}
    memory.remove([6])
    assert memory.select(author="ben").tolist() == [7, 8] and memory.select(author="ben", removed=True).tolist() == [6, 7, 8]
    assert memory.coarse_keys(memory.parents([7])).tobytes() == batch(9, 3).coarse_keys[batch(9, 3).parents[1]].tobytes()
