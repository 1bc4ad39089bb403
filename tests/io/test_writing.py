import nibabel
import nrrd
import numpy as np
import pytest
import tifffile
from PIL import Image

from parmesan_engine import io
from parmesan_engine.errors import FormatError, LimitError, ShapeError, StoreError
from parmesan_engine.io import bodies
from parmesan_engine.io.reading import read_label_array
from parmesan_engine.types import Sample, TaskSpec

TASK = TaskSpec("segmentation", ("a", "b", "c"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)))
DEPTH = TaskSpec("regression", unit="mm", invalid_value=0)
AFFINE = np.array([[0.5, 0, 0, -1], [0, 0.75, 0, 2], [0, 0, 2, 3], [0, 0, 0, 1.0]])
PICTURE = Sample(np.zeros((3, 5, 6), np.uint8), "picture", (0.5, 0.25), "\u00b5m")
VOLUME = Sample(np.zeros((1, 4, 5, 6), np.uint8), "volume", (2.0, 0.75, 0.5), "mm", AFFINE)
SIGNAL = Sample(np.zeros((1, 40), np.float32), "signal", (0.002,), "s")


def labels_of(sample):
    return np.random.default_rng(0).integers(-1, 3, sample.spatial_shape).astype(np.int16)


@pytest.mark.parametrize("ignore, stored", [(None, 255), (7, 7)])
@pytest.mark.parametrize(
    "sample, suffix",
    [
        (PICTURE, ".png"),
        (PICTURE, ".tif"),
        (PICTURE, ".nii.gz"),
        (PICTURE, ".npy"),
        (PICTURE, ".ome.tif"),
        (VOLUME, ".ome.tif"),
        (VOLUME, ".tiff"),
        (VOLUME, ".nii"),
        (VOLUME, ".nii.gz"),
        (VOLUME, ".npy"),
        (SIGNAL, ".npy"),
    ],
)
def test_labels_come_back(tmp_path, sample, suffix, ignore, stored):
    labels = labels_of(sample)
    path = tmp_path / "new" / f"a{suffix}"
    io.write_labels(path, labels, sample, TASK.replace(ignore_index=ignore))
    back = read_label_array(path)
    assert back.dtype == np.uint8 and np.array_equal(back, np.where(labels < 0, stored, labels))
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_png_has_the_colours_of_the_task(tmp_path):
    io.write_labels(tmp_path / "a.png", labels_of(PICTURE), PICTURE, TASK)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "P" and image.getpalette()[:9] == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_many_classes_need_sixteen_bits(tmp_path):
    task = TaskSpec("segmentation", tuple(map(str, range(300))), io.distinct_colors(300))
    labels = np.full(PICTURE.spatial_shape, 299, np.int16)
    labels[0, 0] = -1
    io.write_labels(tmp_path / "a.png", labels, PICTURE, task)
    back = read_label_array(tmp_path / "a.png")
    assert back[0, 0] == 65535 and back[1, 1] == 299


@pytest.mark.parametrize("suffix", [".tif", ".ome.tif", ".nii.gz"])
@pytest.mark.parametrize("sample", [PICTURE, VOLUME])
def test_spacing_and_affine_are_kept(tmp_path, sample, suffix):
    io.write_labels(tmp_path / f"a{suffix}", labels_of(sample), sample, TASK)
    back = io.read(tmp_path / f"a{suffix}")
    assert back.spacing == pytest.approx(sample.spacing) and back.unit == sample.unit
    if suffix == ".nii.gz" and sample is VOLUME:
        assert np.allclose(back.affine, AFFINE)


@pytest.mark.parametrize("suffix", [".nii.gz", ".ome.tif", ".tif", ".nrrd"])
def test_equal_content_gives_equal_bytes(tmp_path, suffix):
    for name in "ab":
        io.write_labels(tmp_path / f"{name}{suffix}", labels_of(VOLUME), VOLUME, TASK)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("sample", [PICTURE, VOLUME])
def test_ome_tiff_as_tifffile_reads_it(tmp_path, sample):
    shares = np.random.default_rng(0).random((3, *sample.spatial_shape)).astype(np.float32)
    io.write_probabilities(tmp_path / "a.ome.tif", shares, sample, TASK)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        assert tif.is_ome and tif.series[0].axes == ("CZYX" if sample is VOLUME else "CYX")
        assert np.array_equal(tif.series[0].asarray(), shares)
        pixels = tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]["Pixels"]
    assert [channel["Name"] for channel in pixels["Channel"]] == ["a", "b", "c"]
    sizes = {axis: (pixels[f"PhysicalSize{axis}"], pixels[f"PhysicalSize{axis}Unit"]) for axis in "ZYX"[-sample.spatial_dims :]}
    assert sizes == {axis: (step, sample.unit) for axis, step in zip("ZYX"[-sample.spatial_dims :], sample.spacing, strict=True)}


@pytest.mark.parametrize("sample", [SIGNAL, PICTURE, VOLUME])
def test_nrrd_as_pynrrd_reads_it(tmp_path, sample):
    labels = labels_of(sample)
    io.write_labels(tmp_path / "a.nrrd", labels, sample, TASK)
    data, header = nrrd.read(str(tmp_path / "a.nrrd"))
    assert data.dtype == np.uint8 and np.array_equal(data.T, np.where(labels < 0, 255, labels))
    if sample is VOLUME:
        assert header["space"] == "right-anterior-superior" and header["space units"] == ["mm"] * 3
        assert np.array_equal(header["space directions"].T, AFFINE[:3, :3]) and np.array_equal(header["space origin"], AFFINE[:3, 3])
    else:
        assert tuple(header["spacings"][::-1]) == sample.spacing and set(header["units"]) == {sample.unit.replace("\u00b5", "u")}


