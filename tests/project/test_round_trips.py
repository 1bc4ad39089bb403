"""Out and in again: what is exported can be given back as truth and as examples, in every format and number of axes."""

import numpy as np
import pytest

from parmesan_engine import io
from parmesan_engine.gestures import Stroke
from parmesan_engine.project import Project
from parmesan_engine.project.exporting import Plan, export, forms
from parmesan_engine.project.labels import paint_labels, set_truth, truth
from parmesan_engine.types import Sample
from tests.helpers import SIDES, TASK, VALUES, sample

AFFINE = np.asarray([[0.5, 0, 0, -3], [0, 0.5, 0, 4], [0, 0, 2, 5], [0, 0, 0, 1.0]])
PLACES = {1: [(20, 0), (70, 0), (150, 0)], 2: [(3, 3), (9, 9), (18, 12)], 3: [(2, 2), (4, 5), (9, 6)]}


def project_of(path, dims, task):
    """Return (project, record) of one sample with a point of each class or value."""
    spacing, unit = {1: ((0.002,), "s"), 2: ((0.5, 0.25), "\u00b5m"), 3: ((2.0, 0.5, 0.5), "mm")}[dims]
    project = Project.create(path, name="p", task=task)
    record = project.add_sample(Sample(sample(dims, shape=SIDES[dims]).array, "one", spacing, unit, AFFINE if dims == 3 else None))
    for label, place in enumerate(PLACES[dims]):
        what = {"label": label} if task.classes else {"value": 100.0 * label}
        stroke = Stroke("interval", (place, (place[0] + 5, 0)), **what) if dims == 1 else Stroke("point", (place,), radius=1.5, **what, **(
            {"axis": 0, "index": 4} if dims == 3 else {}))  # fmt: skip
        project.annotate(record.id, [stroke])
    return project, record


@pytest.mark.parametrize("dims, form", [(dims, form) for dims in (1, 2, 3) for form in forms(dims)])
def test_labels_come_back_as_truth_and_as_examples(tmp_path, dims, form):
    project, record = project_of(tmp_path / "p", dims, TASK)
    with project:
        want = project.predict(record.id).labels
        export(project, tmp_path / "out", Plan(("labels",), form))
        (path,) = (tmp_path / "out" / "labels").iterdir()
        set_truth(project, record.id, path)
        assert project.task == TASK and np.array_equal(truth(project, record.id), want)
        project.forget(author="local", purge=False)
        paint_labels(project, record.id, path)
        painted = project.painted(record.id)
        assert np.array_equal(painted[painted >= 0], want[painted >= 0]) and (painted >= 0).mean() > 0.3


@pytest.mark.parametrize("dims, form", [(dims, form) for dims in (2, 3) for form in ("ome-tiff", "nifti", "nrrd")])
def test_sizes_and_places_come_back(tmp_path, dims, form):
    project, record = project_of(tmp_path / "p", dims, TASK)
    with project:
        export(project, tmp_path / "out", Plan(("labels",), form))
    (path,) = (tmp_path / "out" / "labels").iterdir()
    back = io.read(path, spatial_dims=dims)
    assert back.spatial_shape == record.spatial_shape and back.spacing == pytest.approx(record.spacing) and back.unit == record.unit
    if dims == 3 and form != "ome-tiff":
        assert np.allclose(back.affine, AFFINE)


@pytest.mark.parametrize("dims, form", [(dims, form) for dims in (1, 2, 3) for form in forms(dims) if form != "png"])
def test_values_come_back_as_truth(tmp_path, dims, form):
    project, record = project_of(tmp_path / "p", dims, VALUES)
    with project:
        want = project.predict(record.id).values
        export(project, tmp_path / "out", Plan(("values",), form))
        (path,) = (tmp_path / "out" / "values").iterdir()
        set_truth(project, record.id, path)
        found, known = truth(project, record.id), want != VALUES.invalid_value
        assert np.array_equal(found[known], want[known], equal_nan=True)


@pytest.mark.parametrize("dims, form", [(2, "ome-tiff"), (3, "ome-tiff"), (3, "nifti"), (3, "nrrd")])
def test_probabilities_come_back_as_channels(tmp_path, dims, form):
    project, record = project_of(tmp_path / "p", dims, TASK)
    with project:
        want = project.predict(record.id).probabilities
        export(project, tmp_path / "out", Plan(("probabilities",), form))
    (path,) = (tmp_path / "out" / "probabilities").iterdir()
    back = io.read(path, spatial_dims=dims)
    assert np.array_equal(back.array, want)
    assert form != "ome-tiff" or back.channel_names == TASK.classes
