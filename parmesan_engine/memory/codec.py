"""Arrays, ids, changes and tasks to bytes and back: JSON and raw little-endian numbers, never pickle. Each block ends with its CRC-32."""

import json
import zlib
from dataclasses import asdict

import numpy as np

from parmesan_engine.errors import MEND, StoreError
from parmesan_engine.memory.records import Change, Modified
from parmesan_engine.types import TaskSpec

HEADER_BYTES = 4
SUM_BYTES = 4


def pack(arrays: dict[str, np.ndarray], extra: dict | None = None) -> bytes:
    """Return arrays (and a small JSON object) as one block of bytes."""
    fields = [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()]
    header = json.dumps({"fields": fields, "extra": extra}).encode()
    block = b"".join(
        [
            len(header).to_bytes(HEADER_BYTES, "little"),
            header,
            *(np.ascontiguousarray(array).tobytes() for array in arrays.values()),
        ]
    )
    return block + zlib.crc32(block).to_bytes(SUM_BYTES, "little")


def unpack(data: bytes, *, summed: bool = True) -> tuple[dict[str, np.ndarray], dict | None]:
    """Return what `pack` was given; the arrays are read-only views of `data`. Raises StoreError when damaged.

    summed: False for a block of a memory of format 1 or 2, which has no checksum.
    """
    try:
        if summed and zlib.crc32(memoryview(data)[:-SUM_BYTES]) != int.from_bytes(data[-SUM_BYTES:], "little"):
            raise ValueError("they do not match their checksum")
        end = HEADER_BYTES + int.from_bytes(data[:HEADER_BYTES], "little")
        header, arrays = json.loads(data[HEADER_BYTES:end]), {}
        for name, dtype, shape in header["fields"]:
            arrays[name] = np.frombuffer(data, dtype, int(np.prod(shape)), end).reshape(shape)
            end += arrays[name].nbytes
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            "an intact block of entries in the manifest",
            f"damaged bytes ({error})",
            MEND,
        ) from error
    return arrays, header["extra"]


def ids_to_runs(ids: np.ndarray) -> np.ndarray:
    """Return the (runs, 2) int64 half-open ranges that cover ascending unique ids."""
    ids = np.asarray(ids, np.int64)
    breaks = np.flatnonzero(np.diff(ids) != 1)
    first, last = np.concatenate([ids[:1], ids[breaks + 1]]), np.concatenate([ids[breaks], ids[-1:]])
    return np.stack([first, last + 1], axis=1)


def runs_to_ids(runs: np.ndarray) -> np.ndarray:
    """Return the ascending ids in (runs, 2) half-open ranges."""
    runs = np.asarray(runs, np.int64).reshape(-1, 2)
    counts = runs[:, 1] - runs[:, 0]
    offsets = np.repeat(runs[:, 0] - np.concatenate([[0], np.cumsum(counts)[:-1]]) if len(runs) else runs[:, 0], counts)
    return np.arange(counts.sum(), dtype=np.int64) + offsets


def pack_change(change: Change) -> bytes:
    arrays = {"added": ids_to_runs(change.added), "removed": ids_to_runs(change.removed)}
    if len(change.modified.ids):
        arrays |= {name: getattr(change.modified, name) for name in Modified.__dataclass_fields__}
    return pack(arrays, {"task_before": change.task_before, "task_after": change.task_after})


def unpack_change(data: bytes, *, summed: bool = True) -> Change:
    arrays, extra = unpack(data, summed=summed)
    added, removed = runs_to_ids(arrays.pop("added")), runs_to_ids(arrays.pop("removed"))
    return Change(added, removed, Modified(**arrays) if arrays else Modified.nothing(), **extra)


def task_to_json(task: TaskSpec) -> dict:
    """Return the task as what json.loads would give back (lists, no tuples), so that it compares equal after storage."""
    return json.loads(json.dumps(asdict(task)))


def task_from_json(data: dict) -> TaskSpec:
    limits = data["display_range"]
    return TaskSpec(
        **data
        | {
            "classes": tuple(data["classes"]),
            "colors": tuple(tuple(c) for c in data["colors"]),
            "display_range": None if limits is None else tuple(limits),
            "retired": tuple(data.get("retired", ())),
            "heirs": tuple(tuple(pair) for pair in data.get("heirs", ())),
        }
    )
