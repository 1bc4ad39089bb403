"""Label images as examples and as truth: the numbers come through, classes are added, unknown places stay out, bad files change nothing."""

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from parmesan_engine.errors import FormatError, LimitError, ParmesanError, ShapeError, UnknownNameError
from parmesan_engine.io import write_labels
from parmesan_engine.project import Project, painting
from parmesan_engine.project.class_view import set_class_view
from parmesan_engine.project.labels import paint_labels, remove_truth, set_truth, truth
from parmesan_engine.types import Sample
from tests.helpers import TASK, VALUES, same
from tests.helpers import truth as made_truth
from tests.project.painter import BLOB, GROUND, SHAPE, new_project


@pytest.fixture
def project(tmp_path):
    made, ids = new_project(tmp_path / "p", seeds=(0,))
    made.first = ids[0]
    with made:
        yield made


def png(path, labels):
    Image.fromarray(labels.astype(np.uint8)).save(path)
    return path


def test_every_labelled_place_becomes_an_example(project, tmp_path):
    labels = made_truth(2, shape=SHAPE)
    result = paint_labels(project, project.first, png(tmp_path / "mask.png", labels), author="ada")
    assert np.array_equal(project.painted(project.first), labels) and result.entries_added == labels.size and not result.notes
    row = project.memory.provenance(project.memory.ids[:1])[0]
    assert (row.source, row.author, row.gesture) == ("mask.png", "ada", result.gesture)
    project.undo()
    assert len(project) == 0


def test_painting_labels_twice_changes_nothing_but_the_gesture(project, tmp_path):
    path = png(tmp_path / "mask.png", made_truth(2, shape=SHAPE))
    paint_labels(project, project.first, path)
    before = project.predict(project.first).probabilities
    again = paint_labels(project, project.first, path)
    assert again.entries_added == again.entries_removed == len(project)
    assert np.array_equal(project.predict(project.first).probabilities, before)


def test_a_few_places_of_each_class(project, tmp_path):
    labels = made_truth(2, shape=SHAPE)
    result = paint_labels(project, project.first, png(tmp_path / "mask.png", labels), per_class=4)
    painted = project.painted(project.first)
    assert result.entries_added == 12 and (painted[painted >= 0] == labels[painted >= 0]).all()


def test_more_places_than_a_gesture_holds_are_thinned_class_by_class(project, tmp_path, monkeypatch):
    monkeypatch.setattr(painting, "MAX_ENTRIES", 30)
    labels = np.zeros(SHAPE, np.int16)
    labels[0, :2] = 1  # a rare class keeps all of its examples
    result = paint_labels(project, project.first, png(tmp_path / "mask.png", labels))
    assert (project.painted(project.first) == 1).sum() == 2 and result.entries_added == 17
    assert "at most 15 of each class" in result.notes[0]


def test_unknown_classes_are_added_and_unknown_places_left_out(project, tmp_path):
    labels = np.full(SHAPE, 255, np.uint8)
    labels[:3], labels[5:7] = 1, 4
    result = paint_labels(project, project.first, png(tmp_path / "mask.png", labels))
    assert project.task.classes == (*TASK.classes, "class 3", "class 4") and len(set(project.task.colors)) == 5
    assert np.array_equal(project.painted(project.first), np.where(labels == 255, -1, labels.astype(int)))
    assert result.notes == ("2 classes added: class 3, class 4",)
    with Project.open(project.path) as again:
        assert same(project.predict(project.first), again.predict(project.first))
    project.undo()  # classes and examples are one version
    assert project.task == TASK and len(project) == 0


def test_labels_replace_what_others_painted_while_the_sample_was_encoded(project, tmp_path, monkeypatch):
    path, get = png(tmp_path / "mask.png", np.full(SHAPE, 2)), project.features.get
    with Project.open(project.path) as other:
        other.annotate(project.first, [GROUND])

        def meanwhile(*args):
            other.annotate(project.first, [BLOB])
            return get(*args)

        monkeypatch.setattr(project.features, "get", meanwhile)
        result = paint_labels(project, project.first, path)
    assert result.entries_removed > 0 and len(project) == np.prod(SHAPE) and (project.painted(project.first) == 2).all()


def test_a_mask_of_0_and_255_and_one_with_the_classes_own_255(project, tmp_path):
    labels = np.zeros(SHAPE, np.uint8)
    labels[:4] = 255
    notes = set_truth(project, project.first, png(tmp_path / "mask.png", labels))
    assert np.array_equal(truth(project, project.first), labels == 255) and "255 was taken as class 1" in notes[0]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".nii.gz", ".npy", ".nrrd"])