@pytest.mark.parametrize("sample", [SIGNAL, PICTURE, VOLUME])
def test_probabilities_as_nrrd_have_classes_last_and_named(tmp_path, sample):
    shares = np.random.default_rng(0).random((3, *sample.spatial_shape)).astype(np.float32)
    io.write_probabilities(tmp_path / "a.nrrd", shares, sample, TASK)
    data, header = nrrd.read(str(tmp_path / "a.nrrd"))
    assert np.array_equal(data.T, shares) and header["kinds"][-1] == "list"
    assert [header[f"class {number}"] for number in range(3)] == ["a", "b", "c"]


def test_an_axis_too_long_for_nifti_1_makes_nifti_2(tmp_path):
    long = Sample(np.zeros((1, 2, 40_000), np.uint8), "long")
    labels = labels_of(long)
    io.write_labels(tmp_path / "a.nii.gz", labels, long, TASK)
    image = nibabel.load(tmp_path / "a.nii.gz")
    assert isinstance(image, nibabel.Nifti2Image) and np.array_equal(np.asarray(image.dataobj).T, np.where(labels < 0, 255, labels))
    assert np.array_equal(read_label_array(tmp_path / "a.nii.gz"), np.where(labels < 0, 255, labels))


def test_what_imagej_cannot_hold_is_refused_before_it_is_written(tmp_path):
    huge = Sample(np.broadcast_to(np.uint8(0), (1, 70_000, 70_000)), "huge")
    with pytest.raises(LimitError, match="OME-TIFF"):
        bodies.imagej_tiff(huge.array[0], huge, ())


def test_maps_are_not_for_png(tmp_path):
    novelty = np.linspace(0, 1, 30, dtype=np.float32).reshape(5, 6)
    io.write_map(tmp_path / "a.ome.tif", novelty, PICTURE)
    assert np.array_equal(tifffile.imread(tmp_path / "a.ome.tif"), novelty)
    with pytest.raises(FormatError, match="png"):
        io.write_map(tmp_path / "a.png", novelty, PICTURE)


@pytest.mark.parametrize("suffix", [".tif", ".nii.gz", ".npy"])
def test_values_come_back_exactly(tmp_path, suffix):
    values = np.random.default_rng(0).normal(size=PICTURE.spatial_shape).astype(np.float32)
    values[2, 2] = np.nan
    io.write_values(tmp_path / f"a{suffix}", values, PICTURE, DEPTH)
    if suffix == ".npy":
        assert np.array_equal(read_label_array(tmp_path / "a.npy"), values, equal_nan=True)
    elif suffix == ".tif":
        assert np.array_equal(tifffile.imread(tmp_path / "a.tif"), values, equal_nan=True)


def test_values_as_png_follow_the_datasets(tmp_path):
    values = np.full(PICTURE.spatial_shape, 1234.4, np.float32)
    values[0, 0] = np.nan
    io.write_values(tmp_path / "a.png", values, PICTURE, DEPTH)
    back = read_label_array(tmp_path / "a.png")
    assert back.dtype == np.uint16 and back[0, 0] == 0 and back[1, 1] == 1234
    with pytest.raises(LimitError, match="70000 mm"):
        io.write_values(tmp_path / "b.png", np.full(PICTURE.spatial_shape, 70000.0), PICTURE, DEPTH)
    assert not (tmp_path / "b.png").exists()


@pytest.mark.parametrize(
    "sample, suffix", [(PICTURE, ".tif"), (VOLUME, ".tif"), (PICTURE, ".nii.gz"), (VOLUME, ".nii.gz"), (SIGNAL, ".npy")]
)
def test_probabilities_come_back(tmp_path, sample, suffix):
    shares = np.random.default_rng(0).random((3, *sample.spatial_shape)).astype(np.float32)
    io.write_probabilities(tmp_path / f"a{suffix}", shares, sample, TASK)
    back = io.read(tmp_path / f"a{suffix}", spatial_dims=1 if sample is SIGNAL else None).array
    assert np.array_equal(back.reshape(shares.shape), shares)


@pytest.mark.parametrize(
    "sample, suffix, error",
    [
        (VOLUME, ".png", ShapeError),
        (SIGNAL, ".png", ShapeError),
        (SIGNAL, ".tif", ShapeError),
        (SIGNAL, ".nii", ShapeError),
        (PICTURE, ".jpg", FormatError),
        (PICTURE, ".xyz", FormatError),
    ],
)
def test_what_a_format_cannot_hold(tmp_path, sample, suffix, error):
    with pytest.raises(error):
        io.write_labels(tmp_path / f"a{suffix}", labels_of(sample), sample, TASK)
    assert list(tmp_path.iterdir()) == []


def test_other_shape_and_probabilities_as_png(tmp_path):
    with pytest.raises(ShapeError, match=r"\(5, 6\)"):
        io.write_labels(tmp_path / "a.png", np.zeros((6, 5), np.int16), PICTURE, TASK)
    with pytest.raises(FormatError, match="not for probabilities"):
        io.write_probabilities(tmp_path / "a.png", np.zeros((3, 5, 6), np.float32), PICTURE, TASK)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="writable place"):
        io.write_labels(tmp_path / "file" / "a.png", labels_of(PICTURE), PICTURE, TASK)
    (tmp_path / "a.png").mkdir()
    with pytest.raises(StoreError):
        io.write_labels(tmp_path / "a.png", labels_of(PICTURE), PICTURE, TASK)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "file"]
