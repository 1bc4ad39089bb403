"""A backup is the project at one version, whole, whatever others do meanwhile; a damaged one is refused; it comes back as it was."""

import json
import threading
import zipfile

import pytest

from parmesan_engine.bench import crash_steps as work
from parmesan_engine.errors import FormatError, LimitError, StoreError
from parmesan_engine.project import Project, backup
from tests.cli.runner import good, refused, run
from tests.helpers import same
from tests.project.painter import BLOB, line, teach


def test_it_comes_back_as_it_was(project, tmp_path):
    project.forget(gesture=f"{project.first}-edge")
    teach(project, project.second)
    told = backup.backup(project, tmp_path / "b.zip")
    assert told["problems"] == [] and told["version"] == project.version
    was, answer = work.state(project), project.predict(project.first)
    project.annotate(project.second, [line(30, 5, 12, 1)])  # the backup does not know
    back = backup.restore(tmp_path / "b.zip", tmp_path / "back")
    assert back["version"] == told["version"] and back["files"] == told["files"] and back["problems"] == []
    with Project.open(tmp_path / "back") as again:
        assert again.name == project.name and work.state(again) == was and same(again.predict(project.first), answer)
        again.undo()
        assert again.verify() == []
    assert {path.name for path in tmp_path.iterdir()} == {"p", "b.zip", "back"}  # nothing is left on the way


def test_an_empty_project_comes_back_too(tmp_path):
    with Project.create(tmp_path / "p", name="empty", task=work.TASK) as project:
        backup.backup(project, tmp_path / "b.zip")
    backup.restore(tmp_path / "b.zip", tmp_path / "back")
    with Project.open(tmp_path / "back") as again:
        assert again.name == "empty" and again.samples() == []


def test_it_is_one_version_while_another_paints_and_unlearns_and_holds_nothing_unlearned_before_it_began(project, tmp_path):
    stop, versions = threading.Event(), set()

    def go_on():
        with Project.open(project.path) as other:
            for number in range(10_000):
                gesture = f"gesture-{number}"
                other.annotate(project.second, [line(8 + number % 30, 5, 25, number % 3)], gesture_id=gesture)
                versions.add(other.version)
                if number in (3, 10, 20):  # fewer than a backup begins again, however slow the machine
                    other.forget(gesture=gesture)
                    versions.add(other.version)
                if stop.wait(0.02):
                    return

    versions.add(project.version)
    project.annotate(project.second, [BLOB], gesture_id="gesture-secret")
    project.forget(gesture="gesture-secret")
    worker = threading.Thread(target=go_on)
    worker.start()
    try:
        told = [backup.backup(project, tmp_path / f"{number}.zip") for number in range(4)]
    finally:
        stop.set()
        worker.join()
    assert all(one["problems"] == [] for one in told)
    for number, one in enumerate(told):
        backup.restore(tmp_path / f"{number}.zip", tmp_path / str(number))
        with Project.open(tmp_path / str(number)) as again:
            assert again.version == one["version"] and again.version in versions and again.verify() == []
        assert not any(b"gesture-secret" in path.read_bytes() for path in (tmp_path / str(number)).rglob("*") if path.is_file())


def test_what_is_unlearned_while_it_is_made_is_not_in_it(project, tmp_path, monkeypatch):
    plain, times = backup.copy_at, []

    def slow(*arguments):
        plain(*arguments)
        if not times:
            project.forget(gesture=f"{project.first}-edge")
        times.append(1)

    monkeypatch.setattr(backup, "copy_at", slow)
    told = backup.backup(project, tmp_path / "b.zip")
    assert len(times) == 2 and told["version"] == project.version
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert not any(f"{project.first}-edge".encode() in archive.read(name) for name in archive.namelist())


def repacked(path, change):
    """Write the backup anew with {name: bytes} changed by a function."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    change(content)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def flipped(content):
    content["memory/keys.f32"] = content["memory/keys.f32"][:-1] + bytes([content["memory/keys.f32"][-1] ^ 1])


def newer(content):
    content["backup.json"] = json.dumps({**json.loads(content["backup.json"]), "format": 99}).encode()


@pytest.mark.parametrize("change", [
    flipped, newer, lambda content: content.pop("memory/keys.f32"), lambda content: content.pop("backup.json"),
    lambda content: content.update(more=b"x"), lambda content: content.update({"../out": b"x"}),
    lambda content: content.update({"backup.json": b"[]"}), lambda content: content.update({"backup.json": b'{"format": 1}'})])
def test_a_changed_backup_is_refused_and_leaves_nothing(project, tmp_path, change):
    backup.backup(project, tmp_path / "b.zip")
    repacked(tmp_path / "b.zip", change)
    with pytest.raises((FormatError, LookupError), match="expected"):
        backup.restore(tmp_path / "b.zip", tmp_path / "back")
    assert {path.name for path in tmp_path.iterdir()} == {"p", "b.zip"}


def test_a_cut_one_and_one_that_has_no_room_are_refused(project, tmp_path, monkeypatch):
    backup.backup(project, tmp_path / "b.zip")
    (tmp_path / "cut.zip").write_bytes((tmp_path / "b.zip").read_bytes()[:-1000])
    with pytest.raises(FormatError, match="zip"):
        backup.restore(tmp_path / "cut.zip", tmp_path / "back")
    monkeypatch.setattr(backup.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(LimitError, match="at most"):
        backup.restore(tmp_path / "b.zip", tmp_path / "back")
    monkeypatch.setattr(backup, "_pack", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    was = (tmp_path / "b.zip").read_bytes()
    with pytest.raises(StoreError, match="No space left"):
        backup.backup(project, tmp_path / "b.zip")
    assert (tmp_path / "b.zip").read_bytes() == was and {path.name for path in tmp_path.iterdir()} == {"p", "b.zip", "cut.zip"}


def test_from_the_command_line(project, tmp_path, capsys):
    told = good(capsys, "backup", project.path, tmp_path / "b.zip")
    back = good(capsys, "backup", "--restore", tmp_path / "b.zip", tmp_path / "back")
    assert told["version"] == back["version"] == good(capsys, "verify", tmp_path / "back")["version"]
    assert "already" in refused(capsys, "backup", "--restore", tmp_path / "b.zip", tmp_path / "back")
    assert "neither" in refused(capsys, "backup", project.path)
    assert "ends in .zip" in refused(capsys, "backup", project.path, tmp_path / "b")
    assert "outside" in refused(capsys, "backup", project.path, project.path / "b.zip")
    assert "not there" in refused(capsys, "backup", "--restore", tmp_path / "none.zip", tmp_path / "other")
    (project.path / "samples" / f"{project.second}.npy").unlink()
    status, told, _ = run(capsys, "backup", project.path, tmp_path / "b.zip", "--json")
    assert status == 1 and "sample" in told["problems"][0]
