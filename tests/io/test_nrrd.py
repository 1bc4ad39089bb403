"""NRRD: axes, spacing, affine and encodings as pynrrd writes them; damaged and hostile headers are refused."""

import gzip
import tracemalloc

import nrrd
import numpy as np
import pytest

from parmesan_engine import io
from parmesan_engine.errors import FormatError, LimitError, ShapeError
from parmesan_engine.io.reading import read_label_array

LPS = {"space": "left-posterior-superior", "space directions": np.diag([0.5, 0.75, 2.0]), "space origin": [1, 2, 3]}


@pytest.fixture
def volume():
    return np.random.default_rng(0).integers(-500, 500, (4, 5, 6)).astype(np.int16)  # x, y, z


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2"])
def test_axes_spacing_and_affine(tmp_path, volume, encoding):
    nrrd.write(str(tmp_path / "a.nrrd"), volume, {**LPS, "encoding": encoding})
    sample = io.read(tmp_path / "a.nrrd")
    assert np.array_equal(sample.array[0], volume.T) and sample.array.dtype == np.int16
    assert sample.spacing == (2.0, 0.75, 0.5) and sample.unit == "mm"
    assert np.allclose(sample.affine @ [1, 1, 1, 1], [-1.5, -2.75, 5, 1])  # left and back become right and front
    assert io.spatial_shape(tmp_path / "a.nrrd") == (6, 5, 4) and np.array_equal(read_label_array(tmp_path / "a.nrrd"), volume.T)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"])
def test_types_and_byte_order(tmp_path, volume, dtype):
    nrrd.write(str(tmp_path / "a.nrrd"), volume.astype(np.dtype(dtype).newbyteorder(">")), {"encoding": "raw"})
    array = io.read(tmp_path / "a.nrrd").array
    assert np.array_equal(array[0], volume.astype(dtype).T) and array.dtype == dtype


@pytest.mark.parametrize("name, dtype", [("unsigned char", "u1"), ("short", "i2"), ("ushort", "u2"), ("signed int", "i4"),
                                         ("unsigned long long int", "u8"), ("float", "f4"), ("uint16_t", "u2")])
def test_names_of_types(tmp_path, name, dtype):
    header = f"NRRD0004\ntype: {name}\ndimension: 2\nsizes: 3 2\nendian: little\nencoding: raw\n\n"
    (tmp_path / "a.nrrd").write_bytes(header.encode() + np.arange(6, dtype=dtype).tobytes())
    assert io.read(tmp_path / "a.nrrd").array.tolist() == [[[0, 1, 2], [3, 4, 5]]]


def test_channels_time_and_units(tmp_path, volume):
    stack = np.stack([volume, volume + 1])
    directions = np.vstack([[np.nan] * 3, np.diag([0.5, 0.75, 2.0])])
    nrrd.write(str(tmp_path / "c.nrrd"), stack, {**LPS, "space directions": directions, "kinds": ["vector"] + ["domain"] * 3,
                                                 "space units": ["um"] * 3})
    sample = io.read(tmp_path / "c.nrrd")
    assert np.array_equal(sample.array, stack.transpose(0, 3, 2, 1)) and sample.unit == "\u00b5m" and sample.spacing == (2, 0.75, 0.5)
    nrrd.write(str(tmp_path / "t.nrrd"), stack, {**LPS, "space directions": directions, "kinds": ["list"] + ["domain"] * 3,
                                                 "labels": ["frame", "", "", ""]})
    frames = io.read_frames(tmp_path / "t.nrrd")
    assert len(frames) == 2 and np.array_equal(frames[1].array[0], volume.T + 1) and frames[1].frame == 1
    nrrd.write(str(tmp_path / "rgb.nrrd"), np.stack([volume[..., 0].astype(np.uint8)] * 3), {"kinds": ["RGB-color", "domain", "domain"]})
    assert io.read(tmp_path / "rgb.nrrd").array.shape == (3, 5, 4)


def test_a_detached_header_reads_only_beside_itself(tmp_path, volume):
    nrrd.write(str(tmp_path / "a.nhdr"), volume, {**LPS, "encoding": "gzip"}, detached_header=True)
    assert np.array_equal(io.read(tmp_path / "a.nhdr").array[0], volume.T)
    text = (tmp_path / "a.nhdr").read_text()
    data = next(line for line in text.splitlines() if line.startswith("data file"))
    for target in ("../secret.raw.gz", "/etc/passwd", "LIST", "a%03d.raw 1 2 3", "gone.raw.gz"):
        (tmp_path / "b.nhdr").write_text(text.replace(data, f"data file: {target}"))
        with pytest.raises(FormatError, match="data file"):
            io.read(tmp_path / "b.nhdr")


def test_truncated_and_damaged(tmp_path, volume):
    for encoding in ("raw", "gzip"):
        nrrd.write(str(tmp_path / "a.nrrd"), volume, {"encoding": encoding})
        data = (tmp_path / "a.nrrd").read_bytes()
        for length in (40, len(data) - 30):
            (tmp_path / "a.nrrd").write_bytes(data[:length])
            with pytest.raises(FormatError):
                io.read(tmp_path / "a.nrrd")
    (tmp_path / "b.nrrd").write_bytes(b"NRRD0004\ntype: block\ndimension: 1\nsizes: 4\nencoding: raw\n\n0000")
    with pytest.raises(FormatError, match="type that NRRD names"):
        io.read(tmp_path / "b.nrrd")
    (tmp_path / "c.nrrd").write_bytes(b"NRRD0004\ntype: int8\ndimension: 6\nsizes: 1 1 1 1 1 4\nencoding: raw\n\n0000")
    with pytest.raises(ShapeError, match="1 to 5 axes"):
        io.read(tmp_path / "c.nrrd")


def test_a_huge_header_and_a_bomb_are_not_unpacked(tmp_path):
    head = b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: %d 4 4\nencoding: gzip\n\n"
    (tmp_path / "a.nrrd").write_bytes(head % 10**9 + bytes(100))
    with pytest.raises(LimitError, match="GiB"):
        io.read(tmp_path / "a.nrrd")
    (tmp_path / "b.nrrd").write_bytes(head % 4 + gzip.compress(bytes(2**26), 1))
    tracemalloc.start()
    assert io.read(tmp_path / "b.nrrd").spatial_shape == (4, 4, 4)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()
