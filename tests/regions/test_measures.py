"""Measures against scikit-image's regionprops, and physical units by hand."""

import numpy as np
import pytest
from skimage import measure

from parmesan_engine.regions import class_rows, columns, find_objects, object_rows, value_row
from parmesan_engine.regions import measures as module
from parmesan_engine.types import Sample, TaskSpec

TASK = TaskSpec("segmentation", ("ground", "a", "b"), ((0, 0, 0), (1, 2, 3), (4, 5, 6)))
AXES = {1: "t", 2: "yx", 3: "zyx"}


def case(dims, seed=0, channels=2):
    size = {1: (200,), 2: (24, 31), 3: (7, 9, 11)}[dims]
    random = np.random.default_rng(seed)
    spacing = (0.5, 0.25, 2.0)[:dims]
    sample = Sample(random.normal(100, 30, (channels, *size)).astype(np.float32), "s", spacing, "mm")
    return random.integers(-1, 3, size).astype(np.int16), sample


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("at_once", [1, 2**22])
def test_objects_as_regionprops_measures_them(monkeypatch, dims, at_once):
    monkeypatch.setattr(module, "_PIXELS", at_once)
    labels, sample = case(dims)
    objects = find_objects(labels, (0, 1, 2))
    rows = object_rows(objects, sample, TASK, ("red", "green"))
    reference = measure.regionprops(objects.index, np.moveaxis(sample.array, 0, -1))
    assert len(rows) == len(reference) == len(objects)
    for row, region in zip(rows, reference, strict=True):
        assert row["object"] == region.label and row["pixels"] == region.num_pixels
        assert row["volume" if dims == 3 else "area"] == pytest.approx(region.num_pixels * np.prod(sample.spacing))
        for axis, at, size, start, stop in zip(AXES[dims], region.centroid, sample.spacing, region.bbox, region.bbox[dims:], strict=False):
            assert row[f"centroid_{axis}"] == pytest.approx((at + 0.5) * size)
            assert (row[f"{axis}_start"], row[f"{axis}_stop"]) == (start, stop)
        assert [row["mean_red"], row["mean_green"]] == pytest.approx(region.intensity_mean.tolist())
        assert row["class_id"] == labels[tuple(region.coords[0])] and row["class"] == TASK.classes[row["class_id"]]


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_classes_add_up_to_the_sample(dims):
    labels, sample = case(dims)
    rows = class_rows(labels, sample, TASK)
    assert [row["class"] for row in rows] == ["unknown", "ground", "a", "b"] and [row["class_id"] for row in rows] == [-1, 0, 1, 2]
    assert sum(row["pixels"] for row in rows) == labels.size and sum(row["fraction"] for row in rows) == pytest.approx(1)
    size = {1: "length", 2: "area", 3: "volume"}[dims]
    assert sum(row[size] for row in rows) == pytest.approx(labels.size * np.prod(sample.spacing))
    assert rows[0][f"{size}_unit"] == {1: "mm", 2: "mm^2", 3: "mm^3"}[dims]
    assert list(rows[0]) == ["class_id", "class", *columns(dims, ["1", "2"])]
    for row in rows:
        assert row["mean_2"] == pytest.approx(sample.array[1][labels == row["class_id"]].mean(dtype=float))


def test_a_class_that_does_not_occur_has_a_row_and_no_place():
    labels, sample = case(2)
    rows = class_rows(np.zeros_like(labels), sample, TASK)
    assert [row["class"] for row in rows] == list(TASK.classes)
    assert rows[1]["pixels"] == rows[1]["area"] == 0 and rows[1]["y_start"] is None and np.isnan(rows[1]["centroid_y"])


def test_intervals_of_a_signal_start_and_stop():
    labels = np.zeros(100, np.int16)
    labels[10:30] = labels[70:71] = 1
    sample = Sample(np.arange(100.0)[None], "s", (0.002,), "s")
    first, second = object_rows(find_objects(labels, (1,)), sample, TASK)
    assert (first["t_start"], first["t_stop"], second["t_start"], second["t_stop"]) == (10, 30, 70, 71)
    assert first["length"] == pytest.approx(0.04) and first["length_unit"] == "s" and first["mean_1"] == 19.5


def test_without_spacing_the_unit_is_the_pixel():
    labels, sample = case(2)
    row = class_rows(labels, Sample(sample.array, "s"), TASK)[1]
    assert row["area"] == row["pixels"] and row["area_unit"] == "px^2" and row["centroid_unit"] == "px"


def test_values_ignore_what_is_unknown():
    values = np.asarray([[1.0, 2.0, np.nan], [3.0, 4.0, 5.0]], np.float32)
    row = value_row(values, TaskSpec("regression", unit="mm"))
    assert (row["pixels"], row["mean"], row["median"], row["min"], row["max"], row["unit"]) == (5, 3, 3, 1, 5, "mm")
    assert row["fraction"] == pytest.approx(5 / 6)
    nothing = value_row(np.full((2, 2), np.nan), TaskSpec("regression"))
    assert nothing["pixels"] == 0 and all(np.isnan(nothing[name]) for name in ("mean", "std", "min", "median", "max"))
