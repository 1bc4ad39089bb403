"""OME-Zarr: what the zarr library writes, in both versions and with many codecs, comes back; nothing else is run or unpacked."""

import gzip
import json
import shutil
import tracemalloc

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zarr.codecs import BloscCodec, GzipCodec, TransposeCodec, ZstdCodec

from parmesan_engine import io
from parmesan_engine.errors import FormatError, LimitError, ParmesanError, ShapeError
from parmesan_engine.io.reading import read_label_array

UNITS = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "nanometer"}


def image(path, levels, axes, version=3, steps=None, names=(), units=None, **keywords):
    """Write an OME-Zarr: 0.5 for Zarr 3, 0.4 for Zarr 2."""
    root = zarr.open_group(path, mode="w", zarr_format=version)
    keywords.setdefault("chunks", tuple(max(n // 2, 1) for n in levels[0].shape))
    for number, level in enumerate(levels):
        made = root.create_array(str(number), shape=level.shape, dtype=level.dtype, **keywords)
        made[:] = level
    steps = steps or [[1.0] * len(axes)] * len(levels)
    units = UNITS if units is None else units
    kinds = {"t": "time", "c": "channel"}
    named = [{"name": a, "type": kinds.get(a, "space")} | ({"unit": units[a]} if a in units else {}) for a in axes]
    ome = {"multiscales": [{"axes": named, "datasets": [
        {"path": str(i), "coordinateTransformations": [{"type": "scale", "scale": step}]} for i, step in enumerate(steps)]}]}
    if names:
        ome["omero"] = {"channels": [{"label": name} for name in names]}
    root.attrs.update(ome if version == 2 else {"ome": {"version": "0.5", **ome}})
    return path


@pytest.fixture
def volume():
    return np.random.default_rng(0).integers(0, 4000, (5, 7, 9)).astype(np.uint16)


@pytest.mark.parametrize("version", [2, 3])
def test_axes_spacing_channels_and_time(tmp_path, volume, version):
    recording = np.stack([np.stack([volume, volume + 1]), np.stack([volume + 2, volume + 3])])  # t, c, z, y, x
    path = image(tmp_path / "a.zarr", [recording], "tczyx", version, [[0.5, 1, 2, 0.25, 500]], ["DAPI", "GFP"])
    frames = io.read_frames(path)
    assert [np.array_equal(frame.array, recording[i]) for i, frame in enumerate(frames)] == [True, True]
    assert frames[0].spacing == pytest.approx((2000, 250, 500)) and frames[0].unit == "nm"
    assert frames[0].channel_names == ("DAPI", "GFP") and frames[1].frame == 1 and frames[0].series == frames[1].series
    assert frames[1].notes == ("time point 2 of 2, 0.5 s apart",) and io.spatial_shape(path) == (5, 7, 9)


@pytest.mark.parametrize("keywords", [
    {"compressors": None}, {"compressors": GzipCodec()}, {"compressors": ZstdCodec(level=3, checksum=True)},
    {"compressors": BloscCodec(cname="zlib", shuffle="bitshuffle", typesize=2)}, {"chunks": (2, 2, 3), "shards": (4, 4, 9)},
    {"chunks": (2, 2, 3), "shards": (4, 4, 9), "compressors": [BloscCodec(typesize=2)]}, {"filters": TransposeCodec(order=(2, 0, 1))},
    {"chunk_key_encoding": {"name": "v2", "configuration": {"separator": "."}}},
    {"chunks": (2, 2, 3), "shards": (4, 4, 9), "filters": TransposeCodec(order=(2, 0, 1))},
], ids=lambda keywords: " ".join(keywords))
def test_codecs_of_version_3(tmp_path, volume, keywords):
    assert np.array_equal(io.read(image(tmp_path / "a.zarr", [volume], "zyx", **keywords)).array[0], volume)


@pytest.mark.parametrize("compressor", [None, "zlib", "gzip", "bz2", "lz4", "zstd", "blosc"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_codecs_of_version_2(tmp_path, volume, compressor, order):
    import numcodecs

    codec = None if compressor is None else numcodecs.get_codec({"id": compressor})
    path = image(tmp_path / "a.zarr", [volume.astype(">u2")], "zyx", 2, compressors=codec, order=order)
    sample = io.read(path)
    assert np.array_equal(sample.array[0], volume) and sample.array.dtype.isnative


def test_chunks_that_were_never_written_hold_the_fill_value(tmp_path, volume):
    path = image(tmp_path / "a.zarr", [volume], "zyx", fill_value=7, chunks=(5, 7, 3))
    next(file for file in sorted((path / "0" / "c").rglob("*")) if file.is_file()).unlink()
    assert (io.read(path).array[0][..., :3] == 7).all() and np.array_equal(io.read(path).array[0][..., 3:], volume[..., 3:])


def test_the_largest_level_that_fits(tmp_path, volume):
    units = dict.fromkeys("zyx", "micrometer")
    path = image(tmp_path / "a.zarr", [volume, volume[:, ::2, ::2]], "zyx", steps=[[2, 1, 1], [2, 2, 2]], units=units)
    assert io.read(path).spacing == (2, 1, 1)
    small = io.read(path, max_bytes=4 * 5 * 4 * 5)
    assert np.array_equal(small.array[0], volume[:, ::2, ::2]) and small.spacing == (2, 2, 2)
    assert small.notes == ("read at 5 x 4 x 5 of 5 x 7 x 9, the largest level that fits",)
    assert io.spatial_shape(path) == (5, 7, 9) and io.spatial_shape(path, max_bytes=4 * 5 * 4 * 5) == (5, 4, 5)
    with pytest.raises(LimitError, match="5 x 4 x 5"):
        io.read(path, max_bytes=100)
    with pytest.raises(LimitError):  # labels are read as they are or not at all
        read_label_array(path, max_bytes=4 * 5 * 4 * 5)


def test_one_plane_is_a_picture_and_a_time_point_of_labels(tmp_path, volume):
    labels = np.stack([volume[:1] % 3, volume[1:2] % 3])
    path = image(tmp_path / "a.zarr", [labels], "tzyx")
    assert io.read(path).spatial_shape == (7, 9) and np.array_equal(read_label_array(path, frame=1), labels[1, 0])
    with pytest.raises(FormatError, match="time point 3"):
        read_label_array(path, frame=2)


def test_a_pickle_is_never_opened(tmp_path, volume):
    path = image(tmp_path / "a.zarr", [volume], "zyx", 2)
    about = json.loads((path / "0/.zarray").read_text())
    for change, reason in (({"dtype": "|O", "filters": [{"id": "pickle"}]}, "numbers"), ({"filters": [{"id": "pickle"}]}, "filters"),
                           ({"compressor": {"id": "pickle"}}, "codec")):
        (path / "0/.zarray").write_text(json.dumps({**about, **change}))
        with pytest.raises(FormatError, match=reason):
            io.read(path)


def test_a_huge_description_and_a_bomb_are_refused(tmp_path, volume):
    path = image(tmp_path / "a.zarr", [volume], "zyx", compressors=GzipCodec(), chunks=(5, 7, 9))
    file = path / "0/c/0/0/0"
    file.write_bytes(gzip.compress(bytes(2**26), 1))
    tracemalloc.start()
    with pytest.raises(FormatError, match="630 bytes; got 634"):  # no more than the chunk's own size and a checksum is unpacked
        io.read(path)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()
    about = json.loads((path / "0/zarr.json").read_text())
    (path / "0/zarr.json").write_text(json.dumps({**about, "shape": [10**6, 10**6, 10**6]}))
    with pytest.raises(LimitError):
        io.read(path)
    about["chunk_grid"]["configuration"]["chunk_shape"] = [10**4, 10**4, 10**4]
    (path / "0/zarr.json").write_text(json.dumps(about))
    with pytest.raises(LimitError, match="chunks of at most"):
        io.read(path)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("shape, chunks", [((5, 7, 9), (500, 500, 500)), ((3000, 7, 1), (1, 7, 10**6))], ids=["huge", "in all"])
def test_chunks_far_larger_than_their_array_are_not_unpacked(tmp_path, version, shape, chunks):
    path = image(tmp_path / "a.zarr", [np.zeros((5, 7, 9), np.uint8)], "zyx", version, chunks=(5, 7, 9))
    file = path / ("0/.zarray" if version == 2 else "0/zarr.json")
    about = json.loads(file.read_text()) | {"shape": shape}
    place = about if version == 2 else about["chunk_grid"]["configuration"]
    place["chunks" if version == 2 else "chunk_shape"] = chunks
    file.write_text(json.dumps(about))
    for read in (io.read, read_label_array):
        with pytest.raises(LimitError, match="chunks of at most"):
            read(path)


def test_a_chunk_over_the_limit_of_the_caller_is_not_unpacked(tmp_path, volume):
    path = image(tmp_path / "a.zarr", [volume], "zyx", chunks=(64, 64, 64))
    assert np.array_equal(io.read(path).array[0], volume)  # small arrays often keep the chunks of large ones
    with pytest.raises(LimitError, match="chunks of at most"):
        io.read(path, max_bytes=4 * volume.size)


def test_damaged_and_other_folders(tmp_path, volume):
    path = image(tmp_path / "a.zarr", [volume], "zyx", chunks=(5, 7, 9))
    file = path / "0/c/0/0/0"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(FormatError, match="OME-Zarr"):
        io.read(path)
    about = json.loads((path / "zarr.json").read_text())
    about["attributes"]["ome"]["multiscales"][0]["datasets"][0]["path"] = "../../secret"
    (path / "zarr.json").write_text(json.dumps(about))
    with pytest.raises(FormatError, match="inside the folder"):
        io.read(path)
    zarr.open_group(tmp_path / "b.zarr", mode="w")
    with pytest.raises(FormatError, match="multiscales"):
        io.read(tmp_path / "b.zarr")
    with pytest.raises(ShapeError, match="axes out of"):
        io.read(image(tmp_path / "c.zarr", [volume], ["angle", "y", "x"]))


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_folders_give_a_sample_or_our_error(tmp_path, volume, data):
    """Change some characters of a description, or bytes of a chunk: nothing but our errors may come out."""
    version = data.draw(st.sampled_from([2, 3]))
    path = tmp_path / f"good{version}.zarr"
    if not path.exists():
        image(path, [volume], "zyx", version)
    shutil.rmtree(tmp_path / "bad.zarr", ignore_errors=True)
    shutil.copytree(path, tmp_path / "bad.zarr")
    file = data.draw(st.sampled_from(sorted(one for one in (tmp_path / "bad.zarr").rglob("*") if one.is_file())))
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, max(len(content) - 1, 0)))
        other = data.draw(st.sampled_from([b"", b"9", b"-", b"null", b"[]", b'"a"', b"9999999999"]))
        content[at : at + data.draw(st.integers(0, 4))] = other
    file.write_bytes(bytes(content))
    try:
        sample = io.read(tmp_path / "bad.zarr", max_bytes=2**24)
    except ParmesanError:
        return
    assert np.isfinite(sample.array).all() and 4 * sample.array.size <= 2**24
