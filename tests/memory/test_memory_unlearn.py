"""Unlearning: nothing left in any byte, in any version, and a receipt that says so."""

import numpy as np
import pytest

from parmesan_engine.errors import EmptyMemoryError, UnknownNameError, VersionError
from parmesan_engine.memory import Memory, purge
from parmesan_engine.types import EntryBatch
from tests.memory.memory_model import TASK, batch, new_memory

PRIVATE = {"source": "hospital of Dr. Grey", "sample": "patient-0815", "gesture": "gesture-of-patient", "author": "doctor.grey"}


def noisy(seed: int, rows: int = 40, **names) -> EntryBatch:
    """Entries whose bytes cannot turn up by chance."""
    rng = np.random.default_rng(1000 + seed)
    labels = rng.dirichlet(np.ones(3), rows).astype(np.float32)
    return batch(seed, rows, keys=rng.normal(size=(rows, 4)).astype(np.float32), labels=labels,
                 weights=rng.uniform(size=rows).astype(np.float32), coordinates=rng.integers(0, 2**30, (rows, 2)), **names)


def raw(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def traces_of(private: EntryBatch, folder, names) -> list[str]:
    """Return which of the private bytes are in the files."""
    needles = {f"{field} {row}": getattr(private, field)[row].tobytes() for field in ("keys", "labels", "coarse_keys")
               for row in range(len(getattr(private, field)))}
    needles |= {f"coordinates {row}": private.coordinates[row].astype(np.int32).tobytes() for row in range(len(private.keys))}
    needles |= {name: name.encode() for name in names}
    files = raw(folder)
    return [f"{what} in {name}" for what, needle in needles.items() for name, content in files.items() if needle in content]


def lived(folder, private: EntryBatch) -> Memory:
    """A memory in which the private batch was added, relabelled, removed, brought back and partly painted over."""
    memory = new_memory(folder)
    memory.add([noisy(1, source="public", author="anna")])
    memory.add([private], remove=[0, 1])
    mine = memory.select(source=private.source)
    memory.modify(mine[:5], np.roll(private.labels[:5], 1, axis=1), author=private.author, gesture="relabel-of-patient")
    memory.remove(mine[:9], author="anna", gesture="eraser-of-patient")
    memory.undo()
    memory.add([noisy(3, source="public", author="anna", gesture="later")], remove=mine[3:4])
    memory.restore(memory.history()[2].version)
    memory.undo()
    return memory


@pytest.mark.parametrize("rows", [40, 700])  # within one page of the manifest, and spread over many
def test_no_byte_of_a_source_is_left(tmp_path, rows):
    private = noisy(2, rows, **PRIVATE)
    names = [*PRIVATE.values(), "hash of patient-0815", "relabel-of-patient", "eraser-of-patient", "secret reason"]
    with lived(tmp_path, private) as memory:
        assert len(traces_of(private, tmp_path, names)) > 3 * rows  # the search finds what is there
        before = memory.version
        chosen = memory.select(source=PRIVATE["source"], removed=True)
        assert len(chosen) == rows and len(memory.select(source=PRIVATE["source"])) == rows - 1
        delta, receipt = memory.unlearn(chosen, "secret reason", author="anna")
        assert traces_of(private, tmp_path, names) == []
        assert receipt.verified and receipt.entries_removed == rows and len(delta.removed) == rows - 1
        assert (receipt.version_before, receipt.version_after) == (before, memory.version) == (delta.before, delta.after)
        assert memory.receipts() == [receipt] and memory.verify() == []
        assert memory.history()[-1].author == "anna"
    assert traces_of(private, tmp_path, names) == []  # closing writes nothing back
    with Memory.open(tmp_path) as memory:
        public = new_memory()
        public.add([noisy(1, source="public", author="anna"), noisy(3, source="public", author="anna")])
        public.remove([0, 1])
        assert memory.version == public.version and memory.verify() == []
        assert memory.select(source=PRIVATE["source"], removed=True).size == 0


def test_names_still_in_use_stay_and_half_a_batch_can_go(tmp_path):
    both = noisy(1, **PRIVATE)
    with new_memory(tmp_path) as memory:
        memory.add([both])
        memory.add([noisy(2, **PRIVATE | {"source": "another hospital"})])
        memory.unlearn(np.arange(20), author="anna")
        half = EntryBatch(**{name: getattr(both, name)[:20] if name in ("keys", "labels", "coordinates") else getattr(both, name)
                             for name in both.__dataclass_fields__ if name != "coarse_keys"}, coarse_keys=both.coarse_keys[:0])
        assert traces_of(half, tmp_path, []) == [] and len(memory) == 60
        assert memory.keys(np.arange(20, 40)).tobytes() == both.keys[20:].tobytes()
        assert memory.coarse_keys(memory.parents([20, 39])).tobytes() == both.coarse_keys[both.parents[[20, 39]]].tobytes()
        assert memory.provenance([20])[0].source == PRIVATE["source"]
        memory.unlearn(np.arange(20, 40), author="anna")
        assert traces_of(both, tmp_path, [PRIVATE["source"]]) == []
        assert memory.provenance([40])[0].author == PRIVATE["author"] and memory.verify() == []


def test_neither_undo_nor_restore_nor_checkout_brings_it_back(tmp_path):
    with lived(tmp_path, noisy(2, **PRIVATE)) as memory:
        old = [record.version for record in memory.history()]
        gone = memory.select(source=PRIVATE["source"], removed=True)
        memory.unlearn(gone)
        with pytest.raises(VersionError, match="purged its examples for good"):
            memory.undo()
        with pytest.raises(VersionError, match="redo works only right after undo"):
            memory.redo()
        for record in memory.history():
            assert np.intersect1d(memory.checkout(record.version).ids, gone).size == 0
            memory.restore(record.version)
            assert np.intersect1d(memory.select(removed=True), gone).size == 0 and memory.version == record.version
        with pytest.raises(VersionError, match="was purged"):
            memory.checkout(old[2])
        with pytest.raises(UnknownNameError):
            memory.keys(gone)
        assert memory.verify() == []


def test_debris_of_a_killed_writer_goes_too(tmp_path):
    with new_memory(tmp_path) as memory:
        memory.add([noisy(1)])
        with (tmp_path / "keys.f32").open("ab") as file:
            file.write(noisy(2).keys.tobytes())
        memory.unlearn([0])
        assert noisy(2).keys[3].tobytes() not in raw(tmp_path)["keys.f32"]


def test_an_interrupted_purge_is_finished_by_whoever_opens_next(tmp_path, monkeypatch):
    private = noisy(2, **PRIVATE)
    with lived(tmp_path, private) as memory:
        monkeypatch.setattr(purge, "finish", lambda *_: [])  # as if killed right after the commit
        _, receipt = memory.unlearn(memory.select(source=PRIVATE["source"], removed=True), author="anna")
        assert not receipt.verified and private.keys[0].tobytes() in raw(tmp_path)["keys.f32"]
        monkeypatch.undo()
    with Memory.open(tmp_path) as memory:
        assert traces_of(private, tmp_path, PRIVATE.values()) == []
        assert [receipt.verified for receipt in memory.receipts()] == [True] and memory.verify() == []


def test_a_receipt_does_not_claim_what_is_not_so(tmp_path, monkeypatch):
    """A file that keeps a copy of the names is found by the search of the raw bytes."""
    with lived(tmp_path, noisy(2, **PRIVATE)) as memory:
        (tmp_path / "manifest.sqlite-backup").write_bytes(b"xx" + PRIVATE["source"].encode())
        _, receipt = memory.unlearn(memory.select(source=PRIVATE["source"], removed=True))
        assert not receipt.verified


def test_a_metric_that_knows_the_purged_goes_and_one_that_does_not_stays(tmp_path):
    with new_memory(tmp_path) as memory:
        memory.add([noisy(1, source="public")])
        clean = memory.version
        memory.add([noisy(2, **PRIVATE)])
        memory.save_metric(b"fitted on both", memory.version)
        memory.remove([0])
        memory.unlearn(memory.select(source=PRIVATE["source"]))
        assert memory.load_metric() is None
        memory.save_metric(b"fitted on public", clean)
        memory.add([noisy(4, **PRIVATE)])
        memory.unlearn(memory.select(source=PRIVATE["source"]))
    with Memory.open(tmp_path) as memory:
        assert memory.load_metric() == (b"fitted on public", clean)


def test_unlearning_nothing_is_an_error_and_the_same_source_can_be_learned_again():
    memory = new_memory(task=TASK)
    with pytest.raises(EmptyMemoryError):
        memory.unlearn([])
    memory.add([batch(1)])
    version = memory.version
    memory.unlearn(memory.ids)
    assert memory.version == new_memory().version
    memory.add([batch(1)])
    assert memory.version == version and memory.ids.tolist() == list(range(6, 12))


def test_what_unlearning_brings_back_comes_in_the_same_version(tmp_path):
    with new_memory(tmp_path) as memory:
        memory.add([batch(1, source="old")])
        before = memory.version
        memory.add([batch(2, source="over")], remove=[0, 1])
        old, head = memory.select(source="old", removed=True), memory.version
        delta, receipt = memory.unlearn(memory.select(source="over"), revive=[0, 1])
        assert delta.added.tolist() == [0, 1] and memory.version == before and memory.ids.tolist() == old.tolist()
        assert receipt.version_before == head and receipt.version_after == before and receipt.verified
        record = memory.history()[-1]
        assert (record.verb, record.added, record.removed, record.entries, len(memory.history())) == ("unlearn", 2, 6, 6, 4)
        assert memory.verify() == []
        with pytest.raises(UnknownNameError):
            memory.unlearn([0], revive=[1])
        memory.unlearn([0, 1])
        assert memory.verify() == []
