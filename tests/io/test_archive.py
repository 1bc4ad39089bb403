"""All files or none, in a folder and in a zip."""

import zipfile

import pytest

from parmesan_engine.errors import FormatError, LimitError, StoreError
from parmesan_engine.io.archive import together

FILES = {"export.json": b"{}", "labels/a.png": b"x" * 5000, "labels/b.csv": b"y" * 5000}


def fill(out, files=FILES):
    with together(out) as archive:
        for name, data in files.items():
            archive.add(name, lambda path, data=data: path.write_bytes(data))
        (archive.scratch / "on the way").write_bytes(b"z")
    return archive


def content(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_holds_the_files_and_nothing_else(tmp_path, there):
    if there:
        (tmp_path / "out").mkdir()
    assert fill(tmp_path / "out").names == list(FILES)
    assert content(tmp_path / "out") == FILES and [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_zip_holds_the_files_and_replaces_an_old_one(tmp_path):
    fill(tmp_path / "deep" / "out.zip", {"old": b"old"})
    fill(tmp_path / "deep" / "out.zip")
    with zipfile.ZipFile(tmp_path / "deep" / "out.zip") as packed:
        assert packed.testzip() is None and {name: packed.read(name) for name in packed.namelist()} == FILES
        assert packed.getinfo("labels/a.png").compress_type == zipfile.ZIP_STORED
        assert packed.getinfo("labels/b.csv").compress_size < 100
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["out.zip"]


@pytest.mark.parametrize("name", ["out", "out.zip"])
@pytest.mark.parametrize("error", [LimitError("a", "b", "c"), KeyboardInterrupt()])
def test_after_an_error_nothing_is_left(tmp_path, name, error):
    def fail(path):
        path.write_bytes(b"half")
        raise error

    with pytest.raises(type(error)), together(tmp_path / name) as archive:
        archive.add("a", lambda path: path.write_bytes(b"a"))
        archive.add("b", fail)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_zip_leaves_the_old_one(tmp_path):
    fill(tmp_path / "out.zip", {"old": b"old"})
    with pytest.raises(LimitError), together(tmp_path / "out.zip"):
        raise LimitError("a", "b", "c")
    with zipfile.ZipFile(tmp_path / "out.zip") as packed:
        assert packed.namelist() == ["old"]


def test_what_is_in_the_way_is_never_overwritten(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("keep")
    (tmp_path / "file").write_text("keep")
    (tmp_path / "folder.zip").mkdir()
    for name in ("full", "file", "folder.zip"):
        with pytest.raises(FormatError, match="in the way"):
            fill(tmp_path / name)
    assert (tmp_path / "full" / "mine").read_text() == (tmp_path / "file").read_text() == "keep"


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="writable"):
        fill(tmp_path / "file" / "out.zip")