def test_our_own_exports_come_back_as_truth(project, tmp_path, suffix):
    labels = made_truth(2, shape=SHAPE)
    labels[:2] = -1
    sample = project.read_sample(project.first)
    write_labels(tmp_path / f"a{suffix}", labels, sample, project.task)
    set_truth(project, project.first, tmp_path / f"a{suffix}")
    assert np.array_equal(truth(project, project.first), labels) and truth(project, project.first).dtype == np.int16


def test_truth_stays_with_its_sample_and_goes_with_it(project, tmp_path):
    path = png(tmp_path / "mask.png", made_truth(2, shape=SHAPE))
    version = project.version
    assert truth(project, project.first) is None
    set_truth(project, project.first, path)
    assert project.version == version and len(project) == 0  # it is no example
    with Project.open(project.path) as again:
        assert truth(again, project.first) is not None
    remove_truth(project, project.first)
    assert truth(project, project.first) is None
    set_truth(project, project.first, path)
    project.remove_sample(project.first)
    assert not list((project.path / "truth").iterdir())
    with pytest.raises(UnknownNameError):
        truth(project, project.first)


def test_examples_of_a_locked_class_stay(project, tmp_path):
    labels = made_truth(2, shape=SHAPE)
    paint_labels(project, project.first, png(tmp_path / "a.png", labels))
    set_class_view(project, locked=[1])
    result = paint_labels(project, project.first, png(tmp_path / "b.png", np.full(SHAPE, 2)))
    assert np.array_equal(project.painted(project.first), np.where(labels == 1, 1, 2)) and "locked class (blob)" in result.notes[0]


@pytest.mark.parametrize("labels, kind, reason", [
    (np.zeros((3, 4), np.uint8), ShapeError, "labels of shape"),
    (np.full(SHAPE, 255, np.uint8), FormatError, "at least one labelled"),
    (np.arange(np.prod(SHAPE), dtype=np.int32).reshape(SHAPE), LimitError, "not numbers of objects"),
    (np.full(SHAPE, 60, np.uint8), LimitError, "at most 32 new classes"),
    (np.full(SHAPE, 0.5, np.float32), FormatError, "fractions"),
    (np.full(SHAPE, -1, np.int16), FormatError, "at least one labelled"),
])
def test_files_that_are_no_labels_change_nothing(project, tmp_path, labels, kind, reason):
    np.save(tmp_path / "a.npy", labels)
    before = project.version, project.task
    for add in (paint_labels, set_truth):
        with pytest.raises(kind, match=reason):
            add(project, project.first, tmp_path / "a.npy")
    assert (project.version, project.task) == before and truth(project, project.first) is None


def test_values(tmp_path):
    depths = np.random.default_rng(0).uniform(1, 9, SHAPE).astype(np.float32)
    depths[0], depths[1] = 0, np.nan  # the task's invalid value, and no number
    np.save(tmp_path / "a.npy", depths)
    with Project.create(tmp_path / "p", name="p", task=VALUES, encoder="tiny") as project:
        record = project.add_sample(Sample(np.zeros((1, *SHAPE), np.uint8), "a"))
        set_truth(project, record.id, tmp_path / "a.npy")
        assert np.array_equal(truth(project, record.id)[2:], depths[2:]) and np.isnan(truth(project, record.id)[:2]).all()
        assert paint_labels(project, record.id, tmp_path / "a.npy").entries_added == depths[2:].size


def test_each_time_point_gets_its_own_labels(tmp_path):
    stack = np.random.default_rng(0).integers(0, 255, (3, 20, 24), dtype=np.uint8)
    labels = np.random.default_rng(1).integers(0, 3, (3, 20, 24), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "TYX"})
    tifffile.imwrite(tmp_path / "b.tif", labels, imagej=True, metadata={"axes": "TYX"})
    with Project.create(tmp_path / "p", name="p", task=TASK, encoder="tiny") as project:
        project.import_file(tmp_path / "a.tif")
        for record in project.samples():
            set_truth(project, record.id, tmp_path / "b.tif")
            assert np.array_equal(truth(project, record.id), labels[record.frame])


def test_volumes_from_nifti(tmp_path):
    volume = np.random.default_rng(0).integers(0, 255, (4, 5, 6)).astype(np.int16)
    labels = (volume > 128).astype(np.int16)
    for name, array in (("a", volume), ("b", labels)):
        nibabel.Nifti1Image(array, np.eye(4)).to_filename(tmp_path / f"{name}.nii.gz")
    with Project.create(tmp_path / "p", name="p", task=TASK, encoder="tiny") as project:
        record = project.import_file(tmp_path / "a.nii.gz")
        paint_labels(project, record.id, tmp_path / "b.nii.gz")
        assert np.array_equal(project.painted(record.id), labels.T)
        with pytest.raises(ParmesanError):
            paint_labels(project, record.id, tmp_path / "c.nii.gz")
