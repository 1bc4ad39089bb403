"""The truth of samples: kept as it was given, gone with the sample, never part of the memory."""

import numpy as np
import pytest

from parmesan_engine.errors import ShapeError, StoreError
from parmesan_engine.project import Project
from parmesan_engine.project.classes import merge_classes
from parmesan_engine.project.labels import truth as known
from parmesan_engine.project.scoring import score_samples
from parmesan_engine.project.truth import drop_truth, keep_truth, truth, truth_stamp
from tests.project.painter import SHAPE, teach


@pytest.fixture
def project(fresh):
    return fresh


def test_truth_comes_back_as_it_was_given(project):
    record, other = project.samples()
    before, version = truth_stamp(project.path), project.version
    labels = np.random.default_rng(0).integers(-1, 3, SHAPE)
    keep_truth(project.path, record, labels)
    found = truth(project.path, record.id)
    assert found.dtype == np.int16 and np.array_equal(found, labels) and truth(project.path, other.id) is None
    assert truth_stamp(project.path) != before and project.version == version
    values = np.where(labels < 0, np.nan, labels / 3)
    keep_truth(project.path, other, values)
    assert truth(project.path, other.id).dtype == np.float32 and np.allclose(truth(project.path, other.id), values, equal_nan=True)
    drop_truth(project.path, other.id)
    drop_truth(project.path, other.id)
    assert truth(project.path, other.id) is None


def test_truth_goes_with_its_sample(project):
    record = project.samples()[0]
    keep_truth(project.path, record, np.zeros(SHAPE, np.int16))
    project.remove_sample(record.id)
    assert truth(project.path, record.id) is None and truth_stamp(project.path) == ()


def test_truth_of_merged_classes_is_that_of_the_class_they_became(project):
    record = project.samples()[0]
    teach(project, record.id)
    labels = np.resize(np.arange(-1, 3), SHAPE).astype(np.int16)
    keep_truth(project.path, record, labels)
    before = score_samples(project, project.snapshot(), unpainted=False).total
    merge_classes(project, 2, 1)
    assert np.array_equal(known(project, record.id), np.array([0, 1, 1, -1])[labels])
    total = score_samples(project, project.snapshot(), unpainted=False).total
    assert not total.counts[2].any() and total.counts[1].sum() == before.counts[1:].sum()
    merge_classes(project, 1, 0)  # in two steps
    assert np.array_equal(known(project, record.id), np.where(labels < 0, -1, 0))
    with Project.open(project.path) as again:
        assert again.task == project.task and np.array_equal(known(again, record.id), known(project, record.id))
    project.undo()
    project.undo()
    assert np.array_equal(known(project, record.id), labels)
    merge_classes(project, 2, 1)
    project.add_class("line", (1, 2, 3))  # back under its id
    assert np.array_equal(known(project, record.id), labels) and project.task.heirs == ()


def test_other_shapes_and_damaged_files_are_refused(project):
    record = project.samples()[0]
    with pytest.raises(ShapeError):
        keep_truth(project.path, record, np.zeros((3, 3), np.int16))
    assert truth(project.path, record.id) is None
    keep_truth(project.path, record, np.zeros(SHAPE, np.int16))
    file = project.path / "truth" / f"{record.id}.npy"
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(StoreError):
        truth(project.path, record.id)
