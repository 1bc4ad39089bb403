"""A copy at a version: same content, same history up to there, nothing of what came later, made while others write."""

import threading

import numpy as np
import pytest

from parmesan_engine.errors import StoreError, VersionError
from parmesan_engine.memory import Memory
from parmesan_engine.memory.copying import batches_of, copy_at
from tests.memory.memory_model import TASK, batch, new_memory


def content(memory):
    ids = memory.ids[np.argsort(memory.ties(memory.ids), kind="stable")]
    return [memory.version, memory.keys(ids).tobytes(), memory.labels(ids).tobytes(), memory.weights(ids).tobytes(),
            [(p.sample_id, p.coordinates, p.gesture, p.author, p.source) for p in memory.provenance(ids)]]


@pytest.mark.parametrize("keys", ["float32", "float16"])
def test_every_version_can_be_copied_with_its_history(tmp_path, keys):
    with new_memory(tmp_path / "m", keys=keys) as memory:
        memory.add([batch(1), batch(2, source="other")])
        memory.remove([0, 7])
        memory.add([batch(3, 40, author="Zebulon", source="later study")])
        memory.switch(False, source="other")
        memory.set_task(TASK.replace(classes=(*TASK.classes, "new"), colors=(*TASK.colors, (0, 0, 0))))
        memory.undo()
        for record in memory.history()[1:]:
            target = tmp_path / f"copy-{record.seq}"
            copy_at(memory.path, record.version, target)
            view = memory.checkout(record.version)
            with Memory.open(target) as copy:
                assert content(copy) == content(view) and copy.task == view.task
                last = copy.history()[-1]
                assert copy.history() == memory.history()[: last.seq + 1] and last.version == record.version
                assert copy.verify() == []
                if last.verb in ("add", "remove") and last.seq > 1:
                    copy.undo()
                    assert copy.version == memory.history()[last.seq - 1].version
        assert memory.verify() == []


@pytest.mark.parametrize(("keys", "name", "item"), [("float32", "keys.f32", 4), ("float16", "keys.f16", 2)])
def test_nothing_of_what_came_later_is_in_the_files(tmp_path, keys, name, item):
    with new_memory(tmp_path / "m", keys=keys) as memory:
        version = memory.add([batch(1)]).after
        memory.add([batch(3, 40, author="Zebulon", source="later study")])
        copy_at(memory.path, version, tmp_path / "copy")
    for path in (tmp_path / "copy").iterdir():
        assert b"Zebulon" not in path.read_bytes() and b"later study" not in path.read_bytes()
    assert (tmp_path / "copy" / name).stat().st_size == 6 * 4 * item


def test_copies_made_while_another_writes_are_whole(tmp_path):
    with new_memory(tmp_path / "m") as memory, Memory.open(tmp_path / "m") as writer:
        memory.add([batch(0, 30)])
        stop = threading.Event()

        def write():
            number = 1
            while not stop.is_set():
                writer.add([batch(number, 30)])
                number += 1

        thread = threading.Thread(target=write)
        thread.start()
        try:
            for n in range(12):
                memory.refresh()
                copy_at(memory.path, memory.version, tmp_path / f"copy-{n}")
                with Memory.open(tmp_path / f"copy-{n}") as copy:
                    assert copy.version == memory.version and copy.verify() == []
        finally:
            stop.set()
            thread.join()


def test_a_version_that_is_not_there_or_a_folder_that_is(tmp_path):
    with new_memory(tmp_path / "m") as memory:
        memory.add([batch(1)])
        with pytest.raises(VersionError):
            copy_at(memory.path, "f" * 32, tmp_path / "copy")
        with pytest.raises(StoreError):
            copy_at(memory.path, memory.version, tmp_path / "m")


@pytest.mark.parametrize("weight", [1.0, 0.0])
def test_batches_can_be_learned_elsewhere_as_they_were(weight):
    one, two = new_memory(), new_memory()
    one.add([batch(1, 30, weights=np.full(30, weight, np.float32)), batch(2, source="other", gesture="g2")])
    one.remove([3, 8, 31])
    two.add(list(batches_of(one, one.select())))
    assert two.version == one.version and content(two) == content(one) and two.verify() == []
    assert np.array_equal(np.sort(two.coarse_keys(two.parents(two.select())), axis=0),
                          np.sort(one.coarse_keys(one.parents(one.select())), axis=0))


def test_labels_of_versions_are_no_content_and_may_be_changed(tmp_path):
    with new_memory(tmp_path) as memory, Memory.open(tmp_path) as other:
        version = memory.add([batch(1)]).after
        memory.add([batch(2)])
        head = memory.version
        assert memory.tag(version[:8], "  first   draft ").note == "first draft" and memory.version == head
        assert other.history()[-1].note == "" and other.refresh().after == head
        assert [record.note for record in other.history()] == ["", "first draft", ""]
        other.tag(version, "kept")
        memory.refresh()
        assert memory.history()[1].note == "kept" and memory.tag(version, "").note == ""
        with pytest.raises(VersionError):
            memory.tag("abcdef123", "x")
        with pytest.raises(ValueError, match="at most 80"):
            memory.tag(version, "x" * 81)
        assert memory.verify() == []
        memory.tag(head, "published")
    with Memory.open(tmp_path) as memory:
        assert memory.history()[-1].note == "published"


def test_the_label_of_an_unlearned_version_goes_with_it(tmp_path):
    with new_memory(tmp_path) as memory:
        memory.tag(memory.add([batch(1, source="secret study")]).after, "with the secret study")
        memory.tag(memory.add([batch(2)]).after, "second")
        _, receipt = memory.unlearn(memory.select(source="secret study"))
        assert receipt.verified and [record.note for record in memory.history()] == ["", "", "second", ""]


def test_merging_adds_entries_and_classes_as_one_version():
    memory, other = new_memory(), new_memory()
    memory.add([batch(1)])
    other.add([batch(2, source="other")])
    task = TASK.replace(classes=(*TASK.classes, "new"), colors=(*TASK.colors, (0, 0, 0)))
    widened = [b.__class__(**b.__dict__ | {"labels": np.eye(4, dtype=np.float32)[[3] * 6]}) for b in batches_of(other, other.ids)]
    before, versions = memory.version, len(memory.history())
    delta = memory.learn(lambda _: (widened, np.empty(0, np.int64), task), verb="merge", author="ann", gesture="merge-1")
    record = memory.history()[-1]
    assert len(memory.history()) == versions + 1 and (record.verb, record.author, record.added) == ("merge", "ann", 6)
    assert memory.task == task and memory.labels(delta.added).argmax(1).tolist() == [3] * 6
    memory.undo()
    assert memory.version == before and memory.task == TASK
    memory.redo()
    assert memory.task == task and memory.verify() == []


def test_a_version_that_came_back_can_be_named_by_its_number(tmp_path):
    with new_memory(tmp_path / "m") as memory:
        version = memory.add([batch(1)]).after
        memory.add([batch(2, source="later study")])
        memory.undo()
        assert memory.tag(1, "first").seq == 1 and memory.tag(version, "newest").seq == 3
        copy_at(memory.path, 1, tmp_path / "copy")
        with Memory.open(tmp_path / "copy") as copy:
            assert [record.note for record in copy.history()] == ["", "first"] and copy.version == version
        for wrong in (4, -1):
            with pytest.raises(VersionError, match="0 to 3"):
                memory.tag(wrong, "x")
