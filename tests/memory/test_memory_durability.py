"""Kill -9 at random and at chosen moments, debris of killed writers, two writers at once, damaged and read-only folders."""

import copy
import multiprocessing
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from parmesan_engine.errors import StoreError, VersionError
from parmesan_engine.memory import Memory
from tests.memory import memory_children
from tests.memory.memory_model import Model, apply, assert_equal, batch, new_memory

KILLS = 50
WAIT_SECONDS = 20


@pytest.fixture(scope="module")
def processes():
    """A fork server that has imported the memory (and torch) already, so that a child starts in milliseconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.memory.memory_children"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        warm = context.Process(target=int)
        warm.start()
        warm.join()
    return context


def start(processes, target, *arguments):
    ours, theirs = processes.Pipe()
    child = processes.Process(target=target, args=(*arguments, theirs), daemon=True)
    child.start()
    theirs.close()
    return child, ours


def test_fifty_kills_at_random_moments_lose_nothing_that_was_acknowledged(tmp_path, processes):
    new_memory(tmp_path).close()
    model, rng, inside, verbs = Model(), np.random.default_rng(), 0, set()
    for kill in range(KILLS):
        child, pipe = start(processes, memory_children.commit_until_killed, str(tmp_path), model, kill)
        assert pipe.poll(WAIT_SECONDS) and pipe.recv_bytes() == b"ready"
        acknowledged = len(model.versions) - 1
        for _ in range(rng.integers(5)):  # some commits, then a moment more: progress on a busy machine too
            assert pipe.poll(WAIT_SECONDS)
            acknowledged = int(pipe.recv_bytes())
        time.sleep(rng.uniform(0, 0.012))
        child.kill()
        child.join()
        try:
            while True:
                acknowledged = int(pipe.recv_bytes())
        except EOFError:
            pass
        with Memory.open(tmp_path) as memory:
            seq = memory.history()[-1].seq
            assert seq in (acknowledged, acknowledged + 1)
            inside += seq > acknowledged
            for op, number in memory_children.steps(kill):
                if len(model.versions) > seq:
                    break
                plan = model.plan(op, number)
                if plan:
                    verbs.add(plan[0])
                    model.apply(plan)
            assert_equal(memory, model)
            assert memory.verify() == []
            assert [record.entries for record in memory.history()] == [len(state) for state in model.versions]
    assert len(model.versions) > KILLS and {"add", "modify", "remove", "undo", "unlearn"} <= verbs


@pytest.mark.parametrize("op", ["replace", "modify", "unlearn"])
def test_killed_at_chosen_moments_inside_one_verb(tmp_path, processes, op):
    model = Model()
    with new_memory(tmp_path / "whole") as memory:
        for place, name in enumerate(["add"] * 6 + ["modify", "remove", "undo", "remove"]):
            plan = model.plan(name, place)
            apply(memory, plan)
            model.apply(plan)
    plan, after = model.plan(op, 5), copy.deepcopy(model)
    after.apply(plan)

    def run(at: int) -> tuple[int | None, bool]:
        folder = shutil.copytree(tmp_path / "whole", tmp_path / f"killed at {at}")
        child, pipe = start(processes, memory_children.die_inside, str(folder), plan, at)
        child.join()
        calls = int(pipe.recv_bytes()) if child.exitcode == 0 else None
        with Memory.open(folder) as memory:
            done = len(memory.history()) == len(after.versions)
            assert_equal(memory, after if done else model)
            assert memory.verify() == []
            assert len(memory.receipts()) == (done and op == "unlearn")
        files = b"".join(path.read_bytes() for path in folder.iterdir())
        if done and op == "unlearn":
            assert not any(model.base[i][3].encode() in files for i in plan[1])
        return calls, done

    calls, done = run(-1)
    assert done and calls > 50
    outcomes = [run(int(at))[1] for at in np.linspace(1, calls, 14)]
    assert outcomes[0] is False and outcomes[-1] is True and outcomes == sorted(outcomes)  # one moment decides


def test_debris_of_a_killed_writer_is_ignored_and_overwritten(tmp_path):
    with new_memory(tmp_path) as memory:
        memory.add([batch(1)])
        version = memory.version
    with (tmp_path / "keys.f32").open("ab") as file:
        file.write(b"\x7f" * 333)  # not even whole rows
    with Memory.open(tmp_path) as memory:
        assert memory.version == version and memory.verify() == []
        memory.add([batch(2)])
        assert memory.keys(memory.ids).tobytes() == np.concatenate([batch(1).keys, batch(2).keys]).tobytes()
        assert memory.verify() == []


def test_two_writers_at_once_lose_nothing_and_a_reader_keeps_its_version(tmp_path, processes):
    new_memory(tmp_path).close()
    with Memory.open(tmp_path) as reader:
        version = reader.version
        children = [start(processes, memory_children.add_batches, str(tmp_path), first, 20) for first in (0, 20)]
        for _, pipe in children:
            pipe.send_bytes(b"go")
        for child, _ in children:
            child.join()
            assert child.exitcode == 0
        assert reader.version == version and len(reader) == 0 and len(reader.history()) == 1
        delta = reader.refresh()
        assert delta.before == version and delta.after == reader.version
        assert np.array_equal(delta.added, reader.ids) and len(reader) == 40 * 6
        assert {p.gesture for p in reader.provenance(reader.ids)} == {f"gesture-{seed}" for seed in range(40)}
        assert len(reader.history()) == 41 and reader.verify() == []
        once = new_memory()
        once.add([batch(seed) for seed in range(40)])
        assert reader.version == once.version


def test_a_verb_first_catches_up_and_its_delta_tells_of_both(tmp_path):
    with new_memory(tmp_path) as one, Memory.open(tmp_path) as two:
        one.add([batch(1)])
        known = two.version
        delta = two.remove([0, 1])  # entries that `two` had not seen yet
        assert delta.before == known and delta.added.tolist() == [2, 3, 4, 5] and len(delta.removed) == 0
        one.add([batch(2)])
        one.undo()
        delta = one.undo()  # one stack for all: reverts what `two` did
        assert delta.after == one.version and len(one) == 6
        with pytest.raises(Exception, match="which was removed"):
            two.remove([7])  # it refreshed, but the caller has not been told yet
        assert two.refresh().added.tolist() == [0, 1]


def test_a_reader_of_another_process_is_told_when_its_entries_were_purged(tmp_path):
    with new_memory(tmp_path) as one, Memory.open(tmp_path) as two:
        one.add([batch(1), batch(2, source="second source")])
        two.refresh()
        view = two.checkout(two.version)
        one.unlearn(one.select(source="first source"))
        for reader in (two, view):
            with pytest.raises(VersionError, match="unlearned meanwhile"):
                reader.keys(reader.ids)
        delta = two.refresh()
        assert delta.removed.tolist() == list(range(6)) and two.version == one.version
        assert two.keys(two.ids).tobytes() == batch(2).keys.tobytes()


def damage_cut_keys(folder):
    (folder / "keys.f32").write_bytes((folder / "keys.f32").read_bytes()[:-10])


def damage_no_keys(folder):
    (folder / "keys.f32").unlink()


def damage_text(folder):
    (folder / "manifest.sqlite").write_text("this is no database, but long enough to be looked at " * 20)


def damage_block(folder):
    with sqlite3.connect(folder / "manifest.sqlite") as database:
        database.execute("UPDATE chunks SET data = x'00010203'")
    database.close()


@pytest.mark.parametrize("damage", [damage_cut_keys, damage_no_keys, damage_text, damage_block])
def test_a_damaged_folder_says_what_to_do(tmp_path, damage):
    with new_memory(tmp_path) as memory:
        memory.add([batch(1)])
    damage(tmp_path)
    with pytest.raises(StoreError, match=r"backup|writable"):
        Memory.open(tmp_path)


def test_one_changed_bit_is_found_by_verify(tmp_path):
    with new_memory(tmp_path) as memory:
        memory.add([batch(1)])
    content = bytearray((tmp_path / "keys.f32").read_bytes())
    content[40] ^= 1
    (tmp_path / "keys.f32").write_bytes(content)
    with Memory.open(tmp_path) as memory:
        assert any("digest" in problem for problem in memory.verify())
    with sqlite3.connect(tmp_path / "manifest.sqlite") as database:
        database.execute("UPDATE versions SET entries = 5 WHERE seq = 1")
    database.close()
    with Memory.open(tmp_path) as memory:
        assert any("does not match its changes" in problem for problem in memory.verify())


@pytest.mark.parametrize("verb", ["open", "create"])
def test_a_read_only_folder_says_what_to_do(processes, verb):
    folder = Path(tempfile.mkdtemp())  # pytest's own folders are closed to other users
    try:
        if verb == "open":
            new_memory(folder).close()
        for path in (folder, *folder.iterdir()):
            path.chmod(0o555 if path.is_dir() else 0o444)
        child, pipe = start(processes, memory_children.try_to, verb, str(folder))
        said = pipe.recv_bytes().decode()
        child.join()
        assert said.startswith("StoreError: ") and str(folder) in said and "make the folder writable" in said
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_busy_memory_and_a_newer_format_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr("parmesan_engine.memory.manifest.BUSY_SECONDS", 0.05)
    with new_memory(tmp_path) as memory:
        other = sqlite3.connect(tmp_path / "manifest.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        version = memory.version
        with pytest.raises(StoreError, match="wait for the other process"):
            memory.add([batch(1)])
        other.execute("ROLLBACK")
        assert memory.version == version
        memory.add([batch(1)])
        other.execute("UPDATE meta SET value = '99' WHERE key = 'format'")
        other.close()
    with pytest.raises(VersionError, match="update this program"):
        Memory.open(tmp_path)


def test_create_refuses_a_second_memory_and_open_an_empty_folder(tmp_path):
    with pytest.raises(StoreError, match="no manifest"):
        Memory.open(tmp_path)
    new_memory(tmp_path).close()
    with pytest.raises(StoreError, match="open it, or choose another"):
        new_memory(tmp_path)
