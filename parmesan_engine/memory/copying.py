"""A memory as it was at one version, copied to another folder while others read and write; and entries to learn elsewhere.

The manifest is copied in one reading transaction and cut after the version; then the key rows that it counts are copied: rows
are durable before a manifest counts them, and never change but by an unlearn, which the epoch tells of.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from parmesan_engine.errors import VersionError
from parmesan_engine.memory.folder import key_files
from parmesan_engine.memory.history import find_version
from parmesan_engine.memory.keyfile import KEY_FORMATS
from parmesan_engine.memory.manifest import FILE_NAME, Manifest, store_errors
from parmesan_engine.memory.reading import Reader
from parmesan_engine.types import EntryBatch

BLOCK_BYTES = 1 << 24


def copy_at(folder: Path, version: str | int, target: Path) -> None:
    """Make in the new folder `target` a memory whose newest version is `version` of the one in `folder`, with the history before.

    Raises VersionError when there is no such version, or when something was unlearned meanwhile; StoreError.
    """
    with store_errors(str(target)):
        target.mkdir(parents=True)
        source = Manifest(folder)
        try:
            source.copy_to(target / FILE_NAME)
            copy = Manifest(target)
            try:
                copy.cut_after(find_version([record for record, _ in copy.versions_after(-1)], version).seq)
                rows, epoch, keys = copy.row_counts(), copy.epoch(), copy.keys
                row_bytes = copy.meta_json("channels") * KEY_FORMATS[keys].itemsize
            finally:
                copy.close()
            for name, count in zip(key_files(keys), rows, strict=True):
                _copy_bytes(folder / name, target / name, count * row_bytes)
            if source.epoch() != epoch:
                raise VersionError("a memory that keeps its examples while it is copied", "an unlearn meanwhile", "branch again")
        finally:
            source.close()


def _copy_bytes(source: Path, target: Path, count: int) -> None:
    """Copy the first `count` bytes of a file, durably."""
    with open(source, "rb") as old, open(target, "xb") as new:
        while count > 0:
            block = old.read(min(count, BLOCK_BYTES))
            if not block:
                raise OSError(f"{source.name} is shorter than its manifest says")
            new.write(block)
            count -= len(block)
        new.flush()
        os.fsync(new.fileno())


def batches_of(reader: Reader, ids: np.ndarray) -> Iterator[EntryBatch]:
    """Yield entries, ascending, as batches that another memory can learn: with keys, labels, weights and provenance."""
    for group in reader.groups(ids):
        origin = reader.provenance(group[:1])[0]
        parents, inverse = np.unique(reader.parents(group), return_inverse=True)
        yield EntryBatch(
            keys=reader.keys(group), labels=reader.labels(group), coordinates=reader.coordinates(group),
            coarse_keys=reader.coarse_keys(parents), parents=inverse, sample_id=origin.sample_id, sample_hash=origin.sample_hash,
            gesture=origin.gesture, author=origin.author, source=origin.source, time=origin.time, experience=origin.experience,
            weights=reader.weights(group))
