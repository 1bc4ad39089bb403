"""The sidebar's imports: recordings and labels come in, what is refused is told, nothing is imported twice."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from pages._imports import _imports
from parmesan_engine.project.labels import truth
from tests.io.test_dicom import series

VOLUME = np.random.default_rng(0).integers(0, 255, (4, 6, 7)).astype(np.uint16)


@pytest.fixture
def labels(tmp_path):
    """A label file for the small picture: its left half class 0, its right half a new class 2."""
    path = tmp_path / "mask.png"
    Image.fromarray(np.where(np.arange(48) < 24, 0, 2)[None].repeat(32, 0).astype(np.uint8)).save(path)
    return path


def field(page, start):
    return next(one for one in page.text_input if one.key and one.key.startswith(start))


def button(page, label):
    return next(one for one in page.button if one.label == label)


def test_a_recording_comes_in_whole_and_once(page, picture, tmp_path):
    _, project, _ = picture
    stack = np.random.default_rng(0).integers(0, 255, (3, 3, 32, 48), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "film.tif", stack, imagej=True, metadata={"axes": "TCYX"})
    field(page, "path-").set_value(str(tmp_path / "film.tif")).run()
    assert not page.exception and [record.frame for record in project.samples()] == [0, 0, 1, 2]
    assert page.session_state["desk"].sample == project.samples()[1].id
    page.run()
    assert len(project.samples()) == 4 and not field(page, "path-").value


def test_a_refused_path_is_told(page, picture, tmp_path):
    (tmp_path / "a.nrrd").write_bytes(b"NRRD0004\n")
    field(page, "path-").set_value(str(tmp_path / "a.nrrd")).run()
    assert not page.exception and len(picture[1].samples()) == 1
    assert any("a.nrrd was not imported" in block.proto.body for block in page.get("html"))


def test_labels_become_examples(page, picture, labels):
    _, project, sample = picture
    field(page, "labels-path-").set_value(str(labels))
    next(one for one in page.number_input if one.label == "Places per class").set_value(0).run()
    button(page, "Add labels").click().run()
    assert not page.exception and project.task.classes == ("dark", "bright", "class 2")
    assert np.array_equal(project.painted(sample), np.asarray(Image.open(labels)))
    assert any("1,536 examples added from mask\\.png" in caption.value for caption in page.caption)
    assert not field(page, "labels-path-").value


def test_names_in_a_file_are_no_markdown(page, picture, tmp_path):
    """A sample's name and the notes of its file come from strangers: no pictures, links or formatting out of them."""
    (tmp_path / "ct").mkdir()
    evil = "![a](http://evil/x.png) *b* :red[c]"
    for number, number_of_series in enumerate(("1.2", "1.3")):
        series(tmp_path / f"ct/{number}", VOLUME[:1], series=number_of_series, SeriesDescription=evil)
    record = picture[1].import_file(tmp_path / "ct")
    page.session_state["desk"].choose(record.id)
    page.session_state["desk"].jumps += 1
    page.run()
    assert not page.exception and record.name == evil and any(evil in note for note in record.notes)
    (said,) = (caption.value for caption in page.caption if "series was read" in caption.value)
    labels = next(one for one in page.radio if one.label == "Sample").options
    for text in (said, labels[-1]):
        assert r"\!\[a\]\(http\://evil/x\.png\) \*b\* \:red\[c\]" in text


def test_labels_become_truth_and_go_again(page, picture, labels):
    _, project, sample = picture
    entries = len(project)
    field(page, "labels-path-").set_value(str(labels))
    next(one for one in page.segmented_control if one.label == "Use them as").set_value("Truth").run()
    button(page, "Add labels").click().run()
    assert not page.exception and np.array_equal(truth(project, sample), np.asarray(Image.open(labels))) and len(project) == entries
    button(page, "Remove the truth").click().run()
    assert truth(project, sample) is None


def test_labels_of_another_size_are_told_and_change_nothing(page, picture, tmp_path):
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / "small.png")
    version = picture[1].version
    field(page, "labels-path-").set_value(str(tmp_path / "small.png")).run()
    button(page, "Add labels").click().run()
    assert not page.exception and picture[1].version == version
    assert any("labels of shape (32, 48)" in block.proto.body for block in page.get("html"))


def test_files_of_one_series_are_imported_as_one(picture, tmp_path):
    folder = series(tmp_path / "ct", VOLUME)
    files = [(path.name, path.read_bytes()) for path in folder.iterdir()] + [("a.png", b""), ("b.png", b"")]
    assert len(_imports(picture[1], files, "")) == 3 and len(_imports(picture[1], files, "/data/x.tif")) == 4
