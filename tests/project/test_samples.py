"""Samples of a project: stored once by content, imported safely, removed without a trace; damage is seen."""

import json
import shutil
import threading
import zlib
from dataclasses import replace

import numpy as np
import pytest

from parmesan_engine.errors import FormatError, LimitError, ParmesanError, ShapeError, StoreError, UnknownNameError, VersionError
from parmesan_engine.project import Project
from tests.helpers import TASK, same, sample, write_image
from tests.project.painter import SHAPE, files_of, holds, line, new_project, picture, teach


@pytest.fixture
def project(tmp_path):
    made, ids = new_project(tmp_path / "p", seeds=(0,))
    made.first = ids[0]
    with made:
        yield made


def png(tmp_path, seed=5, name="cells"):
    return write_image(tmp_path / name, picture(seed).array[0], 2)


def test_a_sample_comes_back_as_it_was_and_equal_content_is_one_sample(project, tmp_path):
    record = project.import_file(png(tmp_path))
    assert np.array_equal(project.read_sample(record.id).array, picture(5).array) and record.name == "cells.png"
    assert (record.channels, record.spatial_shape, record.origin) == (1, SHAPE, "path")
    assert project.import_file(png(tmp_path, name="other name")).id == record.id and len(project.samples()) == 2
    with Project.open(project.path) as again:
        assert again.samples() == project.samples()
        assert again.read_sample(record.id).content_hash == record.content_hash


@pytest.mark.parametrize("name", ["../../../escape.png", "..\\..\\escape.png", "/etc/escape.png", "C:\\x\\escape.png", "..", ".", "",
                                  "a/..", "nul\0byte.png", "x" * 400 + ".png", "escape.png/"])
def test_an_upload_stays_inside_the_project_whatever_its_name(project, tmp_path, name):
    data, outside = png(tmp_path).read_bytes(), {p for p in tmp_path.rglob("*") if not p.is_relative_to(project.path)}
    try:
        record = project.import_bytes(name, data)
        assert "/" not in record.name and "\\" not in record.name and record.origin == "upload"
    except ParmesanError:
        assert len(project.samples()) == 1
    assert {p for p in tmp_path.rglob("*") if not p.is_relative_to(project.path)} == outside
    assert not list((project.path / "incoming").rglob("*"))


