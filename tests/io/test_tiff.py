import struct

import numpy as np
import pytest
import tifffile

from parmesan_engine import io
from parmesan_engine.errors import FormatError, LimitError
from parmesan_engine.io.reading import read_label_array


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def bare_tiff(width, height):
    """A one-page grey TIFF whose header promises width x height bytes and which has none of them."""
    tags = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (277, 3, 1, 1),
        (278, 4, 1, height),
        (279, 4, 1, width * height % 2**32),
    ]
    return (
        b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(100)
    )


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "f4", "f8", ">u2"])
def test_grey_of_each_type(tmp_path, rng, dtype):
    picture = (rng.random((5, 7)) * 100).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", picture, byteorder=">" if dtype[0] == ">" else "<")
    sample = io.read(tmp_path / "a.tif")
    assert (
        np.array_equal(sample.array, picture[None])
        and sample.array.dtype.isnative
        and sample.array.dtype.itemsize == np.dtype(dtype).itemsize
    )


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_rgb_in_both_layouts(tmp_path, rng, planar):
    picture = rng.integers(0, 256, (3, 8, 9), dtype=np.uint8)
    stored = picture if planar == "separate" else picture.transpose(1, 2, 0)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar)
    assert np.array_equal(io.read(tmp_path / "a.tif").array, picture)


