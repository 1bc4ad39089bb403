"""DICOM: series in any order of files come back in order of place, in real units, with spacing and affine."""

from pathlib import Path

import imagecodecs
import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEGLosslessSV1,
    JPEGLSLossless,
    generate_uid,
)

from parmesan_engine import io
from parmesan_engine.errors import FormatError, LimitError
from parmesan_engine.io import dicom
from parmesan_engine.io.dicom_places import places_of

SAMPLES = Path(pydicom.__file__).parent / "data/test_files"
AXIAL = (1, 0, 0, 0, 1, 0)


def header(series="1.2.3", **fields):
    made = pydicom.Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = CTImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = generate_uid()
    made.SeriesInstanceUID, made.Modality, made.PatientName = series, "CT", "Doe^Jane"
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 1, "MONOCHROME2", 0
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 12, 11
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def save(path, pixels, data):
    data.Rows, data.Columns = pixels.shape[-2:]
    data.PixelData = pixels.tobytes()
    data.save_as(path, enforce_file_format=True)


@pytest.fixture
def volume():
    return np.random.default_rng(0).integers(0, 4095, (5, 6, 7)).astype(np.uint16)  # z, y, x


def series(folder, volume, *, step=2.5, orientation=AXIAL, **fields):
    """Write a series in shuffled files, numbered against its order in space."""
    across = np.cross(orientation[:3], orientation[3:])
    folder.mkdir(exist_ok=True)
    for name, z in enumerate(np.random.default_rng(1).permutation(len(volume))):
        place = np.asarray([-10.0, 20.0, 30.0]) + across * step * z
        data = header(ImagePositionPatient=place.tolist(), ImageOrientationPatient=list(orientation), PixelSpacing=[0.5, 0.75],
                      SliceThickness=3.0, InstanceNumber=len(volume) - int(z), **fields)
        save(folder / f"IM{name:04}", volume[z], data)
    return folder


def test_a_series_is_sorted_by_place_and_scaled_to_real_units(tmp_path, volume):
    sample = io.read(series(tmp_path / "ct", volume, RescaleSlope=1, RescaleIntercept=-1024, SeriesDescription="Thorax  axial"))
    assert np.array_equal(sample.array[0], volume.astype(int) - 1024) and sample.array.dtype == np.int16
    assert sample.spacing == (2.5, 0.5, 0.75) and sample.unit == "mm" and sample.name == "Thorax axial" and not sample.notes
    # voxel (x, y, z) = (1, 1, 1): DICOM's world points left and back, ours right and to the front
    assert np.allclose(sample.affine @ [1, 1, 1, 1], [10 - 0.75, -20 - 0.5, 30 + 2.5, 1])
    assert "Doe" not in repr((sample.name, sample.notes))


def test_the_affine_of_an_oblique_series_agrees_with_its_positions(tmp_path, volume):
    turned = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    sample = io.read(series(tmp_path / "ct", volume, orientation=(*turned[0], *turned[1])))
    assert np.array_equal(sample.array[0], volume)
    assert nibabel.affines.voxel_sizes(sample.affine)[::-1] == pytest.approx(sample.spacing, abs=1e-4)


def test_fractional_slope_gives_floats_and_slices_differ(tmp_path, volume):
    series(tmp_path / "pet", volume[:2], RescaleSlope=0.5, RescaleIntercept=0)
    assert np.array_equal(io.read(tmp_path / "pet").array[0], volume[:2] * np.float32(0.5))


def test_several_pictures_at_each_place_are_time_points(tmp_path, volume):
    for moment in range(3):
        series(tmp_path / f"t{moment}", volume + moment, TemporalPositionIdentifier=moment + 1)
    frames = io.read_frames(tmp_path)
    assert [frame.frame for frame in frames] == [0, 1, 2] and len({frame.series for frame in frames}) == 1 and frames[0].series
    assert all(np.array_equal(frame.array[0], volume + i) for i, frame in enumerate(frames))
    assert np.array_equal(io.read(tmp_path).array, frames[0].array) and "time point 2 of 3" in frames[1].notes


