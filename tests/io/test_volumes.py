import gzip
import tracemalloc

import nibabel
import numpy as np
import pytest

from parmesan_engine import io
from parmesan_engine.errors import FormatError, LimitError, ShapeError


@pytest.fixture
def volume():
    return np.random.default_rng(0).integers(0, 500, (4, 5, 6)).astype(np.int16)  # x, y, z


def header(shape, cls=nibabel.Nifti1Header, **fields):
    made = cls()
    made.set_data_shape(shape)
    made.set_data_dtype(np.float32)
    made["magic"] = b"n+1" if cls is nibabel.Nifti1Header else made["magic"]
    made["vox_offset"] = 352 if cls is nibabel.Nifti1Header else 544
    for name, value in fields.items():
        made[name] = value
    return made.binaryblock + bytes(4)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("cls", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_axes_spacing_and_affine(tmp_path, volume, suffix, cls):
    affine = np.array([[0.5, 0, 0, -10], [0, 0.75, 0, 5], [0, 0, 2, 7], [0, 0, 0, 1.0]])
    image = cls(volume, affine)
    image.header.set_xyzt_units("mm")
    image.to_filename(tmp_path / f"a{suffix}")
    sample = io.read(tmp_path / f"a{suffix}")
    assert np.array_equal(sample.array[0], volume.transpose(2, 1, 0)) and sample.array.dtype == np.int16
    assert sample.spacing == (2.0, 0.75, 0.5) and sample.unit == "mm" and np.allclose(sample.affine, affine)
    assert io.spatial_shape(tmp_path / f"a{suffix}") == (6, 5, 4)


def test_slope_is_applied_as_nibabel_does(tmp_path, volume):
    image = nibabel.Nifti1Image(volume, np.eye(4))
    image.header.set_slope_inter(0.5, -3)
    image.to_filename(tmp_path / "a.nii")
    # nibabel divides by the slope when it writes, so both sides give the original back up to rounding
    assert np.allclose(
        io.read(tmp_path / "a.nii").array[0], nibabel.load(tmp_path / "a.nii").get_fdata().transpose(2, 1, 0)
    )
    assert io.read(tmp_path / "a.nii").array.dtype == np.float32


def test_big_endian_and_micron(tmp_path, volume):
    image = nibabel.Nifti1Image(volume, np.eye(4), nibabel.Nifti1Header(endianness=">"))
    image.header.set_xyzt_units("micron")
    image.to_filename(tmp_path / "a.nii")
    sample = io.read(tmp_path / "a.nii")
    assert np.array_equal(sample.array[0], volume.T) and sample.array.dtype.isnative and sample.unit == "\u00b5m"


def test_channels_picture_and_colour(tmp_path, volume):
    nibabel.Nifti1Image(np.stack([volume, volume + 1], 3), np.eye(4)).to_filename(tmp_path / "a.nii")
    assert np.array_equal(io.read(tmp_path / "a.nii").array[1], volume.T + 1)
    nibabel.Nifti1Image(volume[:, :, 0], np.eye(4)).to_filename(tmp_path / "b.nii")
    assert io.read(tmp_path / "b.nii").array.shape == (1, 5, 4)
    colours = np.zeros((4, 5, 6), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    colours["G"] = volume % 256
    nibabel.Nifti1Image(colours, np.eye(4)).to_filename(tmp_path / "c.nii")
    assert np.array_equal(io.read(tmp_path / "c.nii").array[1], volume.T % 256)


def test_five_axes_and_complex_are_refused(tmp_path):
    nibabel.Nifti1Image(np.zeros((2, 2, 2, 3, 2), np.float32), np.eye(4)).to_filename(tmp_path / "a.nii")
    with pytest.raises(ShapeError, match=r"\(2, 2, 2, 3, 2\)"):
        io.read(tmp_path / "a.nii")
    nibabel.Nifti1Image(np.zeros((2, 2, 2), np.complex64), np.eye(4)).to_filename(tmp_path / "b.nii")
    with pytest.raises(FormatError, match="complex64"):
        io.read(tmp_path / "b.nii")


@pytest.mark.parametrize(
    "cls, shape", [(nibabel.Nifti1Header, (30_000, 30_000, 1000)), (nibabel.Nifti2Header, (100_000, 100_000, 1))]
)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_huge_header_is_refused_before_allocation(tmp_path, cls, shape, suffix):
    data = header(shape, cls) + bytes(10_000)
    (tmp_path / f"a{suffix}").write_bytes(gzip.compress(data) if suffix == ".nii.gz" else data)
    tracemalloc.start()
    with pytest.raises(LimitError, match="GiB"):
        io.read(tmp_path / f"a{suffix}")
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_gzip_bomb_behind_a_small_header_is_not_unpacked(tmp_path):
    with gzip.open(tmp_path / "a.nii.gz", "wb", 1) as file:
        file.write(header((2, 3, 4)))
        for _ in range(64):
            file.write(bytes(2**20))
    tracemalloc.start()
    assert io.read(tmp_path / "a.nii.gz").spatial_shape == (4, 3, 2)
    assert tracemalloc.get_traced_memory()[1] < 2**21
    tracemalloc.stop()


def test_far_voxels_are_refused(tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(header((2, 3, 4), vox_offset=2e9)))
    with pytest.raises(LimitError, match="2,000,000,000"):
        io.read(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_truncated(tmp_path, volume, suffix):
    path = tmp_path / f"a{suffix}"
    nibabel.Nifti1Image(volume, np.eye(4)).to_filename(path)
    data = path.read_bytes()
    for length in (len(data) // 3, len(data) - 30):
        path.write_bytes(data[:length])
        with pytest.raises(FormatError):
            io.read(path)


def test_damaged_header_pair_and_strange_gzip(tmp_path):
    (tmp_path / "a.nii").write_bytes(header((2, 3, 4), dim=[3, 2, -3, 4, 1, 1, 1, 1]) + bytes(96))
    with pytest.raises(FormatError, match="positive sizes"):
        io.read(tmp_path / "a.nii")
    (tmp_path / "b.nii").write_bytes(header((2, 3, 4), magic=b"ni1") + bytes(96))
    with pytest.raises(FormatError, match="voxels elsewhere"):
        io.read(tmp_path / "b.nii")
    (tmp_path / "c.nii.gz").write_bytes(gzip.compress(b"hello" * 200))
    with pytest.raises(FormatError, match="no NIfTI volume inside"):
        io.read(tmp_path / "c.nii.gz")


def test_a_long_fourth_axis_is_time(tmp_path, volume):
    image = nibabel.Nifti1Image(np.stack([volume + i for i in range(20)], 3), np.diag([1, 1, 2, 1.0]))
    image.header.set_zooms((1, 1, 2, 1.5))
    image.header.set_xyzt_units("mm", "sec")
    image.to_filename(tmp_path / "a.nii.gz")
    frames = io.read_frames(tmp_path / "a.nii.gz")
    assert len(frames) == 20 and np.array_equal(frames[7].array[0], volume.T + 7) and frames[7].spacing == (2, 1, 1)
    assert frames[7].notes == ("time point 8 of 20, 1.5 sec apart",)