def test_alpha_is_dropped_but_a_fourth_band_kept(tmp_path, rng):
    picture = rng.integers(0, 256, (8, 9, 4), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", picture, photometric="rgb", extrasamples=["unassalpha"])
    tifffile.imwrite(tmp_path / "b.tif", picture, photometric="rgb", extrasamples=["unspecified"])
    with_alpha, with_band = io.read(tmp_path / "a.tif"), io.read(tmp_path / "b.tif")
    assert with_alpha.channels == 3 and with_alpha.notes == ("alpha channel dropped",)
    assert with_band.channels == 4 and with_band.notes == ()


def test_pages_are_z(tmp_path, rng):
    volume = rng.integers(0, 999, (4, 6, 7), dtype=np.uint16)
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for page in volume:
            tif.write(page, contiguous=False, metadata=None)
    sample = io.read(tmp_path / "a.tif")
    assert np.array_equal(sample.array, volume[None])
    assert io.spatial_shape(tmp_path / "a.tif") == (4, 6, 7)


def test_colour_pages_and_pages_of_other_sizes(tmp_path, rng):
    pages = rng.integers(0, 256, (2, 6, 7, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="rgb")
    assert np.array_equal(io.read(tmp_path / "a.tif").array, pages.transpose(3, 0, 1, 2))
    with tifffile.TiffWriter(tmp_path / "b.tif") as tif:
        tif.write(pages[0, ..., 0], metadata=None)
        tif.write(pages[0, :5, :2, 0], metadata=None)
    sample = io.read(tmp_path / "b.tif")
    assert sample.spatial_shape == (6, 7) and "first of 2 pictures" in sample.notes[0]


def test_imagej_spacing_channels_and_depth(tmp_path, rng):
    stack = rng.integers(0, 999, (4, 2, 6, 7), dtype=np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif",
        stack,
        imagej=True,
        resolution=(1 / 0.25, 1 / 0.5),
        metadata={"axes": "ZCYX", "spacing": 2.0, "unit": "um"},
    )
    sample = io.read(tmp_path / "a.tif")
    assert np.array_equal(sample.array, stack.transpose(1, 0, 2, 3))
    assert sample.spacing == pytest.approx((2.0, 0.5, 0.25)) and sample.unit == "\u00b5m"


def test_ome_spacing_in_mixed_units(tmp_path, rng):
    stack = rng.integers(0, 999, (4, 6, 7), dtype=np.uint16)
    metadata = {
        "axes": "ZYX",
        "PhysicalSizeX": 0.25,
        "PhysicalSizeXUnit": "\u00b5m",
        "PhysicalSizeY": 0.5,
        "PhysicalSizeYUnit": "\u00b5m",
        "PhysicalSizeZ": 1500.0,
        "PhysicalSizeZUnit": "nm",
    }
    tifffile.imwrite(tmp_path / "a.ome.tif", stack, ome=True, metadata=metadata)
    sample = io.read(tmp_path / "a.ome.tif")
    assert sample.spacing == pytest.approx((1.5, 0.5, 0.25)) and sample.unit == "\u00b5m"


def test_print_resolution_is_no_spacing(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((5, 5), np.uint8), resolution=(72, 72), resolutionunit="INCH")
    assert io.read(tmp_path / "a.tif").spacing is None


def test_palette_and_inverted_grey(tmp_path):
    codes = np.array([[0, 1], [2, 1]], np.uint8)
    colormap = np.zeros((3, 256), np.uint16)
    colormap[:, 1] = (65535, 32768, 0)
    tifffile.imwrite(tmp_path / "a.tif", codes, photometric="palette", colormap=colormap)
    assert io.read(tmp_path / "a.tif").array[:, 0, 1].tolist() == [255, 128, 0]
    assert read_label_array(tmp_path / "a.tif").tolist() == codes.tolist()
    tifffile.imwrite(tmp_path / "b.tif", codes, photometric="miniswhite")
    assert io.read(tmp_path / "b.tif").array[0].tolist() == [[255, 254], [253, 254]]


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_truncated(tmp_path, rng, compression):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, rng.integers(0, 255, (60, 60), dtype=np.uint8), compression=compression)
    data = path.read_bytes()
    for length in (20, len(data) // 2, len(data) - 60):
        path.write_bytes(data[:length])
        with pytest.raises(FormatError, match="intact TIFF"):
            io.read(path)


def test_text_renamed(tmp_path):
    (tmp_path / "a.tif").write_text("hello world\n")
    with pytest.raises(FormatError, match="text starting 'hello world"):
        io.read(tmp_path / "a.tif")


def test_huge_header_is_refused(tmp_path):
    (tmp_path / "a.tif").write_bytes(bare_tiff(100_000, 100_000))
    with pytest.raises(LimitError, match="37.3 GiB.*100,000 x 100,000"):
        io.read(tmp_path / "a.tif")
    (tmp_path / "b.tif").write_bytes(bare_tiff(10_000, 10_000))
    with pytest.raises(FormatError, match="cut off"):
        io.read(tmp_path / "b.tif")


def test_nan_and_complex(tmp_path):
    picture = np.zeros((4, 5), np.float32)
    picture[2, 3] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", picture)
    with pytest.raises(FormatError, match=r"1 of 20 NaN or infinite in a.tif, the first at index \(0, 2, 3\)"):
        io.read(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((4, 5), np.complex64))
    with pytest.raises(FormatError, match="complex64"):
        io.read(tmp_path / "b.tif")


def test_time_depth_and_channels_of_ome(tmp_path, rng):
    stack = rng.integers(0, 999, (3, 2, 4, 6, 7), dtype=np.uint16)
    sizes = {f"PhysicalSize{axis}": size for axis, size in (("X", 0.25), ("Y", 0.5), ("Z", 2.0))}
    units = {f"PhysicalSize{axis}Unit": "\u00b5m" for axis in "XYZ"}
    metadata = {"axes": "TCZYX", **sizes, **units, "TimeIncrement": 0.5, "TimeIncrementUnit": "s",
                "Channel": {"Name": ["DAPI", "GFP & more"]}}
    tifffile.imwrite(tmp_path / "a.ome.tif", stack, ome=True, metadata=metadata)
    frames = io.read_frames(tmp_path / "a.ome.tif")
    assert all(np.array_equal(frame.array, stack[i]) for i, frame in enumerate(frames)) and len(frames) == 3
    assert [frame.frame for frame in frames] == [0, 1, 2] and len({frame.series for frame in frames}) == 1
    assert frames[2].channel_names == ("DAPI", "GFP & more") and frames[2].spacing == (2.0, 0.5, 0.25)
    assert frames[1].name == "a.ome.tif t2" and frames[1].notes == ("time point 2 of 3, 0.5 s apart",)
    assert len({frame.content_hash for frame in frames}) == 3


def test_time_of_imagej_and_its_labels(tmp_path, rng):
    stack = rng.integers(0, 3, (3, 4, 6, 7), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "TZYX", "finterval": 2.5})
    frames = io.read_frames(tmp_path / "a.tif")
    assert np.array_equal(frames[2].array[0], stack[2]) and "2.5 s apart" in frames[0].notes[0]
    assert np.array_equal(read_label_array(tmp_path / "a.tif", frame=1), stack[1])


def test_still_moments_are_moments(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 6, 7), np.uint8), imagej=True, metadata={"axes": "TYX"})
    assert len({frame.content_hash for frame in io.read_frames(tmp_path / "a.tif")}) == 3


