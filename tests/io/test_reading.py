import shutil
import zipfile
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pydicom
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from parmesan_engine import io
from parmesan_engine.errors import FormatError, ParmesanError


@pytest.mark.parametrize("name", [f"a{suffix}" for suffix in io.SUPPORTED])
def test_empty_file(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(FormatError, match="0 bytes"):
        io.read(tmp_path / name)


@pytest.mark.parametrize(
    "data, name, reason",
    [
        (b"GIF89a" + bytes(20), "a.gif", "one of .png.*a GIF picture"),
        (b"PK\x03\x04" + bytes(20), "a.npz", "intact zip"),
        (b"hello", "a.docx", "text starting 'hello'"),
        (bytes(range(1, 200)) * 3, "a.bin", "no known kind"),
        (b"%PDF-1.4", "a.png", "what its name says.*a PDF"),
    ],
)
def test_unsupported_content(tmp_path, data, name, reason):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FormatError, match=reason):
        io.read(tmp_path / name)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FormatError, match="existing file.*nowhere.png"):
        io.read(tmp_path / "nowhere.png")
    with pytest.raises(FormatError, match="DICOM pictures; got none"):
        io.read(tmp_path)


def test_content_counts_when_the_suffix_is_unknown(tmp_path):
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / "upload", "PNG")
    sample = io.read(tmp_path / "upload")
    assert sample.spatial_shape == (4, 5) and sample.notes == ("read as PNG, whatever its name says",)


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    """A folder with one good file of each kind that has a header."""
    folder = tmp_path_factory.mktemp("intact")
    picture = np.random.default_rng(0).integers(0, 255, (20, 24, 3), dtype=np.uint8)
    Image.fromarray(picture).save(folder / "a.png")
    Image.fromarray(picture).save(folder / "a.jpg")
    tifffile.imwrite(folder / "a.tif", picture, compression="zlib")
    tifffile.imwrite(folder / "b.tif", picture[None, ..., 0], imagej=True, metadata={"unit": "um"}, resolution=(2, 2))
    nibabel.Nifti1Image(picture, np.eye(4)).to_filename(folder / "a.nii")
    nibabel.Nifti1Image(picture, np.eye(4)).to_filename(folder / "a.nii.gz")
    np.save(folder / "a.npy", picture)
    for encoding in ("raw", "gzip"):
        nrrd.write(str(folder / f"{encoding}.nrrd"), picture[..., 0], {"encoding": encoding, "spacings": [2.0, 3.0]})
    for name in ("MR_small", "MR_small_RLE", "MR_small_jpeg_ls_lossless"):
        shutil.copy(Path(pydicom.__file__).parent / f"data/test_files/{name}.dcm", folder)
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.write(folder / "MR_small.dcm", "MR_small.dcm")
    return folder


@settings(max_examples=300, deadline=None, derandomize=True)
@given(data=st.data())
def test_damaged_files_give_a_sample_or_our_error(intact, tmp_path_factory, data):
    """Change some bytes, mostly of the header, and perhaps cut the end: nothing but our errors may come out."""
    name = data.draw(st.sampled_from(sorted(path.name for path in intact.iterdir())))
    content = bytearray((intact / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        end = min(len(content), data.draw(st.sampled_from([64, 400, len(content)])))
        content[data.draw(st.integers(0, end - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(1, len(content))) :]
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(bytes(content))
    try:
        sample = io.read(path, max_bytes=2**24)
    except ParmesanError:
        return
    assert np.isfinite(sample.array).all() and 4 * sample.array.size <= 2**24
