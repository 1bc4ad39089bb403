import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from parmesan_engine import io
from parmesan_engine.errors import FormatError, ShapeError, UnknownNameError

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
FIELDS = {"name": "toy", "task": "segmentation", "spatial_dims": 2, "ignore_index": 255, "classes": ["ground", "cell"]}


def make(folder, fields, image, label):
    """One sample "s" in split "train"; image and label are arrays, written as npy for other than (y, x) bytes."""
    for kind, array in (("images", image), ("labels", label)):
        (folder / "train" / kind).mkdir(parents=True)
        np.save(folder / "train" / kind / "s.npy", array)
    (folder / "dataset.json").write_text(json.dumps(fields))
    return io.open_dataset(folder)


def test_ids_ignore_and_made_up_colours(tmp_path):
    label = np.array([[0, 1, 255], [1, 1, 0]], np.uint8)
    dataset = make(tmp_path, FIELDS, np.zeros((2, 3)), label)
    (item,) = dataset.items("train")
    read = dataset.read_label(item)
    assert read.dtype == np.int16 and read.tolist() == [[0, 1, -1], [1, 1, 0]]
    assert dataset.task.classes == ("ground", "cell") and len(set(dataset.task.colors)) == 2
    assert (dataset.name, dataset.splits(), item.name) == ("toy", ["train"], "s")


def test_values_with_unknown_ones(tmp_path):
    fields = {"task": "regression", "spatial_dims": 2, "invalid_value": 0, "unit": "mm", "display_range": [1, 9]}
    dataset = make(tmp_path, fields, np.zeros((2, 2)), np.array([[0, 800], [4000, 1]], np.uint16))
    values = dataset.read_label(dataset.items("train")[0])
    assert values.dtype == np.float32 and np.isnan(values[0, 0]) and values.ravel()[1:].tolist() == [800, 4000, 1]
    assert dataset.task.unit == "mm" and dataset.task.display_range == (1, 9) and dataset.name == tmp_path.name


def test_spacing_comes_from_the_dataset_only_when_the_file_has_none(tmp_path):
    fields = FIELDS | {"spatial_dims": 3, "spacing_mm": [2, 1, 1]}
    dataset = make(tmp_path, fields, np.zeros((3, 4, 5), np.uint8), np.zeros((3, 4, 5), np.uint8))
    sample = dataset.read_sample(dataset.items("train")[0])
    assert sample.spacing == (2, 1, 1) and sample.unit == "mm" and sample.array.shape == (1, 3, 4, 5)
    (tmp_path / "train" / "images" / "s.npy").unlink()
    nibabel.Nifti1Image(np.zeros((5, 4, 3), np.uint8), np.diag([0.5, 0.5, 3, 1])).to_filename(
        tmp_path / "train/images/s.nii.gz"
    )
    sample = dataset.read_sample(dataset.items("train")[0])
    assert sample.spacing == (3, 0.5, 0.5)
    assert dataset.read_label(dataset.items("train")[0]).shape == (3, 4, 5)


def test_signals(tmp_path):
    dataset = make(
        tmp_path, FIELDS | {"spatial_dims": 1, "sampling_rate_hz": 500}, np.zeros((1, 20)), np.zeros(20, np.uint8)
    )
    item = dataset.items("train")[0]
    sample = dataset.read_sample(item)
    assert sample.array.shape == (1, 20) and sample.spacing == (0.002,) and sample.unit == "s"
    assert dataset.read_label(item).shape == (20,)


@pytest.mark.parametrize(
    "label, reason",
    [
        (np.array([[0, 7, 7], [1, 1, 0]]), r"ids 0 to 1 or 255.*got 7 at \(0, 1\) and 1 more"),
        (np.array([[0, -1, 0], [1, 1, 0]]), r"got -1 at \(0, 1\)"),
        (np.array([[0, 0.5, 0], [1, 1, 0]]), r"got 0.5 at \(0, 1\)"),
        (np.array([[0, np.nan, 0], [1, 1, 0]]), r"got nan at \(0, 1\)"),
    ],
)
def test_unknown_class_id(tmp_path, label, reason):
    dataset = make(tmp_path, FIELDS, np.zeros((2, 3)), label)
    with pytest.raises(FormatError, match=reason):
        dataset.read_label(dataset.items("train")[0])


