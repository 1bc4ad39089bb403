"""The samples of a project on disk: one `.npy` file each, named by content, and one JSON list of their descriptions.

A sample's id is the first 16 digits of its content hash: the same picture imported twice is one sample. Files are written
beside and renamed, so a crash leaves the old or the new, and are read memory-mapped, so a large volume costs what is used.
"""

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from parmesan_engine.errors import FormatError, ParmesanError, StoreError, UnknownNameError
from parmesan_engine.types import Sample

ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class SampleRecord:
    """What is known of a sample without reading it. origin: "demo", "upload", "path" or "learn"; time: seconds since 1970."""

    id: str
    name: str
    channels: int
    spatial_shape: tuple[int, ...]
    spacing: tuple[float, ...] | None
    unit: str
    origin: str
    time: float
    content_hash: str
    affine: list[list[float]] | None = None
    notes: tuple[str, ...] = ()

    @property
    def spatial_dims(self) -> int:
        return len(self.spatial_shape)


class SampleStore:
    """Adds, lists, reads and deletes the samples in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._list = folder / "samples.json"
        folder.mkdir(parents=True, exist_ok=True)
        self._records = self._load()

    def records(self) -> list[SampleRecord]:
        """Return all records in the order in which they were added."""
        return list(self._records.values())

    def record(self, sample_id: str) -> SampleRecord:
        """Return one record. Raises UnknownNameError."""
        if sample_id not in self._records:
            raise UnknownNameError("the id of a sample of this project", repr(sample_id), "import the sample first")
        return self._records[sample_id]

    def add(self, sample: Sample, *, origin: str, time: float) -> SampleRecord:
        """Store a copy of a sample and return its record; the record that is there already if the content is known."""
        sample_id = sample.content_hash[:16]
        if sample_id in self._records:
            return self._records[sample_id]
        affine = None if sample.affine is None else np.asarray(sample.affine, float).tolist()
        spacing = None if sample.spacing is None else tuple(float(s) for s in sample.spacing)
        record = SampleRecord(sample_id, sample.name, sample.channels, sample.spatial_shape, spacing, sample.unit, origin, time,
                              sample.content_hash, affine, tuple(sample.notes))
        try:
            beside = self._file(sample_id).with_suffix(".part")
            with open(beside, "wb") as file:
                np.save(file, sample.array, allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._file(sample_id))
        except OSError as error:
            raise StoreError("room and permission to write the sample", str(error), "free space or choose another folder") from error
        self._save({**self._records, sample_id: record})
        return record

    def read(self, sample_id: str) -> Sample:
        """Return a sample, its array mapped from disk. Raises UnknownNameError, StoreError."""
        record = self.record(sample_id)
        try:
            array = np.load(self._file(sample_id), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise StoreError("the stored copy of the sample", str(error), "import the sample again") from error
        affine = None if record.affine is None else np.asarray(record.affine)
        return Sample(array, record.name, record.spacing, record.unit, affine, record.notes)

    def problems_of(self, record: SampleRecord) -> list[str]:
        """Return what is wrong with the stored copy of a sample, in words."""
        try:
            changed = self.read(record.id).content_hash != record.content_hash
        except ParmesanError as error:
            return [f"sample {record.name} ({record.id}): {error}"]
        return [f"sample {record.name} ({record.id}): the stored copy has changed"] if changed else []

    def remove(self, sample_id: str) -> None:
        """Delete a sample's copy and record. Raises UnknownNameError."""
        self.record(sample_id)
        self._save({i: r for i, r in self._records.items() if i != sample_id})
        self._file(sample_id).unlink(missing_ok=True)

    def _file(self, sample_id: str) -> Path:
        return self.folder / f"{sample_id}.npy"

    def _load(self) -> dict[str, SampleRecord]:
        if not self._list.exists():
            return {}
        try:
            rows = json.loads(self._list.read_text(encoding="utf-8"))
            if not isinstance(rows, list):
                raise TypeError("not a list")
            for row in rows:
                for name in ("spatial_shape", "spacing", "notes"):
                    row[name] = None if row[name] is None else tuple(row[name])
            records = [SampleRecord(**row) for row in rows]
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise FormatError("a readable samples.json", str(error), f"restore {self._list.name} from a backup") from error
        if not all(ID.fullmatch(r.id) for r in records):
            raise FormatError("sample ids of 16 hex digits in samples.json", "others", "restore it from a backup")
        return {r.id: r for r in records}

    def _save(self, records: dict[str, SampleRecord]) -> None:
        """Write the list beside, then rename: the change is durable when this returns."""
        beside = self._list.with_suffix(".part")
        try:
            with open(beside, "w", encoding="utf-8") as file:
                json.dump([asdict(r) for r in records.values()], file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._list)
        except OSError as error:
            raise StoreError("room and permission to write the sample list", str(error), "free space") from error
        self._records = records
