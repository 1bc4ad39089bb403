"""Checksums: damage is told of when it is read, not when somebody thinks of `verify`; memories of older formats get them."""

import sqlite3
import zipfile
from pathlib import Path

import numpy as np
import pytest

from parmesan_engine.errors import StoreError
from parmesan_engine.memory import Memory
from parmesan_engine.memory.manifest import FILE_NAME, FORMAT
from parmesan_engine.project import Project
from tests.memory.memory_model import batch, new_memory

OLD = Path(__file__).parents[1] / "project" / "old"
VERSIONS = {1: "be0a1d28ce9a17b36003f3735af09405", 2: "9483372f6e26342a6ca2a91a308ece66"}  # as the older program said them
VERBS = ["create", "add", "add", "add", "add", "add", "unlearn", "add", "undo", "set_task"]


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.fixture
def folder(tmp_path):
    with new_memory(tmp_path / "m") as memory:
        memory.add([batch(1)])
        memory.add([batch(2, gesture="stroke-1"), batch(3, gesture="stroke-2")])
    return tmp_path / "m"


@pytest.mark.parametrize("novelty", [0.0, 0.1])
def test_a_changed_bit_of_a_key_is_told_of_by_whoever_reads_it_and_the_others_can_be_read(tmp_path, novelty):
    with new_memory(tmp_path / "m", novelty=novelty) as memory:
        memory.add([batch(1)])
        memory.add([batch(2, gesture="stroke-1")])
    flip(tmp_path / "m" / "keys.f32", 40)
    if novelty:  # which entries count depends on the keys: nothing can be said without them
        with pytest.raises(StoreError, match="repair"):
            Memory.open(tmp_path / "m")
        return
    with Memory.open(tmp_path / "m") as memory:
        for read in (memory.keys, memory.coarse_keys, lambda ids: memory.modify(ids, weights=np.full(len(ids), 2.0))):
            with pytest.raises(StoreError, match="entries 0 to 5 .* repair"):
                read([1])
        assert memory.keys(np.arange(6, 12)).tobytes() == batch(2).keys.tobytes()
        assert memory.coarse_keys([2, 3]).tobytes() == batch(2).coarse_keys.tobytes()
        assert any("digest" in problem for problem in memory.verify())


def test_a_changed_bit_of_a_coarse_key_is_told_of_too(folder):
    flip(folder / "coarse.f32", 40)  # of the third batch: 2 rows of 4 numbers each
    with Memory.open(folder) as memory:
        used = int(np.unique(memory.parents(np.arange(12, 18)))[0])
        flip(folder / "coarse.f32", 40)
        flip(folder / "coarse.f32", used * 16)
        with pytest.raises(StoreError, match="entries 12 to 17"):
            memory.coarse_keys([used])
        assert any("checksum" in problem for problem in memory.verify())


@pytest.mark.parametrize("table", ["chunks", "changes"])
def test_a_changed_bit_of_a_block_in_the_manifest_is_told_of_when_it_is_opened(folder, table):
    with sqlite3.connect(folder / FILE_NAME) as database:
        number, data = database.execute(f"SELECT rowid, data FROM {table} ORDER BY rowid DESC LIMIT 1").fetchone()
        for place in range(0, len(data), max(1, len(data) // 40)):
            changed = bytearray(data)
            changed[place] ^= 1
            database.execute(f"UPDATE {table} SET data = ? WHERE rowid = ?", (bytes(changed), number))
            database.commit()
            with pytest.raises(StoreError, match=r"checksum.*repair"):
                Memory.open(folder)
        database.execute(f"UPDATE {table} SET data = ? WHERE rowid = ?", (data, number))
    Memory.open(folder).close()


def test_a_lost_change_is_told_of_when_it_is_opened(folder):
    with sqlite3.connect(folder / FILE_NAME) as database:
        database.execute("DELETE FROM changes WHERE seq = 1")
    with pytest.raises(StoreError, match="make up version"):
        Memory.open(folder)


@pytest.mark.parametrize("number", [1, 2])
def test_a_stored_project_of_an_older_format_becomes_one_of_this_and_stays_what_it_was(tmp_path, number):
    with zipfile.ZipFile(OLD / f"format-{number}.zip") as archive:
        archive.extractall(tmp_path / "old")
    for _ in range(2):
        with Project.open(tmp_path / "old") as project:
            assert project.version == VERSIONS[number] and len(project) == 162 and project.verify() == []
            assert [record.verb for record in project.history()] == VERBS
            assert project.memory.key_format == {1: "float32", 2: "float16"}[number]
            sample = project.samples()[0].id
            assert int(project.painted(sample).astype(int).sum()) == -1833 and project.task.classes[1] == "spot"
            project.predict(sample)
        with sqlite3.connect(tmp_path / "old" / "memory" / FILE_NAME) as database:
            assert database.execute("SELECT value FROM meta WHERE key = 'format'").fetchone() == (str(FORMAT),)
    with Project.open(tmp_path / "old") as project:  # all history can be gone through
        project.undo()
        project.redo()
        for record in project.history()[:6]:
            project.restore(record.version)
        project.forget(author="ada")
        assert project.verify() == []


def test_damage_gets_no_checksum_when_an_old_memory_is_brought_up(tmp_path):
    with zipfile.ZipFile(OLD / "format-1.zip") as archive:
        archive.extractall(tmp_path / "old")
    flip(tmp_path / "old" / "memory" / "keys.f32", 40)
    for _ in range(2):
        with pytest.raises(StoreError, match="intact features of entries 0 to .* repair"):
            Memory.open(tmp_path / "old" / "memory")
