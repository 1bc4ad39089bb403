"""Zip archives: a folder comes through as if it had not been packed; nothing leaves its place, grows or stays behind."""

import stat
import tempfile
import zipfile

import numpy as np
import pytest

from parmesan_engine import io
from parmesan_engine.errors import FormatError, LimitError
from tests.io.test_dicom import series
from tests.io.test_ome_zarr import image

VOLUME = np.random.default_rng(0).integers(0, 4000, (5, 6, 7)).astype(np.uint16)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Unpack under tmp_path, and look afterwards whether anything stayed."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    yield
    assert not list((tmp_path / "temporary").iterdir())


def pack(path, folder, inside=""):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/._x", b"")
        for file in folder.rglob("*"):
            if file.is_file():
                archive.write(file, f"{inside}{file.relative_to(folder)}")
    return path


@pytest.mark.parametrize("inside", ["", "study/series/"])
def test_a_packed_folder_is_read_like_the_folder(tmp_path, inside):
    dicom, ome = series(tmp_path / "ct", VOLUME), image(tmp_path / "a.zarr", [VOLUME], "zyx")
    for folder in (dicom, ome):
        packed = io.read(pack(tmp_path / "scan.zip", folder, inside))
        plain = io.read(folder)
        assert np.array_equal(packed.array, plain.array) and packed.spacing == plain.spacing


def evil(path, name, data=b"x", mode=None):
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = (mode or 0) << 16
        archive.writestr(info, data)
    return path


@pytest.mark.parametrize("name", ["../escape.dcm", "/escape.dcm", "a/../../escape.dcm", "C:/escape.dcm", "a/" * 20 + "x"])
def test_names_that_climb_are_refused(tmp_path, name):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FormatError, match="inside the zip"):
        io.read(evil(tmp_path / "a.zip", name))
    assert [p for p in tmp_path.rglob("*") if p.name != "a.zip"] == before


def test_links_bombs_passwords_and_empty_archives_are_refused(tmp_path):
    with pytest.raises(FormatError, match="no links"):
        io.read(evil(tmp_path / "a.zip", "a.dcm", b"/etc/passwd", stat.S_IFLNK | 0o777))
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dcm", bytes(2**24))
    with pytest.raises(LimitError, match="unpacked"):
        io.read(tmp_path / "b.zip", max_bytes=2**20)
    data = bytearray(evil(tmp_path / "c.zip", "a.dcm").read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "c.zip").write_bytes(bytes(data))
    with pytest.raises(FormatError, match="password"):
        io.read(tmp_path / "c.zip")
    with zipfile.ZipFile(tmp_path / "d.zip", "w"):
        pass
    (tmp_path / "d.zip").write_bytes(b"PK\x03\x04" + (tmp_path / "d.zip").read_bytes())
    with pytest.raises(FormatError):
        io.read(tmp_path / "d.zip")


def test_a_member_larger_than_announced_is_cut_and_refused(tmp_path):
    data = bytearray(pack(tmp_path / "a.zip", series(tmp_path / "ct", VOLUME)).read_bytes())
    at = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)  # the second entry; the first is empty
    data[at + 24 : at + 28] = (8).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(bytes(data))
    with pytest.raises(FormatError, match="zip"):
        io.read(tmp_path / "a.zip")
