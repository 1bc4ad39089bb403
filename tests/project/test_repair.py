"""Damaged projects: a clear error first, then `repair`: what can be read is there again, what is lost is named, nothing is deleted."""

import json
import shutil
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from parmesan_engine.bench import crash_steps as work
from parmesan_engine.errors import ParmesanError, StoreError
from parmesan_engine.memory import Memory
from parmesan_engine.project import Project, repair
from parmesan_engine.project.branching import branch
from parmesan_engine.project.leftovers import REPAIRED, REPAIRING
from tests.cli.runner import good, refused, run
from tests.project.painter import line, new_project, teach


@pytest.fixture
def made(tmp_path):
    """A closed project: three classes on the first sample, one example each of two more gestures, something unlearned and undone."""
    project, (first, second) = new_project(tmp_path / "p")
    with project:
        teach(project, first, author="ada")
        project.annotate(second, [line(30, 5, 12, 1)], author="eve", source="second")
        project.annotate(second, [line(40, 5, 12, 2)], author="eve", source="third", gesture_id="gone-for-good")
        project.forget(gesture="gone-for-good")
        project.annotate(second, [line(10, 5, 12, 0)], author="eve", source="last")
        project.rename_class(1, "spot")
    return tmp_path / "p"


def state(path):
    with Project.open(path) as project:
        return work.state(project)


def contents(path):
    return sorted(file.read_bytes() for file in path.rglob("*") if file.is_file() and file.suffix not in (".sqlite-shm", ".sqlite-wal"))


def cut(path, share=0.5):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def aside(path):
    (found,) = path.parent.glob("p.damaged-*")
    return found / "files"


def test_nothing_is_done_to_a_whole_project(made, capsys):
    was, files = state(made), contents(made / "memory")
    told = good(capsys, "repair", made)
    assert told["did"] == ["nothing: all is well"] and told["lost"] == [] and told["problems"] == [] and told["aside"] == ""
    assert state(made) == was and contents(made / "memory") == files and list(made.parent.iterdir()) == [made]


@pytest.mark.parametrize("name", ["keys.f32", "coarse.f32"])
@pytest.mark.parametrize("damage", [lambda path: flip(path, 5), cut, lambda path: path.unlink()], ids=["a bit", "cut", "gone"])
@pytest.mark.parametrize("samples", [True, False])
def test_damaged_features_are_made_anew_or_their_examples_are_named_and_all_others_stay(made, capsys, damage, name, samples):
    was = state(made)
    with Project.open(made) as project:
        ids = project.memory.select()
        features = {(p.gesture, p.coordinates): key.tobytes() for p, key in
                    zip(project.memory.provenance(ids), project.memory.keys(ids), strict=True)}
        steps = [record.verb for record in project.history()]
    damage(made / "memory" / name)
    if not samples:
        shutil.rmtree(made / "samples")
    damaged = contents(made / "memory")
    with pytest.raises(ParmesanError, match="repair"), Project.open(made) as project:  # told when it is opened or read
        project.memory.keys(project.memory.select())
        project.memory.coarse_keys(project.memory.parents(project.memory.select()))
    status, told, errors = run(capsys, "repair", made, "--json")
    assert errors == [] and len(told["did"]) == 2 and status == (not samples and bool(told["problems"]))
    assert contents(aside(made) / "memory") == damaged  # nothing was deleted
    lost = sum(row["entries"] for row in told["lost"])
    if samples:
        assert lost == 0 and "made anew" in told["did"][1] and state(made) == was
        return
    with Project.open(made) as project:
        kept = project.memory.select()
        assert project.memory.verify() == [] and len(kept) == len(ids) - lost and [r.verb for r in project.history()] == steps
        for p, key in zip(project.memory.provenance(kept), project.memory.keys(kept), strict=True):
            assert features[p.gesture, p.coordinates] == key.tobytes()
        assert project.task.classes[1] == "spot" and len(project.memory.receipts()) == 1
        assert lost == len(ids) if not (aside(made) / "memory" / name).exists() else 0 < lost < len(ids)
    assert not any(b"gone-for-good" in file.read_bytes() for file in made.rglob("*") if file.is_file())


def test_a_damaged_block_costs_its_own_examples_only(made, capsys):
    with sqlite3.connect(made / "memory" / "manifest.sqlite") as database:
        database.execute("UPDATE chunks SET data = x'00010203' WHERE seq = 2")
    database.close()
    assert "repair" in refused(capsys, "history", made)
    told = good(capsys, "repair", made)
    assert [(row["author"], row["source"]) for row in told["lost"]] == [("ada", "strokes")]
    with Project.open(made) as project:
        assert {p.gesture.split("-")[-1] for p in project.memory.provenance(project.memory.select())} >= {"ground", "edge"}


@pytest.mark.parametrize("change", ["count = 0", "count = -1", "count = 1e18", "count = 'x'", "seq = NULL"])
def test_impossible_numbers_of_a_block_end_what_can_be_read(made, capsys, change):
    with Project.open(made) as project:
        versions = [record.version for record in project.history()]
    with sqlite3.connect(made / "memory" / "manifest.sqlite") as database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute("UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '') WHERE name = 'chunks'")
    database.close()
    with sqlite3.connect(made / "memory" / "manifest.sqlite") as database:
        database.execute(f"UPDATE chunks SET {change} WHERE seq = 3")
    database.close()
    told = repair.repair(made)
    assert told["version"] == versions[2] and told["problems"] == []


