"""The samples of a project on disk: two files each, ID.npy with the values and ID.json with what is known of it.

A sample's id is the first 16 digits of its content hash: the same picture imported twice is one sample. No file is shared by
two samples, so processes can add and remove at the same time and nothing is lost. Files are written beside and renamed, the
description last: a crash leaves a whole sample or none. Values are mapped, so a large volume costs what is used of it.
"""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from parmesan_engine.errors import MEND, FormatError, ParmesanError, StoreError, UnknownNameError
from parmesan_engine.io.files import write_beside
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
    series: str = ""
    frame: int = 0
    channel_names: tuple[str, ...] = ()

    @property
    def spatial_dims(self) -> int:
        return len(self.spatial_shape)


class SampleStore:
    """Adds, lists, reads and deletes the samples in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._records: dict[str, SampleRecord] = {}
        self.records()

    def records(self) -> list[SampleRecord]:
        """Return all records in the order in which they were added, those of other processes too. Raises FormatError."""
        there = {path.stem for path in self.folder.glob("*.json")}
        if there != set(self._records):
            known = {i: self._records.get(i) or read_record(self.folder / f"{i}.json") for i in there}
            self._records = dict(sorted(known.items(), key=lambda item: (item[1].time, item[0])))
        return list(self._records.values())

    def record(self, sample_id: str) -> SampleRecord:
        """Return one record. Raises UnknownNameError."""
        self.records()
        if sample_id not in self._records:
            raise UnknownNameError("the id of a sample of this project", repr(sample_id), "import the sample first")
        return self._records[sample_id]

    def add(self, sample: Sample, *, origin: str, time: float) -> SampleRecord:
        """Store a copy of a sample and return its record; the record that is there already if the content is known."""
        sample_id = sample.content_hash[:16]
        if any(record.id == sample_id for record in self.records()):
            return self._records[sample_id]
        affine = None if sample.affine is None else np.asarray(sample.affine, float).tolist()
        spacing = None if sample.spacing is None else tuple(float(s) for s in sample.spacing)
        record = SampleRecord(sample_id, sample.name, sample.channels, sample.spatial_shape, spacing, sample.unit, origin, time,
                              sample.content_hash, affine, tuple(sample.notes), sample.series, sample.frame,
                              tuple(sample.channel_names))
        write_beside(self._file(sample_id), lambda file: np.save(file, sample.array, allow_pickle=False))
        write_beside(self._file(sample_id).with_suffix(".json"), lambda file: file.write(json.dumps(asdict(record)).encode()))
        self.records()
        return record

    def read(self, sample_id: str) -> Sample:
        """Return a sample, its array mapped from disk. Raises UnknownNameError, StoreError."""
        return read_stored(self.folder, self.record(sample_id))

    def problems_of(self, record: SampleRecord) -> list[str]:
        """Return what is wrong with the stored copy of a sample, in words."""
        return problems_of(self.folder, record)

    def remove(self, sample_id: str) -> None:
        """Delete a sample's copy and record. Raises UnknownNameError."""
        self.record(sample_id)
        self._file(sample_id).with_suffix(".json").unlink(missing_ok=True)
        self._file(sample_id).unlink(missing_ok=True)
        self.records()

    def _file(self, sample_id: str) -> Path:
        return self.folder / f"{sample_id}.npy"



def read_record(path: Path) -> SampleRecord:
    """Return what a file ID.json knows of a sample. Raises FormatError."""
    try:
        row = {"channel_names": (), **json.loads(path.read_text(encoding="utf-8"))}  # older records have no names
        for name in ("spatial_shape", "spacing", "notes", "channel_names"):
            row[name] = None if row[name] is None else tuple(row[name])
        record = SampleRecord(**row)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise FormatError(f"a readable {path.name}", str(error), MEND) from error
    if not ID.fullmatch(path.stem) or record.id != path.stem:
        raise FormatError(f"the description of sample {path.stem}", f"another in {path.name}", MEND)
    return record


def read_stored(folder: Path, record: SampleRecord) -> Sample:
    """Return a sample of a folder, its array mapped from disk. Raises StoreError."""
    try:
        array = np.load(folder / f"{record.id}.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise StoreError("the stored copy of the sample", str(error), "import the sample again") from error
    affine = None if record.affine is None else np.asarray(record.affine)
    return Sample(array, record.name, record.spacing, record.unit, affine, record.notes, record.series, record.frame,
                  record.channel_names)


def problems_of(folder: Path, record: SampleRecord) -> list[str]:
    """Return what is wrong with the stored copy of a sample in a folder, in words."""
    try:
        changed = read_stored(folder, record).content_hash != record.content_hash
    except ParmesanError as error:
        return [f"sample {record.name} ({record.id}): {error}"]
    return [f"sample {record.name} ({record.id}): the stored copy has changed"] if changed else []