def test_positions_that_were_rounded_apart_are_one_place(tmp_path, volume):
    """2.5049 and 2.5051: one place, although on both sides of a rounding edge."""
    for moment in range(2):
        for z, plane in enumerate(volume):
            place = 2.5 * z + (0.0049 if (z + moment) % 2 else 0.0051)
            save(tmp_path / f"{moment}-{z}.dcm", plane + moment, header(
                ImagePositionPatient=[0, 0, f"{place:.4f}"], ImageOrientationPatient=list(AXIAL), PixelSpacing=[0.5, 0.5],
                TemporalPositionIdentifier=moment + 1))
    frames = io.read_frames(tmp_path)
    assert [np.array_equal(frame.array[0], volume + i) for i, frame in enumerate(frames)] == [True, True]
    assert frames[0].spacing == pytest.approx((2.5, 0.5, 0.5), abs=1e-3)


@pytest.mark.parametrize("step", [0.004, 0.0125])
def test_thin_slices_are_places_of_their_own(tmp_path, volume, step):
    for z, plane in enumerate(volume):
        save(tmp_path / f"{z}.dcm", plane, header(ImagePositionPatient=[0, 0, round(step * z, 4)], ImageOrientationPatient=list(AXIAL),
                                                 PixelSpacing=[0.004, 0.004]))
    sample, = io.read_frames(tmp_path)
    assert np.array_equal(sample.array[0], volume) and sample.spacing == (step, 0.004, 0.004)


@pytest.mark.parametrize("along, found", [
    ([0, 1, 2, 3], 1), ([5, 5, 5], 3), ([0, 0, 0, 7, 7, 7], 3), ([0, 0.003, 2.5, 2.501], 2), ([0, 1, 2, 60, 61, 62], 1), ([4], 1),
    ([0, 1, 20, 21, 40, 41], 1), ([0, 0, 2.5], None), ([0, 0.003, 2.5], None), ([0, 0, 0, 0.003, 0.003, 9], None)])