def test_a_damaged_change_leads_to_the_last_good_version(made, capsys):
    with Project.open(made) as project:
        versions = [record.version for record in project.history()]
    with sqlite3.connect(made / "memory" / "manifest.sqlite") as database:
        database.execute("UPDATE changes SET data = x'00010203' WHERE seq = 4")
    database.close()
    assert "repair" in refused(capsys, "history", made)
    told = good(capsys, "repair", made)
    assert told["version"] == versions[3] and told["lost"] == []
    assert [row["version"] for row in good(capsys, "history", made)["versions"]] == versions[:4]


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6, 0.8, 0.95])
def test_a_cut_manifest_opens_at_a_good_version_or_says_that_only_a_backup_helps(made, capsys, share):
    with Project.open(made) as project:
        versions = [record.version for record in project.history()]
    cut(made / "memory" / "manifest.sqlite", share)
    was = contents(made / "memory")
    assert "repair" in refused(capsys, "history", made)
    status, told, errors = run(capsys, "repair", made, "--json")
    if status == 0:
        assert told["version"] in versions and told["problems"] == []
        assert contents(aside(made) / "memory") == was
    else:
        assert status == 2 and "backup" in errors[0] and contents(made / "memory") == was


@pytest.mark.parametrize("empty", [True, False])
def test_a_lost_manifest_is_never_taken_for_a_new_memory(made, capsys, empty):
    keys = (made / "memory" / "keys.f32").read_bytes()
    (made / "memory" / "manifest.sqlite").unlink()
    if empty:
        (made / "memory" / "manifest.sqlite").touch()
    for verb in ("history", "verify"):
        assert "repair" in refused(capsys, verb, made)
    assert "backup" in refused(capsys, "repair", made)
    assert (made / "memory" / "keys.f32").read_bytes() == keys


def test_damaged_samples_truth_and_marks_move_aside_and_the_examples_stay(made, capsys):
    with Project.open(made) as project:
        first, second = (record.id for record in project.samples())
        was, total = project.version, len(project)
    (made / "samples" / f"{first}.json").write_text("{")
    flip(made / "samples" / f"{second}.npy", 500)
    for name in ("truth", "verified"):
        (made / name).mkdir()
    (made / "truth" / f"{first}.npy").write_bytes(b"\x93NUMPY")
    (made / "verified" / f"{first}.json").write_text("[")
    assert "repair" in refused(capsys, "history", made)
    status, told, _ = run(capsys, "repair", made, "--json")
    assert status == 1 and all("its copy is gone" in problem for problem in told["problems"]) and len(told["problems"]) == 2
    with Project.open(made) as project:
        assert project.version == was and len(project) == total and project.samples() == []
        again = [new_project(made.parent / "other")[0]]
        for record in again[0].samples():
            project.add_sample(again[0].read_sample(record.id))
        again[0].close()
        assert project.verify() == []  # the same pictures: their examples know them
    assert len(list(aside(made).rglob("*.*"))) == 6


def test_a_damaged_description_is_made_from_the_memory(made, capsys):
    was = state(made)
    plain = json.loads((made / "project.json").read_text())
    (made / "project.json").write_text("{" + "x" * 100)
    assert "repair" in refused(capsys, "history", made)
    assert good(capsys, "repair", made)["lost"] == []
    assert state(made) == was and (aside(made) / "project.json").read_text().startswith("{xxx")
    new = json.loads((made / "project.json").read_text())
    assert {key: new[key] for key in ("encoder", "novelty", "keys", "sample")} == {key: plain[key] for key in
                                                                                 ("encoder", "novelty", "keys", "sample")}
    shutil.rmtree(made / "memory")
    (made / "project.json").write_text("{")
    assert "backup" in refused(capsys, "repair", made)


def test_nothing_moves_while_another_process_has_it_open(made, capsys):
    flip(made / "memory" / "keys.f32", 100)
    script = ("import sqlite3, sys; found = sqlite3.connect(sys.argv[1]); found.execute('SELECT * FROM meta').fetchall();"
              "print('open', flush=True); sys.stdin.read()")
    other = subprocess.Popen([sys.executable, "-c", script, str(made / "memory" / "manifest.sqlite")], text=True, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
    try:
        assert other.stdout.readline() == "open\n"
        was = contents(made / "memory")
        assert "close the app" in refused(capsys, "repair", made)
        assert [file for file in contents(made / "memory") if file not in was] == []
    finally:
        other.communicate()
    assert good(capsys, "repair", made)["problems"] == []


def test_killed_between_its_two_renames_the_next_opening_finishes_it(made, monkeypatch):
    flip(made / "memory" / "keys.f32", 100)
    plain = repair._move

    def killed(path, *rest):
        plain(path, *rest)
        if path.name == "memory":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(repair, "_move", killed)
        repair.repair(made)
    assert not (made / "memory").exists() and (made / REPAIRED).is_dir()
    with Project.open(made) as project:
        assert project.verify() == [] and len(project) > 0
    assert not (made / REPAIRED).exists()


def test_what_a_killed_repair_had_begun_is_neither_copied_nor_kept(made, monkeypatch):
    for name in (REPAIRED, REPAIRING):
        shutil.copytree(made / "memory", made / name)
    with Project.open(made) as project:
        folder = branch(project, project.version, made.parent / "branch")
    assert not (folder / REPAIRED).exists() and not (folder / REPAIRING).exists()
    assert (made / REPAIRED).exists()  # perhaps it is being repaired just now
    monkeypatch.setattr("parmesan_engine.project.leftovers.OLD_SECONDS", -1.0)
    Project.open(made).close()
    assert not (made / REPAIRED).exists() and not (made / REPAIRING).exists() and (made / "memory").exists()


def test_full_disks_and_rights_are_no_damage(made, monkeypatch):
    def full(*_):
        raise StoreError("room", "none", "free some disk space")

    monkeypatch.setattr(Memory, "open", full)
    with pytest.raises(StoreError, match="free some disk space"):
        repair.repair(made)
    assert list(made.parent.iterdir()) == [made] and np.all([(made / "memory").is_dir()])