def bad_files(tmp_path):
    good, folder = png(tmp_path).read_bytes(), tmp_path / "bad"
    folder.mkdir()
    (folder / "truncated.png").write_bytes(good[: len(good) // 2])
    (folder / "text.tif").write_text("this is no picture")
    (folder / "empty.png").write_bytes(b"")
    np.save(folder / "nan.npy", np.full(SHAPE, np.nan, np.float32))
    np.save(folder / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    header = bytearray(good[:33])
    header[16:24] = (100_000).to_bytes(4, "big") * 2
    header[29:33] = zlib.crc32(bytes(header[12:29])).to_bytes(4, "big")
    (folder / "huge.png").write_bytes(bytes(header) + good[33:])
    np.save(folder / "signal.npy", np.zeros(500, np.float32))
    return {"truncated.png": FormatError, "text.tif": FormatError, "empty.png": FormatError, "nan.npy": FormatError,
            "pickled.npy": FormatError, "huge.png": LimitError, "signal.npy": ShapeError, "missing.png": FormatError}


def test_bad_files_are_refused_with_a_clear_message_and_leave_nothing(project, tmp_path):
    teach(project, project.first)
    before, files = project.predict(project.first), files_of(project.path)
    for name, kind in bad_files(tmp_path).items():
        with pytest.raises(kind) as caught:
            project.import_file(tmp_path / "bad" / name)
        assert caught.value.expected and caught.value.got and caught.value.todo
        if name != "missing.png":
            with pytest.raises(kind):
                project.import_bytes(name, (tmp_path / "bad" / name).read_bytes())
    assert files_of(project.path) == files and len(project.samples()) == 1 and same(project.predict(project.first), before)


@pytest.mark.parametrize("left", [(), ("keys.f32", "manifest.sqlite")], ids=["a folder", "empty files"])
def test_a_project_whose_memory_was_being_made_when_the_process_was_killed_opens(project, left):
    project.close()
    made = {path.name for path in (project.path / "memory").iterdir()}
    assert made >= set(left)
    shutil.rmtree(project.path / "memory")
    (project.path / "memory").mkdir()
    for name in left:
        (project.path / "memory" / name).touch()
    with Project.open(project.path) as again:
        assert [record.id for record in again.samples()] == [project.first]
        teach(again, project.first)
        assert again.predict(project.first).entries == len(again) > 0 and again.verify() == []


def test_removing_a_sample_leaves_nothing_of_it(project):
    other = project.add_sample(picture(1, name="patient-Zoe"))
    teach(project, project.first)
    alone, files = project.predict(project.first), set(files_of(project.path)) - {f"samples/{other.id}.npy", f"samples/{other.id}.json"}
    teach(project, other.id)
    project.predict(other.id)
    assert holds(project.path, b"patient-Zoe") and holds(project.path, other.id.encode())
    receipt = project.remove_sample(other.id)
    assert receipt["entries_removed"] > 0 and receipt["verified"]
    assert not holds(project.path, b"patient-Zoe") and not holds(project.path, other.id.encode())
    assert not holds(project.path, other.content_hash.encode()) and set(files_of(project.path)) == files
    assert same(project.predict(project.first), alone) and project.verify() == []
    with pytest.raises(UnknownNameError):
        project.predict(other.id)


def test_removing_a_sample_without_examples_and_one_whose_examples_were_erased(project):
    other = project.add_sample(picture(1))
    assert project.remove_sample(other.id) is None and len(project.samples()) == 1
    other = project.add_sample(picture(1))
    teach(project, project.first)
    teach(project, other.id)
    project.forget(sample=other.id, purge=False)  # in the history still
    assert project.remove_sample(other.id)["entries_removed"] >= 0
    assert not holds(project.path, other.id.encode())


def test_verify_sees_a_damaged_sample_and_reading_a_missing_one_says_what_to_do(project):
    file = project.path / "samples" / f"{project.first}.npy"
    data = bytearray(file.read_bytes())
    assert project.verify() == []
    data[-1] ^= 255
    file.write_bytes(bytes(data))
    assert len(project.verify()) == 1 and "stored copy has changed" in project.verify()[0]
    file.write_bytes(b"nonsense")
    assert any("stored copy" in problem for problem in project.verify()), "a file that cannot be read is a problem, not a crash"
    file.unlink()
    assert any("stored copy" in problem for problem in project.verify())
    with pytest.raises(StoreError, match="import the sample again"):
        project.read_sample(project.first)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format": 1}', '{"format": "x"}', "null",
                                  '{"format": 1, "name": "a", "task": {}, "encoder": {}, "novelty": 0}',
                                  '{"format": 1, "name": "a", "task": null, "encoder": {"name": "filter_bank"}, "novelty": 0}'])
def test_a_damaged_description_is_refused_not_a_crash(project, text):
    project.close()
    (project.path / "project.json").write_text(text)
    with pytest.raises(FormatError):
        Project.open(project.path)


def test_a_project_of_a_newer_program_or_of_nothing_is_refused(project, tmp_path):
    raw = json.loads((project.path / "project.json").read_text())
    (project.path / "project.json").write_text(json.dumps({**raw, "format": 99}))
    with pytest.raises(VersionError, match="update"):
        Project.open(project.path)
    with pytest.raises(FormatError, match="create the project first"):
        Project.open(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(FormatError, match="holds a project"):
        Project.create(project.path, name="again", task=TASK)


def test_a_damaged_description_of_a_sample_is_refused(project):
    file = project.path / "samples" / f"{project.first}.json"
    row = json.loads(file.read_text())
    for bad in ("[", "{}", "[]", json.dumps({**row, "id": "../../../../x"}), json.dumps({**row, "extra": 1})):
        file.write_text(bad)
        with pytest.raises(FormatError):
            Project.open(project.path)


def test_two_openings_add_samples_without_losing_any(project):
    """Regression: each wrote its own list of samples over the other's."""
    with Project.open(project.path) as other:
        second = other.add_sample(picture(21))
        other.annotate(second.id, [line(12, 5, 8, 0)])
        third = project.add_sample(picture(22))
        assert {second.id, third.id} <= {r.id for r in project.samples()} == {r.id for r in other.samples()}
        project.refresh()
        assert project.verify() == []


def test_verify_sees_examples_of_a_sample_that_is_gone(project):
    teach(project, project.first)
    for file in (project.path / "samples").iterdir():
        file.unlink()
    assert any("copy is gone" in problem for problem in project.verify())


def test_two_threads_import_different_samples_at_once(project):
    threads = [threading.Thread(target=lambda s=seed: project.add_sample(picture(s))) for seed in range(10, 18)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Project.open(project.path) as again:
        assert len(again.samples()) == 9 and again.samples() == project.samples() and again.verify() == []


def test_spacing_and_notes_are_kept(tmp_path):
    with Project.create(tmp_path / "v", name="volume", task=TASK) as project:
        affine = np.diag([2.0, 1.0, 1.0, 1.0])
        record = project.add_sample(replace(sample(3, 0), spacing=(2.0, 1.0, 1.0), unit="mm", affine=affine, notes=("read as NIfTI",)))
    with Project.open(tmp_path / "v") as again:
        back = again.read_sample(record.id)
        assert back.spacing == (2.0, 1.0, 1.0) and back.unit == "mm" and back.notes == ("read as NIfTI",)
        assert np.array_equal(back.affine, affine)