def test_places(along, found):
    order = np.random.default_rng(0).permutation(len(along))
    there = places_of(np.asarray(along, float)[order], 0.5)
    assert there is None if found is None else there.shape == (len(along) // found, found)
    assert there is None or sorted(along) == np.asarray(along, float)[order][there.ravel()].tolist()


def test_a_missing_file_is_told(tmp_path, volume):
    for moment in range(2):
        series(tmp_path / f"t{moment}", volume, TemporalPositionIdentifier=moment + 1)
    next((tmp_path / "t1").iterdir()).unlink()
    with pytest.raises(FormatError, match="more at some places than at others"):
        io.read(tmp_path)
    gap = series(tmp_path / "gap", volume)
    for file in gap.iterdir():
        if pydicom.dcmread(file).ImagePositionPatient[2] == 32.5:
            file.unlink()
    assert "2.5 to 5 mm apart" in io.read(gap).notes[0]


def test_the_largest_series_of_a_study_and_what_was_left_out(tmp_path, volume):
    series(tmp_path / "a", volume)
    series(tmp_path / "b", volume[:2], series="1.2.4")
    (tmp_path / "LICENSE").write_text("text")
    sample = io.read(tmp_path)
    assert np.array_equal(sample.array[0], volume)
    assert sample.notes == ("the largest of 2 series was read: one, 5 files", "1 files without pictures, or there twice, were left out")


def test_one_slice_is_a_picture_and_white_stored_as_zero_is_inverted(tmp_path, volume):
    save(tmp_path / "a.dcm", volume[0], header(PhotometricInterpretation="MONOCHROME1", ImagerPixelSpacing=[0.1, 0.2]))
    sample = io.read(tmp_path / "a.dcm")
    assert np.array_equal(sample.array[0], 4095 - volume[0]) and sample.spacing == (0.1, 0.2)
    assert "inverted" in sample.notes[0]


def test_multi_frame_volume(tmp_path, volume):
    data = header(NumberOfFrames=5, PixelSpacing=[0.5, 0.75], SpacingBetweenSlices=2.5, ImagePositionPatient=[0, 0, 0],
                  ImageOrientationPatient=list(AXIAL))
    save(tmp_path / "nm.dcm", volume, data)
    sample = io.read(tmp_path / "nm.dcm")
    assert np.array_equal(sample.array[0], volume) and sample.spacing == (2.5, 0.5, 0.75)


@pytest.mark.parametrize("syntax, encode", [(JPEGLosslessSV1, imagecodecs.ljpeg_encode), (JPEGLSLossless, imagecodecs.jpegls_encode)])
def test_compressed_without_loss(tmp_path, volume, syntax, encode):
    data = header(NumberOfFrames=5, BitsStored=16, HighBit=15)
    data.file_meta.TransferSyntaxUID = syntax
    data.Rows, data.Columns = 6, 7
    data.PixelData = encapsulate([encode(plane) for plane in volume])
    data.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert np.array_equal(io.read(tmp_path / "a.dcm").array[0], volume)
    data.Rows = 5  # the header of the file and that of the compressed picture disagree
    data.save_as(tmp_path / "b.dcm", enforce_file_format=True)
    with pytest.raises((FormatError, LimitError)):
        io.read(tmp_path / "b.dcm")


@pytest.mark.parametrize("name, shape", [("examples_ybr_color.dcm", (3, 240, 320)), ("MR_small_RLE.dcm", (1, 64, 64)),
                                         ("MR_small_jp2klossless.dcm", (1, 64, 64)), ("examples_palette.dcm", (3, 350, 800)),
                                         ("SC_rgb_jpeg_dcmtk.dcm", (3, 100, 100)), ("rtdose.dcm", (1, 15, 10, 10))])
def test_files_of_other_makers(name, shape):
    assert io.read(SAMPLES / name).array.shape == shape


def test_lossless_forms_of_one_picture_agree():
    plain = io.read(SAMPLES / "MR_small.dcm").array
    for name in ("RLE", "bigendian", "implicit", "expb", "jp2klossless", "jpeg_ls_lossless", "padded"):
        assert np.array_equal(io.read(SAMPLES / f"MR_small_{name}.dcm").array, plain), name


@pytest.mark.parametrize("name, reason", [("MR_truncated.dcm", "8130 vs 8192"), ("liver_1frame.dcm", "segmentation"),
                                          ("image_dfl.dcm", "deflated"), ("rtplan.dcm", "DICOM pictures; got none")])
def test_what_cannot_be_read_is_told(name, reason):
    with pytest.raises(FormatError, match=reason):
        io.read(SAMPLES / name)


def test_a_huge_header_is_refused_before_the_pixels_are_read(tmp_path, volume):
    data = header(NumberOfFrames=100_000)
    save(tmp_path / "a.dcm", volume[0], data)
    data.Rows = data.Columns = 60_000
    data.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with pytest.raises(LimitError, match="GiB"):
        io.read(tmp_path / "a.dcm")


def test_the_number_of_frames_makes_no_list_before_it_is_checked(tmp_path, monkeypatch):
    """A tiny picture said to be there often enough fits the limit in bytes, but not as a list of Python objects."""
    monkeypatch.setattr(dicom, "_slices", lambda *_: pytest.fail("listed before the check"))
    data = header(NumberOfFrames=dicom.MAX_PICTURES + 1)
    save(tmp_path / "a.dcm", np.zeros((1, 1), np.uint16), data)
    with pytest.raises(LimitError, match="50,001 in a.dcm"):
        io.read(tmp_path / "a.dcm")
    data.NumberOfFrames = 2**31 - 1
    data.save_as(tmp_path / "b.dcm", enforce_file_format=True)
    with pytest.raises(LimitError, match="GiB"):
        io.read(tmp_path / "b.dcm")


@pytest.mark.parametrize("bare", [False, True])
def test_a_deflated_bomb_is_never_unpacked(tmp_path, monkeypatch, bare):
    data = header()
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    save(tmp_path / "a.dcm", np.zeros((4000, 1000), np.uint16), data)
    if bare:  # without the preamble, but with the header that names the packing
        (tmp_path / "a.dcm").write_bytes((tmp_path / "a.dcm").read_bytes()[132:])
    monkeypatch.setattr(pydicom.filereader.zlib, "decompress", lambda *_: pytest.fail("unpacked"))
    assert dicom.series_of((tmp_path / "a.dcm").read_bytes()) == ""
    with pytest.raises(FormatError, match="deflated"):
        dicom.read_dicom(tmp_path / "a.dcm", max_bytes=2**30)
