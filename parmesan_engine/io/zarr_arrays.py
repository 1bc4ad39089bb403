"""Arrays of the Zarr format, versions 2 and 3, from a folder: only numbers, only codecs that we know, every chunk bounded.

The zarr library would run what a file asks for, pickles among it, and unpack a chunk however large it grows. Here an array's
description is checked before anything is read, and a chunk may not become larger than the description says.
"""

import bz2
import itertools
import json
import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

from parmesan_engine.errors import FormatError, LimitError
from parmesan_engine.io.files import fits

_TEXT_BYTES = 2**24  # of one description
MAX_CHUNKS = 1_000_000
_PADDING = 8  # times an array's numbers that its chunks may hold: the last ones stick out along each axis
_SMALL = 2**26  # numbers that chunks may hold in any case: small levels often keep the chunks of the large ones
_NOWHERE = 2**64 - 1  # offset of a chunk that a shard does not hold
_NAMES = {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"}
Decoder = Callable[[bytes], bytes]


@dataclass(frozen=True)
class ZarrArray:
    """An array described. chunks: the shape of a stored piece; decode: its bytes to its numbers; key: its place to its file."""

    folder: Path
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype
    fill: Any
    decode: Callable[[bytes], np.ndarray]
    key: Callable[[tuple[int, ...]], str]

    def read(self, max_bytes: int) -> np.ndarray:
        """Return all of it, whose size the caller has checked; a chunk, which may be far larger, is checked here.

        Raises LimitError for chunks over max_bytes or much larger than the array, FormatError for a damaged one.
        """
        stored = math.prod(-(-n // c) * c for n, c in zip(self.shape, self.chunks, strict=True))
        if not fits(self.chunks, max_bytes) or stored > max(_PADDING * math.prod(self.shape), _SMALL):
            raise LimitError(f"chunks of at most {max_bytes:,} bytes, little more in all than the array of {self.shape}",
                             f"chunks of {self.chunks} in {self.folder.name}", "save it with other chunks")
        array = np.full(self.shape, self.fill, self.dtype)
        for place in itertools.product(*(range(-(-n // c)) for n, c in zip(self.shape, self.chunks, strict=True))):
            file = self.folder / self.key(place)
            if not file.is_file():
                continue  # by the format, a missing chunk holds the fill value
            here = tuple(slice(i * c, min((i + 1) * c, n)) for i, c, n in zip(place, self.chunks, self.shape, strict=True))
            array[here] = self.decode(file.read_bytes())[tuple(slice(0, s.stop - s.start) for s in here)]
        return array


def attributes_of(folder: Path) -> dict[str, Any]:
    """Return the attributes of a group of either version; empty when it has none. Raises FormatError."""
    if (folder / "zarr.json").is_file():
        return _dict(_described(folder / "zarr.json").get("attributes", {}), folder)
    return _described(folder / ".zattrs") if (folder / ".zattrs").is_file() else {}


def open_array(folder: Path) -> ZarrArray:
    """Return an array from its description alone. Raises FormatError, LimitError."""
    if (folder / "zarr.json").is_file():
        return _version3(folder, _described(folder / "zarr.json"))
    if (folder / ".zarray").is_file():
        return _version2(folder, _described(folder / ".zarray"))
    raise FormatError("a Zarr array", f"none in {folder.name}", "copy the whole .zarr folder again")


def _version2(folder: Path, about: dict[str, Any]) -> ZarrArray:
    try:
        dtype = np.dtype(about["dtype"]) if isinstance(about["dtype"], str) else None
    except TypeError:
        dtype = None
    if dtype is None or dtype.kind not in "biuf":
        raise FormatError("numbers", f"{str(about['dtype'])[:60]} in {folder.name}", "save it with a dtype such as uint16")
    shape, chunks = _shape(about["shape"], folder), _shape(about["chunks"], folder)
    _check(shape, chunks, folder)
    if about.get("filters"):
        raise _unknown("filters", about["filters"])
    size, order, unpack = math.prod(chunks) * dtype.itemsize, about.get("order", "C"), None
    if about.get("compressor") is not None:
        unpack = _codec(_dict(about["compressor"], folder).get("id"), size)

    def decode(data: bytes) -> np.ndarray:
        return _numbers(unpack(data) if unpack else data, dtype, chunks, folder, "F" if order == "F" else "C")

    separator = "/" if about.get("dimension_separator") == "/" else "."
    return ZarrArray(folder, shape, chunks, dtype, _fill(about.get("fill_value"), dtype), decode,
                     lambda place: separator.join(map(str, place)) or "0")


def _version3(folder: Path, about: dict[str, Any]) -> ZarrArray:
    if about.get("node_type") != "array" or about.get("data_type") not in _NAMES:
        raise FormatError("an array of numbers", f"{str(about.get('data_type', about.get('node_type')))[:60]} in {folder.name}",
                          "save it with a data type such as uint16")
    dtype, grid = np.dtype(about["data_type"]), _dict(about["chunk_grid"], folder)
    if grid.get("name") != "regular" or about.get("storage_transformers"):
        raise _unknown("chunk grid or storage transformers", grid.get("name"))
    shape, chunks = _shape(about["shape"], folder), _shape(_dict(grid["configuration"], folder)["chunk_shape"], folder)
    _check(shape, chunks, folder)
    encoding = _dict(about["chunk_key_encoding"], folder)
    default = encoding.get("name") == "default"
    separator = encoding.get("configuration", {}).get("separator", "/" if default else ".")
    if separator not in ("/", ".") or encoding.get("name") not in ("default", "v2"):
        raise _unknown("chunk key encoding", encoding)
    return ZarrArray(folder, shape, chunks, dtype, _fill(about.get("fill_value"), dtype), _pipeline(about["codecs"], dtype, chunks, folder),
                     lambda place: separator.join([*(["c"] if default else []), *map(str, place)]) or "0")


def _pipeline(codecs: Any, dtype: np.dtype, shape: tuple[int, ...], folder: Path) -> Callable[[bytes], np.ndarray]:
    """Return the function from the bytes of a chunk to its numbers. Codecs are listed in the order of writing."""
    order, unpackers, size, plain = tuple(range(len(shape))), [], math.prod(shape) * dtype.itemsize, dtype
    for codec in codecs if isinstance(codecs, list) else [codecs]:
        name, settings = _dict(codec, folder).get("name"), codec.get("configuration") or {}
        if name == "sharding_indexed":
            return _shard(settings, dtype, tuple(shape[i] for i in order), order, folder)
        if name == "bytes":
            plain = dtype.newbyteorder(">" if settings.get("endian") == "big" else "<")
        elif name == "transpose":
            order = tuple(order[i] for i in settings["order"])
        elif name == "crc32c":
            unpackers.append(_checked)
        else:
            unpackers.append(_codec(name, size + 4))  # a checksum may have been added before packing
    stored = tuple(shape[i] for i in order)

    def decode(data: bytes) -> np.ndarray:
        for unpack in reversed(unpackers):
            data = unpack(data)
        return _numbers(data, plain, stored, folder).transpose(np.argsort(order))

    return decode


def _shard(settings: dict[str, Any], dtype: np.dtype, shape: tuple[int, ...], order: tuple[int, ...],
           folder: Path) -> Callable[[bytes], np.ndarray]:
    """Return the decoder of a shard: many chunks in one file, found by a table of (offset, length) at its end or start."""
    inner = _shape(settings["chunk_shape"], folder)
    _check(shape, inner, folder)
    counts = tuple(n // c for n, c in zip(shape, inner, strict=True))
    if any(n % c for n, c in zip(shape, inner, strict=True)):
        raise FormatError("chunks that fill their shard", f"{inner} in {shape} in {folder.name}", "save it again")
    names = [codec.get("name") for codec in settings["index_codecs"]]
    if names not in (["bytes"], ["bytes", "crc32c"]):
        raise _unknown("index codecs", names)
    table, extra = 16 * math.prod(counts), 4 * (len(names) - 1)
    decode_chunk = _pipeline(settings["codecs"], dtype, inner, folder)

    def decode(data: bytes) -> np.ndarray:
        index = data[: table + extra] if settings.get("index_location") == "start" else data[max(len(data) - table - extra, 0):]
        index = _checked(index) if extra else index
        places = np.frombuffer(index, "<u8").reshape(*counts, 2)
        array = np.zeros(shape, dtype)
        for place in np.ndindex(*counts):
            offset, length = (int(n) for n in places[place])
            if offset != _NOWHERE:
                here = tuple(slice(i * c, (i + 1) * c) for i, c in zip(place, inner, strict=True))
                array[here] = decode_chunk(data[offset : offset + length])
        return array.transpose(np.argsort(order))

    return decode


def _codec(name: Any, size: int) -> Decoder:
    """Return the function that unpacks at most `size` bytes. Raises FormatError for a codec that we do not know."""
    if name in ("gzip", "zlib"):
        return lambda data: zlib.decompressobj(47).decompress(data, size)
    if name == "bz2":
        return lambda data: bz2.BZ2Decompressor().decompress(data, size)
    if name == "zstd":
        return lambda data: imagecodecs.zstd_decode(data, out=size)
    if name == "lz4":
        return lambda data: imagecodecs.lz4_decode(data[4:], out=size)  # four bytes of length come first
    if name == "blosc":
        return lambda data: _blosc(data, size)
    raise _unknown("codec", name)


def _blosc(data: bytes, size: int) -> bytes:
    if len(data) < 16 or struct.unpack("<I", data[4:8])[0] > size:
        raise LimitError(f"a chunk of at most {size:,} bytes", "a larger one", "copy the folder again; it is damaged")
    return imagecodecs.blosc_decode(data)


def _checked(data: bytes) -> bytes:
    """Return data without the four bytes of its checksum at the end, which is not compared."""
    if len(data) < 4:
        raise FormatError("a chunk with its checksum", f"{len(data)} bytes", "copy the folder again; it is cut off")
    return data[:-4]


def _numbers(data: bytes, dtype: np.dtype, shape: tuple[int, ...], folder: Path, order: str = "C") -> np.ndarray:
    wanted = math.prod(shape) * dtype.itemsize
    if len(data) != wanted:
        raise FormatError(f"chunks of {wanted:,} bytes", f"{len(data):,} in {folder.name}", "copy the folder again; it is damaged")
    return np.frombuffer(data, dtype).reshape(shape, order=order)


def _check(shape: tuple[int, ...], chunks: tuple[int, ...], folder: Path) -> None:
    if len(shape) != len(chunks) or 0 in chunks:
        raise FormatError("chunks with as many axes as the array", f"{chunks} for {shape} in {folder.name}", "save it again")
    count = math.prod(-(-n // c) for n, c in zip(shape, chunks, strict=True))
    if count > MAX_CHUNKS:
        raise LimitError(f"at most {MAX_CHUNKS:,} chunks", f"{count:,} of {chunks} in {folder.name}", "save it with other chunks")


def _shape(value: Any, folder: Path) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(n) is int and 0 <= n < 2**40 for n in value) or len(value) > 8:
        raise FormatError("a shape of whole numbers", f"{str(value)[:60]} in {folder.name}", "copy the folder again; it is damaged")
    return tuple(value)


def _fill(value: Any, dtype: np.dtype) -> Any:
    return np.asarray(0 if value is None else value, dtype)[()]


def _described(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _TEXT_BYTES:
        raise LimitError(f"a description of at most {_TEXT_BYTES:,} bytes", f"{path.name} of {path.stat().st_size:,}", "save it again")
    return _dict(json.loads(path.read_text("utf-8")), path)


def _dict(value: Any, path: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FormatError("an object of JSON", f"{str(value)[:60]} in {path.name}", "copy the folder again; it is damaged")
    return value


def _unknown(what: str, value: Any) -> FormatError:
    return FormatError("Zarr as bytes, blosc, zstd, gzip, bz2 or lz4, sharded or not", f"{what} {str(value)[:60]!r}", "save it with zstd")
