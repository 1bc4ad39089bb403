import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from parmesan_engine import io
from parmesan_engine.errors import FormatError, LimitError, ShapeError
from parmesan_engine.io.raster import orient
from parmesan_engine.io.reading import read_label_array


def rgb(rng, height=6, width=9):
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def png_header(width, height, depth=8):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + start + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def test_rgb_png_has_channels_first(tmp_path, rng):
    picture = rgb(rng)
    Image.fromarray(picture).save(tmp_path / "a.png")
    sample = io.read(tmp_path / "a.png")
    assert (
        sample.array.shape == (3, 6, 9)
        and sample.array.dtype == np.uint8
        and sample.spacing is None
        and sample.notes == ()
    )
    assert np.array_equal(sample.array, picture.transpose(2, 0, 1))
    assert sample.name == "a.png" and sample.array.flags.writeable


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_alpha_is_dropped_with_a_note(tmp_path, rng, mode):
    image = Image.fromarray(np.dstack([rgb(rng), np.full((6, 9), 120, np.uint8)])).convert(mode)
    image.save(tmp_path / "a.png", **({"transparency": 0} if mode == "P" else {}))
    sample = io.read(tmp_path / "a.png")
    assert sample.notes == ("alpha channel dropped",)
    assert sample.channels == (1 if mode == "LA" else 3)


def test_palette_becomes_colours_in_images_and_stays_numbers_in_labels(tmp_path):
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8))
    image.putpalette([10, 20, 30, 200, 100, 0, 5, 6, 7])
    image.save(tmp_path / "a.png")
    assert io.read(tmp_path / "a.png").array[:, 0, 1].tolist() == [200, 100, 0]
    assert read_label_array(tmp_path / "a.png").tolist() == [[0, 1], [2, 1]]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_are_kept(tmp_path, rng, channels):
    picture = rng.integers(0, 65536, (6, 9, channels), dtype=np.uint16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(picture if channels > 1 else picture[..., 0]))
    sample = io.read(tmp_path / "a.png")
    colours = {1: 1, 2: 1, 3: 3, 4: 3}[channels]
    assert sample.array.dtype == np.uint16
    assert np.array_equal(sample.array, picture[..., :colours].transpose(2, 0, 1))
    assert bool(sample.notes) == (channels in (2, 4))


def test_one_bit_png(tmp_path):
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "a.png")
    assert io.read(tmp_path / "a.png").array.tolist() == [[[255, 0]]]
    assert read_label_array(tmp_path / "a.png").tolist() == [[1, 0]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_as_pillow_does(tmp_path, rng, orientation):
    image = Image.fromarray(rgb(rng))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.png", exif=exif)
    from PIL import ImageOps

    with Image.open(tmp_path / "a.png") as stored:
        wanted = np.asarray(ImageOps.exif_transpose(stored)).transpose(2, 0, 1)
    sample = io.read(tmp_path / "a.png")
    assert np.array_equal(sample.array, wanted) and bool(sample.notes) == (orientation > 1)
    assert io.spatial_shape(tmp_path / "a.png") == sample.spatial_shape
    assert np.array_equal(orient(wanted.transpose(1, 2, 0), 1), wanted.transpose(1, 2, 0))


def test_jpeg_grey_and_wrong_suffix(tmp_path, rng):
    grey = np.full((40, 30), 77, np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.png", "JPEG")
    sample = io.read(tmp_path / "a.png")
    assert sample.array.shape == (1, 40, 30) and abs(int(sample.array[0, 5, 5]) - 77) <= 1
    assert sample.notes == ("read as JPEG, whatever its name says",)
    with pytest.raises(FormatError, match="lossless"):
        read_label_array(tmp_path / "a.png")


@pytest.mark.parametrize("format_name", ["PNG", "JPEG"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_truncated_picture(tmp_path, rng, format_name, share):
    path = tmp_path / "a.png"
    Image.fromarray(rgb(rng, 50, 60)).save(path, format_name)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(FormatError, match=f"intact {format_name} file.*a.png"):
        io.read(path)


def test_truncated_sixteen_bit_picture(tmp_path, rng):
    data = imagecodecs.png_encode(rng.integers(0, 65536, (60, 60, 3), dtype=np.uint16))
    (tmp_path / "a.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(FormatError, match="intact PNG"):
        io.read(tmp_path / "a.png")


@pytest.mark.parametrize("depth", [8, 16])
def test_huge_header_is_refused(tmp_path, depth):
    (tmp_path / "a.png").write_bytes(png_header(100_000, 100_000, depth))
    with pytest.raises(LimitError, match="10000000000 pixels"):
        io.read(tmp_path / "a.png")


def test_max_bytes_counts_float32(tmp_path, rng):
    Image.fromarray(rgb(rng, 10, 10)).save(tmp_path / "a.png")
    assert io.read(tmp_path / "a.png", max_bytes=1200).channels == 3
    with pytest.raises(LimitError, match="10 x 10 x 3"):
        io.read(tmp_path / "a.png", max_bytes=1199)


def test_colour_labels_are_refused(tmp_path, rng):
    Image.fromarray(rgb(rng)).save(tmp_path / "a.png")
    with pytest.raises(FormatError, match="one number per pixel"):
        read_label_array(tmp_path / "a.png")


def test_a_picture_is_no_volume(tmp_path, rng):
    Image.fromarray(rgb(rng)).save(tmp_path / "a.png")
    with pytest.raises(ShapeError, match="3 spatial axes"):
        io.read(tmp_path / "a.png", spatial_dims=3)


def test_only_the_first_frame_of_an_animation(tmp_path, rng):
    frames = [Image.fromarray(rgb(rng)) for _ in range(3)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    sample = io.read(tmp_path / "a.png")
    assert sample.notes == ("only the first of 3 frames was read",)
    assert np.array_equal(sample.array, np.asarray(frames[0]).transpose(2, 0, 1))