def test_labels_of_another_shape(tmp_path):
    dataset = make(tmp_path, FIELDS, np.zeros((2, 3)), np.zeros((3, 2), np.uint8))
    with pytest.raises(ShapeError, match=r"\(2, 3\), as s.npy; got \(3, 2\) in s.npy"):
        dataset.read_label(dataset.items("train")[0])


def test_missing_parts(tmp_path):
    with pytest.raises(FormatError, match="dataset.json"):
        io.open_dataset(tmp_path / "nowhere")
    dataset = make(tmp_path, FIELDS, np.zeros((2, 3)), np.zeros((2, 3), np.uint8))
    with pytest.raises(UnknownNameError, match=r"\(train\); got 'test'"):
        dataset.items("test")
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(tmp_path / "train" / "images" / "other.png")
    (tmp_path / "train" / "images" / "notes.md").write_text("not a sample")
    with pytest.raises(FormatError, match="train/images/other.png"):
        dataset.items("train")


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"task": "detection"}, '"task".*segmentation or regression'),
        ({"spatial_dims": 4}, '"spatial_dims"'),
        ({"spatial_dims": None}, "None"),
        ({"classes": []}, '"classes"'),
        ({"classes": ["a", "a"]}, "names that differ"),
        ({"classes": "ab"}, "list of names"),
        ({"colors": [[0, 0, 0]]}, "2 colours"),
        ({"colors": [[0, 0, 0], [0, 0, 256]]}, '"colors"'),
        ({"colors": [[0, 0], [0, 0]]}, '"colors"'),
        ({"colors": 3}, '"colors"'),
        ({"ignore_index": 1}, "no class id"),
        ({"ignore_index": "255"}, '"ignore_index"'),
        ({"spacing_mm": [1]}, "2 positive"),
        ({"spacing_mm": [1, -1]}, "2 positive"),
        ({"sampling_rate_hz": 5}, "one spatial axis"),
        ({"name": 3}, '"name"'),
        ({"unit": 3}, '"unit"'),
        ({"task": "regression", "display_range": [5, 1]}, '"display_range"'),
        ({"task": "regression", "invalid_value": "x"}, '"invalid_value"'),
    ],
)
def test_each_field_is_checked(tmp_path, change, reason):
    (tmp_path / "dataset.json").write_text(json.dumps(FIELDS | change))
    with pytest.raises(FormatError, match=reason):
        io.open_dataset(tmp_path)


@pytest.mark.parametrize("text", ["{", "[1]", "\xff"])
def test_no_json(tmp_path, text):
    (tmp_path / "dataset.json").write_text(text, "latin-1")
    with pytest.raises(FormatError, match="dataset.json"):
        io.open_dataset(tmp_path)


@pytest.mark.parametrize(
    "name, dims, count, channels, classes",
    [
        ("camvid", 2, 150, 3, 11),
        ("hippocampus_mri", 3, 80, 1, 3),
        ("ludb_ecg", 1, 288, 1, 4),
        ("lung_cxr", 2, 90, 1, 3),
        ("nuclei_dsb2018", 2, 120, 3, 2),
        ("rgbd_kitchen", 2, 100, 3, 0),
    ],
)
def test_shared_datasets(name, dims, count, channels, classes):
    if not (SHARED / name).is_dir():
        pytest.skip(f"the data set {name} is not in ../shared/data of this machine")
    dataset = io.open_dataset(SHARED / name)
    items = dataset.items("train")
    assert (dataset.spatial_dims, len(items), len(dataset.task.classes)) == (dims, count, classes)
    for item in items[:: count // 5]:
        sample, label = dataset.read_sample(item), dataset.read_label(item)
        assert (
            sample.channels == channels
            and label.shape == sample.spatial_shape
            and (sample.spacing is not None) == (dims != 2)
        )
        assert (label.dtype == (np.int16 if classes else np.float32) and not classes) or label.max() < max(classes, 1e6)
        if classes:
            assert label.max() < classes and label.min() >= -1
        else:
            assert 300 < np.nanmedian(label) < 10_000 and np.isnan(label).any()


def test_palette_keeps_its_start():
    assert io.distinct_colors(3) == io.distinct_colors(30)[:3] and len(set(io.distinct_colors(60))) == 60