def test_the_largest_picture_of_a_pyramid_that_fits(tmp_path, rng):
    picture = rng.integers(0, 255, (64, 96), dtype=np.uint8)
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "\u00b5m", "PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "\u00b5m"}
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as tif:
        tif.write(picture, subifds=1, metadata={"axes": "YX", **sizes})
        tif.write(picture[::4, ::4], subfiletype=1)
    assert np.array_equal(io.read(tmp_path / "a.ome.tif").array[0], picture)
    small = io.read(tmp_path / "a.ome.tif", max_bytes=4 * 16 * 24)
    assert np.array_equal(small.array[0], picture[::4, ::4]) and small.spacing == (2.0, 2.0)
    assert "16 x 24 of 64 x 96" in small.notes[0]
    shapes = [io.spatial_shape(tmp_path / "a.ome.tif", max_bytes=n) for n in (4 * 16 * 24, 2**20)]
    assert shapes == [(16, 24), (64, 96)]


def test_colours_in_several_channels_are_all_channels(tmp_path, rng):
    stack = rng.integers(0, 255, (2, 6, 7, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.ome.tif", stack, ome=True, photometric="rgb", metadata={"axes": "CYXS"})
    assert np.array_equal(io.read(tmp_path / "a.ome.tif").array, stack.transpose(0, 3, 1, 2).reshape(6, 6, 7))


OF_TWO_FILES = """<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:1"><Image ID="I:0">
<Pixels ID="P:0" DimensionOrder="XYCZT" Type="uint16" SizeX="16" SizeY="16" SizeC="1" SizeZ="2" SizeT="1">
<TiffData IFD="0" FirstZ="0" PlaneCount="1"><UUID FileName="up.ome.tif">urn:uuid:1</UUID></TiffData>
<TiffData IFD="0" FirstZ="1" PlaneCount="1"><UUID FileName="NAME">urn:uuid:2</UUID></TiffData></Pixels></Image></OME>"""


@pytest.mark.parametrize("name", ["../secret.tif", "secret.tif", "ABSOLUTE"])
def test_no_other_file_is_read(tmp_path, name):
    (tmp_path / "up").mkdir()
    for folder in (tmp_path, tmp_path / "up"):
        tifffile.imwrite(folder / "secret.tif", np.full((16, 16), 777, np.uint16))
    text = OF_TWO_FILES.replace("NAME", name.replace("ABSOLUTE", str(tmp_path / "secret.tif")))
    path = tmp_path / "up/up.ome.tif"
    tifffile.imwrite(path, np.zeros((16, 16), np.uint16), description=text, metadata=None)
    sample = io.read(path)
    assert sample.array.shape == (1, 16, 16) and not sample.array.any() and "of several files" in sample.notes[0]
    assert io.spatial_shape(path) == (16, 16) and not read_label_array(path).any()


def test_no_other_file_of_a_micro_manager_stack_is_read(tmp_path, monkeypatch):
    for number in (1, 2):
        tifffile.imwrite(tmp_path / f"a_MMStack_{number}.tif", np.full((16, 16), number, np.uint16), metadata=None)
    about = {"MicroManagerVersion": "2", "Frames": 2, "Slices": 1, "Channels": 1, "Positions": 1, "Prefix": "a"}
    with tifffile.TiffFile(tmp_path / "a_MMStack_1.tif") as tif:
        index = np.array([[0, 0, 0, 0, tif.pages.first.offset]])
    monkeypatch.setattr(tifffile.TiffFile, "micromanager_metadata", {"MajorVersion": 0, "Summary": about, "IndexMap": index})
    monkeypatch.setattr(tifffile.tifffile, "read_micromanager_metadata", lambda *_: {"IndexMap": index + [0, 0, 1, 0, 0]})
    assert [frame.array.max() for frame in io.read_frames(tmp_path / "a_MMStack_1.tif")] == [1]
