"""Recordings and folders into a project: every time point or none, uploads that belong together as one, nothing left behind."""

import numpy as np
import pytest
import tifffile

from parmesan_engine.errors import LimitError, ParmesanError, ShapeError, StoreError
from parmesan_engine.project import Project
from parmesan_engine.project.importing import import_frames, import_uploads, together
from tests.helpers import TASK
from tests.io.test_dicom import header, save, series
from tests.io.test_unpacking import pack
from tests.project.painter import line

VOLUME = np.random.default_rng(0).integers(0, 4000, (5, 12, 14)).astype(np.uint16)


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "p", name="p", task=TASK, encoder="tiny") as made:
        yield made


def recording(path, moments=3):
    stack = np.random.default_rng(1).integers(0, 255, (moments, 2, 20, 24), dtype=np.uint8)
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "TCYX"})
    return stack


def test_every_time_point_is_a_sample_of_one_series(project, tmp_path):
    stack = recording(tmp_path / "a.tif")
    first = project.import_file(tmp_path / "a.tif")
    records = project.samples()
    assert [record.frame for record in records] == [0, 1, 2] and len({record.series for record in records}) == 1
    assert first == records[0] and np.array_equal(project.read_sample(records[2].id).array, stack[2])
    assert project.import_file(tmp_path / "a.tif") == first and len(project.samples()) == 3
    with Project.open(project.path) as again:
        assert again.samples() == records and again.read_sample(records[1].id).series == first.series


def test_what_others_painted_on_half_a_recording_stays(project, tmp_path, monkeypatch):
    recording(tmp_path / "a.tif")
    add = project.add_sample

    def cut_short(frame, **origin):
        if frame.frame == 2:
            project.annotate(project.samples()[1].id, [line(4, 3, 9, 0)])
            raise StoreError("room", "none", "free some")
        return add(frame, **origin)

    monkeypatch.setattr(project, "add_sample", cut_short)
    with pytest.raises(StoreError):
        project.import_file(tmp_path / "a.tif")
    assert [record.frame for record in project.samples()] == [1] and len(project) and project.history()[-1].verb == "add"


def test_a_recording_that_cannot_be_stored_whole_is_not_stored_at_all(project, tmp_path, monkeypatch):
    recording(tmp_path / "a.tif")
    recording(tmp_path / "b.tif", moments=5)
    project.import_file(tmp_path / "a.tif")
    before, add, calls = project.samples(), project.add_sample, []

    def failing(sample, **keywords):
        calls.append(sample)
        if len(calls) == 4:
            raise LimitError("room", "none", "free some")
        return add(sample, **keywords)

    monkeypatch.setattr(project, "add_sample", failing)
    with pytest.raises(LimitError):
        project.import_file(tmp_path / "b.tif")
    assert project.samples() == before


def test_uploads_of_one_series_are_one_volume(project, tmp_path):
    series(tmp_path / "a", VOLUME)
    series(tmp_path / "b", VOLUME[:3] + 1, series="1.2.4")
    files = [(path.name, path.read_bytes()) for folder in ("b", "a") for path in sorted((tmp_path / folder).iterdir())]
    groups = together([files[0], *files[1:], ("x.png", b"x"), ("y.png", b"y")])
    assert sorted(len(group) for group in groups) == [1, 1, 3, 5]
    for group in groups[:2]:
        (record,) = import_uploads(project, group)
        assert record.name == f"IM0000 and {len(group) - 1} more" and record.origin == "upload"
    assert sorted(record.spatial_shape for record in project.samples()) == [(3, 12, 14), (5, 12, 14)]
    assert not list((project.path / "incoming").rglob("*"))


def test_a_packed_series_and_a_folder_are_the_same_sample(project, tmp_path):
    folder = series(tmp_path / "ct", VOLUME, SeriesDescription="chest")
    record = project.import_bytes("scan.zip", pack(tmp_path / "scan.zip", folder).read_bytes())
    assert record.name == "chest" and record.spatial_shape == VOLUME.shape
    assert project.import_file(folder).id == record.id


def test_refused_uploads_leave_nothing(project, tmp_path):
    series(tmp_path / "ct", VOLUME)
    project.import_file(tmp_path / "ct")
    save(tmp_path / "one.dcm", VOLUME[0], header())
    with pytest.raises(ShapeError, match="3 spatial axes"):
        import_frames(project, tmp_path / "one.dcm")
    for name in ("a.zip", "a.dcm", "../../a.nrrd", "a.zarr"):
        with pytest.raises(ParmesanError):
            project.import_bytes(name, b"PK\x03\x04 nothing of worth")
    assert len(project.samples()) == 1 and not list((project.path / "incoming").rglob("*"))
