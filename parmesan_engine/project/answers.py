"""The whole answer for one sample at full resolution, made a slab at a time and kept in files on the way: RAM stays bounded."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from parmesan_engine.errors import StoreError
from parmesan_engine.project.painting import painted
from parmesan_engine.project.samples import SampleRecord
from parmesan_engine.project.snapshot import Snapshot
from parmesan_engine.regions import Objects, find_objects
from parmesan_engine.resample import blocks, slices
from parmesan_engine.types import Sample, TaskSpec

SLAB = 2**25  # values predicted at once, 128 MiB; many times that for the mixing on the way
_SPARE = 2**28  # bytes of disk that must stay free


@dataclass(frozen=True)
class Answer:
    """labels, values, probabilities, conflict, novelty: as in `Prediction`, whole, mapped from scratch files; None if not asked for.

    examples: (*spatial) int16 class id where there is an example, -1 elsewhere.
    classes, smallest: which classes make objects, and from how many pixels on.
    """

    sample: Sample
    task: TaskSpec
    classes: Sequence[int]
    smallest: int
    fallbacks: tuple[str, ...]
    labels: np.ndarray | None = None
    values: np.ndarray | None = None
    probabilities: np.ndarray | None = None
    conflict: np.ndarray | None = None
    novelty: np.ndarray | None = None
    examples: np.ndarray | None = None

    @cached_property
    def objects(self) -> Objects:
        return find_objects(self.labels, self.classes, smallest=self.smallest)


def answer_of(snapshot: Snapshot, record: SampleRecord, sample: Sample, scratch: Path, *, wanted: Sequence[str],
              classes: Sequence[int] = (), smallest: int = 1, progress: Callable[[float], None]) -> Answer:
    """Predict a sample; `wanted` names the arrays of `Answer` to keep. Raises StoreError when the disk is too full for them."""
    state = snapshot.state(record.id, lambda fraction: progress(0.7 * fraction))
    arrays = _room(scratch, sample, snapshot.task, wanted)
    stride = state.pyramid.levels[0].stride
    fallbacks: tuple[str, ...] = ()
    for box in blocks(sample.spatial_shape, SLAB // (len(snapshot.task.classes) + 3)):  # probabilities and three maps
        progress(0.7 + 0.3 * box[0][0] / sample.spatial_shape[0])
        part = snapshot.predict(record.id, box=box)
        for name, array in arrays.items():
            found = painted(snapshot.predictor.memory, record, stride, box) if name == "examples" else getattr(part, name)
            array[(..., *slices(box))] = found
        fallbacks = part.fallbacks
    return Answer(sample, snapshot.task, classes, smallest, fallbacks, **arrays)


def _room(scratch: Path, sample: Sample, task: TaskSpec, wanted: Sequence[str]) -> dict[str, np.ndarray]:
    """Return an empty mapped array for each name."""
    shapes = {name: (*((len(task.classes),) if name == "probabilities" else ()), *sample.spatial_shape) for name in wanted}
    kinds = {name: np.dtype(np.int16 if name in ("labels", "examples") else np.float32) for name in wanted}
    need = sum(int(np.prod(shapes[name])) * kinds[name].itemsize for name in wanted)
    free = shutil.disk_usage(scratch).free
    if 2 * need + _SPARE > free:  # once on the way, once as the file that is asked for
        raise StoreError(f"{(2 * need + _SPARE) / 2**30:,.1f} GiB free for {sample.name}", f"{free / 2**30:,.1f} GiB",
                         "free space, choose another folder, or leave out probabilities")  # fmt: skip
    return {name: np.lib.format.open_memmap(scratch / f"{name}.npy", "w+", kinds[name], shapes[name]) for name in wanted}
