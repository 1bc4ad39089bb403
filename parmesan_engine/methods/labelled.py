"""The same labelled pixels for every method: chosen once for each seed, encoded once for each encoder."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from parmesan_engine.errors import EmptyMemoryError
from parmesan_engine.io import Dataset
from parmesan_engine.project.entries import make_batch
from parmesan_engine.project.features import adapt
from parmesan_engine.project.learning import FINE_PIXELS, labelled_nodes
from parmesan_engine.project.sampling import choose_items, choose_pixels
from parmesan_engine.types import EntryBatch, Sample, TaskSpec

Progress = Callable[[float], None] | None


@dataclass(frozen=True)
class LabelledSamples:
    """What was labelled: samples, and for each a label map (*spatial) that knows the chosen pixels only (-1 or NaN elsewhere).

    whole: every pixel that the dataset knows was chosen.
    """

    samples: list[Sample]
    labels: list[np.ndarray]
    task: TaskSpec
    whole: bool

    def __len__(self) -> int:
        """Return how many pixels are labelled."""
        return sum(int(np.isfinite(m).sum() if m.dtype.kind == "f" else (m >= 0).sum()) for m in self.labels)


@dataclass(frozen=True)
class LabelledNodes:
    """The labelled nodes of all training samples with their features, and the encoder that made them.

    Keys are float32, or float16 where every pixel is labelled: rounded once, so that all methods learn the same.
    """

    batches: list[EntryBatch]
    task: TaskSpec
    groups: tuple[str, ...]
    encoder: object

    def __len__(self) -> int:
        return sum(len(batch.keys) for batch in self.batches)

    @property
    def keys(self) -> np.ndarray:
        """(n, D) float32."""
        return np.concatenate([b.keys for b in self.batches]).astype(np.float32, copy=False)

    @property
    def labels(self) -> np.ndarray:
        return np.concatenate([b.labels for b in self.batches])

    @property
    def nbytes(self) -> int:
        """Bytes of features and labels."""
        return sum(batch.keys.nbytes + batch.labels.nbytes for batch in self.batches)

    @property
    def key_format(self) -> str:
        return str(self.batches[0].keys.dtype)

    def share(self, share: float, seed: int) -> "LabelledNodes":
        """Return a share of the nodes, at least one, drawn by lot from all samples together; a smaller share is part of a larger one."""
        if share >= 1:
            return self
        chosen = np.zeros(len(self), bool)
        chosen[np.random.default_rng(seed).permutation(len(self))[: max(1, round(share * len(self)))]] = True
        parts, start = [], 0
        for batch in self.batches:
            mine = chosen[start : start + len(batch.keys)]
            start += len(batch.keys)
            if mine.any():
                columns = {name: getattr(batch, name)[mine] for name in ("keys", "labels", "coordinates", "parents")}
                parts.append(replace(batch, **columns))
        return replace(self, batches=parts)


def read_labelled(dataset: Dataset, split: str, samples: int | None, per_class: Sequence[int | None], seed: int,
                  channels: int) -> dict[int | None, LabelledSamples]:
    """Return what is labelled for each number of pixels per class and sample (None: every pixel). Raises EmptyMemoryError."""
    items = choose_items(dataset.items(split), samples, seed=seed)
    read = [adapt(dataset.read_sample(item), channels) for item in items]
    maps = {count: [] for count in per_class}
    for item in items:
        labels = dataset.read_label(item)
        for count, kept in maps.items():
            kept.append(some_of(labels, count, seed=seed, name=item.name))
    found = {count: LabelledSamples(read, kept, dataset.task, count is None) for count, kept in maps.items()}
    if not all(map(len, found.values())):
        raise EmptyMemoryError("labelled pixels in the chosen samples", "none", "choose more samples or another split")
    return found


def encode_labelled(encoder, labelled: dict[int | None, LabelledSamples], source: str, progress: Progress = None
                    ) -> tuple[dict[int | None, LabelledNodes], float]:
    """Return the labelled nodes for each number of pixels, and the seconds of encoding. A sample is encoded once.

    Chosen pixels have features of their own where the size allows it. Where every pixel is labelled, nodes are those that the
    encoder predicts, each with the shares of the classes (or the mean value) of the pixels that it covers.
    """
    batches, seconds, groups = {count: [] for count in labelled}, 0.0, ()
    samples = next(iter(labelled.values())).samples
    for number, sample in enumerate(samples):
        pyramids = {}
        for count, one in labelled.items():
            stride = _stride(encoder, sample, one.whole)
            if stride not in pyramids:
                start = time.perf_counter()
                pyramids[stride] = encoder.encode(sample, stride=stride)
                seconds += time.perf_counter() - start
            pyramid = pyramids[stride]
            groups = pyramid.groups
            nodes, rows = labelled_nodes(pyramid, one.labels[number], one.task, None, 0, "")
            if len(nodes):
                batch = make_batch(pyramid, nodes, rows, sample_id=sample.content_hash[:16], sample_hash=sample.content_hash,
                                   gesture="compare", author="compare", source=source, time=0.0)
                batches[count].append(replace(batch, keys=batch.keys.astype(np.float16)) if one.whole else batch)
        if progress:
            progress((number + 1) / len(samples))
    return {count: LabelledNodes(batches[count], one.task, groups, encoder) for count, one in labelled.items()}, seconds


def encode_samples(encoder, labelled: LabelledSamples, source: str, progress: Progress = None) -> tuple[LabelledNodes, float]:
    """Return the labelled nodes of one set of samples, and the seconds of encoding."""
    nodes, seconds = encode_labelled(encoder, {None: labelled}, source, progress)
    return nodes[None], seconds


def _stride(encoder, sample: Sample, whole: bool) -> int | None:
    """Return 1 where a pixel is to have its own node, None for the encoder's own choice."""
    fine = not whole and math.prod(sample.spatial_shape) <= FINE_PIXELS
    return 1 if fine or set(encoder.strides_for(sample.spatial_shape)) == {1} else None


def some_of(labels: np.ndarray, per_class: int | None, *, seed: int, name: str) -> np.ndarray:
    """Return labels (*spatial) that are known at the chosen pixels only, see `choose_pixels`; all of them for None."""
    if per_class is None:
        return labels
    at = tuple(choose_pixels(labels, per_class, seed=seed, name=name).T)
    kept = np.full(labels.shape, np.nan if labels.dtype.kind == "f" else -1, labels.dtype)
    kept[at] = labels[at]
    return kept
