"""The features of a project's samples: encoded once, kept in RAM while in use and on disk within a bound. A cache, never the truth.

    NAME/cache/SAMPLE-RECIPE/   level0.npy, level1.npy, ..., level.json (what they must be; checksums)

A folder is written beside and renamed, so it is whole or not there; one that does not match its checksums is made again. Features
are the encoder's own, bit for bit: whether they come from disk cannot be seen in a prediction.
"""

import hashlib
import json
import logging
import os
import shutil
import threading
import uuid
import zlib
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from parmesan_engine.errors import ShapeError
from parmesan_engine.project.samples import SampleStore
from parmesan_engine.registry import recipe_of
from parmesan_engine.types import FeatureLevel, FeaturePyramid, Sample

log = logging.getLogger(__name__)
RAM_BYTES = 1 << 30  # features of samples in use; the least recently used go first
DISK_BYTES = 4 << 30  # the same on disk: about 300 pictures of 512 x 512
FORMAT = 1  # to be raised when an encoder of the same recipe gives other features
NOTE = "level.json"


class FeatureCache:
    """Thread-safe; two threads that want the same sample encode it once. Does not need the project's lock."""

    def __init__(self, folder: Path, encoder, samples: SampleStore, channels: int, *, ram: int = RAM_BYTES, disk: int = DISK_BYTES) -> None:
        self.folder, self.encoder, self.samples, self.channels, self.ram, self.disk = folder, encoder, samples, channels, ram, disk
        recipe = recipe_of(encoder)
        recipe = {**recipe, "keywords": {k: v for k, v in recipe["keywords"].items() if k != "device"}}
        self._stamp = hashlib.blake2b(json.dumps([FORMAT, channels, recipe], sort_keys=True).encode(), digest_size=6).hexdigest()
        self._held: OrderedDict[str, FeaturePyramid] = OrderedDict()
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}
        self._dropped: Counter[str] = Counter()  # how often: what was begun before a drop is not kept after it

    def get(self, sample_id: str, progress: Callable[[float], None] | None = None) -> FeaturePyramid:
        """Return the features of a sample; they are not kept if they are dropped meanwhile.

        progress may raise to cancel; then nothing is kept. Raises UnknownNameError, StoreError.
        """
        with self._lock:
            making = self._making.setdefault(sample_id, threading.Lock())
        with making:
            age = self._dropped[sample_id]
            pyramid = self._known(sample_id) or self._read(sample_id)
            if pyramid is None:
                pyramid = self.encoder.encode(self.sample(sample_id), progress=progress)
                self._write(sample_id, pyramid, age)
            self._hold(sample_id, pyramid, age)
            return pyramid

    def sample(self, sample_id: str) -> Sample:
        """Return a sample as it is encoded: with the channels of the project, and a note where that took a change."""
        return adapt(self.samples.read(sample_id), self.channels)

    def ready(self, sample_id: str) -> bool:
        """Whether `get` would not have to encode."""
        return self._known(sample_id) is not None or (self._place(sample_id) / NOTE).exists()

    def drop(self, sample_id: str) -> None:
        """Forget the features of a sample, on disk too, and those that are being made now. Does not wait for their making."""
        with self._lock:
            self._dropped[sample_id] += 1
            self._held.pop(sample_id, None)
        for place in self.folder.glob(f"{sample_id}-*"):
            shutil.rmtree(place, ignore_errors=True)

    def _place(self, sample_id: str) -> Path:
        return self.folder / f"{sample_id}-{self._stamp}"

    def _known(self, sample_id: str) -> FeaturePyramid | None:
        with self._lock:
            return self._held.get(sample_id)

    def _hold(self, sample_id: str, pyramid: FeaturePyramid, age: int) -> None:
        with self._lock:
            if age != self._dropped[sample_id]:
                return
            self._held[sample_id] = pyramid
            self._held.move_to_end(sample_id)
            while sum(_bytes(p) for p in self._held.values()) > self.ram and len(self._held) > 1:
                self._held.popitem(last=False)

    def _read(self, sample_id: str) -> FeaturePyramid | None:
        place = self._place(sample_id)
        try:
            note = json.loads((place / NOTE).read_text(encoding="utf-8"))
            levels = []
            for number, level in enumerate(note["levels"]):
                keys = np.load(place / f"level{number}.npy", allow_pickle=False)
                if zlib.crc32(keys) != level["checksum"]:
                    raise ValueError(f"level {number} does not match its checksum")
                keys = torch.from_numpy(keys).to(self.encoder.device)
                levels.append(FeatureLevel(keys, tuple(level["grid"]), tuple(level["stride"])))
            os.utime(place)  # the folder's time says when it was used last
            return FeaturePyramid(tuple(levels), tuple(note["shape"]), tuple(note["groups"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("features of sample %s on disk are damaged (%s): encoding again", sample_id, error)
            shutil.rmtree(place, ignore_errors=True)
            return None

    def _write(self, sample_id: str, pyramid: FeaturePyramid, age: int) -> None:
        """Keep features on disk if they fit; without room or permission they stay in RAM only, and the log says so."""
        if _bytes(pyramid) > self.disk // 2:
            return
        beside = self.folder / f"part-{uuid.uuid4().hex}"
        try:
            beside.mkdir(parents=True)
            notes = []
            for number, level in enumerate(pyramid.levels):
                keys = level.keys.numpy(force=True)
                np.save(beside / f"level{number}.npy", keys, allow_pickle=False)
                notes.append({"grid": level.grid, "stride": level.stride, "checksum": zlib.crc32(np.ascontiguousarray(keys))})
            note = {"shape": pyramid.spatial_shape, "groups": pyramid.groups, "levels": notes}
            (beside / NOTE).write_text(json.dumps(note), encoding="utf-8")
            self._make_room(_bytes(pyramid))
            with self._lock:  # a drop comes before the renaming, or after it and finds the folder
                if age == self._dropped[sample_id]:
                    os.replace(beside, self._place(sample_id))
            if all(record.id != sample_id for record in self.samples.records()):  # another process has removed it meanwhile
                self.drop(sample_id)
        except OSError as error:
            log.warning("features of sample %s were not kept on disk: %s", sample_id, error)
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def _make_room(self, size: int) -> None:
        """Delete the least recently used features until `size` more bytes fit into the bound."""
        places = [place for place in self.folder.glob("*-*") if not place.name.startswith("part-")]
        places.sort(key=lambda place: place.stat().st_mtime)
        sizes = [sum(file.stat().st_size for file in place.iterdir()) for place in places]
        total = sum(sizes) + size
        for place, own in zip(places, sizes, strict=True):
            if total <= self.disk:
                return
            shutil.rmtree(place, ignore_errors=True)
            total -= own


def adapt(sample: Sample, channels: int) -> Sample:
    """Return the sample with the number of channels that the memory knows, and a note on what had to be done.

    Grey is repeated, colour averaged. Raises ShapeError where neither is possible.
    """
    if sample.channels == channels:
        return sample
    if sample.channels == 1:
        note = f"grey repeated to the {channels} channels of this project"
        return replace(sample, array=np.repeat(sample.array, channels, 0), channel_names=(), notes=(*sample.notes, note))
    if channels == 1:
        mean = sample.array.astype(np.float32).mean(0, keepdims=True)
        note = f"{sample.channels} channels averaged: this project is grey"
        return replace(sample, array=mean, channel_names=(), notes=(*sample.notes, note))
    raise ShapeError(f"{channels} channels, as in the first sample of this project", f"{sample.channels} in {sample.name}",
                     "make another project for such samples")


def _bytes(pyramid: FeaturePyramid) -> int:
    return sum(level.keys.nbytes for level in pyramid.levels)
