"""The nouns that all rooms share: samples, pyramids, neighbors, tasks, predictions. No files, no devices, no algorithms.

Axis order everywhere: `channels, *spatial` for one sample; spatial axes are `(t)`, `(y, x)` or `(z, y, x)`.
"""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from parmesan_engine.errors import ShapeError, UnknownNameError

MAX_SPATIAL_DIMS = 3


@dataclass(frozen=True)
class Sample:
    """One image, volume or signal as it was read.

    array: (channels, *spatial), any real dtype, 1 to 3 spatial axes, finite.
    spacing: physical size of one step along each spatial axis, in `unit`, or None when unknown.
    affine: (4, 4) voxel-to-world matrix of volumes that have one (kept for writing back), else None.
    series, frame: which recording a sample is a moment of, and the how-manieth; a recording of one moment has no series.
    channel_names: one per channel, or empty.
    """

    array: np.ndarray
    name: str
    spacing: tuple[float, ...] | None = None
    unit: str = "px"
    affine: np.ndarray | None = None
    notes: tuple[str, ...] = ()  # what reading had to change ("alpha channel dropped"), shown to the user
    series: str = ""
    frame: int = 0
    channel_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 2 <= self.array.ndim <= MAX_SPATIAL_DIMS + 1 or 0 in self.array.shape:
            raise ShapeError("(channels, *spatial) with 1 to 3 non-empty spatial axes", f"shape {self.array.shape}",
                             "add or remove axes")
        if self.spacing is not None and len(self.spacing) != self.spatial_dims:
            raise ShapeError(f"{self.spatial_dims} spacings", f"{self.spacing}", "give one spacing per spatial axis")
        if self.channel_names and len(self.channel_names) != self.channels:
            raise ShapeError(f"{self.channels} names of channels, or none", f"{len(self.channel_names)}", "name every channel")

    @property
    def spatial_dims(self) -> int:
        return self.array.ndim - 1

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape[1:])

    @property
    def channels(self) -> int:
        return self.array.shape[0]

    @cached_property
    def content_hash(self) -> str:
        """32 hex digits over dtype, shape, spacing and values: equal content, equal hash, whatever the file was called.

        Moments of a recording count their number too: two still moments are two samples.
        """
        digest = hashlib.blake2b(digest_size=16)
        digest.update(f"{self.array.dtype.str}{self.array.shape}{self.spacing}".encode())
        digest.update(f"frame {self.frame}".encode() if self.series else b"")
        digest.update(np.ascontiguousarray(self.array).data)
        return digest.hexdigest()


@dataclass(frozen=True)
class FeatureLevel:
    """Features at one stride. Node i along an axis covers pixels [i * stride, (i + 1) * stride).

    keys: (nodes, channels) float32, contiguous, nodes in row-major order over `grid`.
    """

    keys: torch.Tensor
    grid: tuple[int, ...]
    stride: tuple[int, ...]

    def nodes_of(self, coordinates: np.ndarray) -> np.ndarray:
        """Return the (n,) node that covers each of (n, spatial_dims) integer pixel coordinates."""
        return np.ravel_multi_index(tuple((coordinates // np.asarray(self.stride)).T), self.grid)


@dataclass(frozen=True)
class FeaturePyramid:
    """Levels of features, finest first. `groups[c]` names the kind of feature in channel c, the same for all levels."""

    levels: tuple[FeatureLevel, ...]
    spatial_shape: tuple[int, ...]
    groups: tuple[str, ...]

    def parents(self, level: int) -> np.ndarray:
        """Return, for each node of level 0, the (nodes,) index of the node of `level` that contains it."""
        fine, coarse = self.levels[0], self.levels[level]
        axes = [np.arange(n) * s // c for n, s, c in zip(fine.grid, fine.stride, coarse.stride, strict=True)]
        return np.ravel_multi_index(np.meshgrid(*axes, indexing="ij"), coarse.grid).ravel()


@dataclass(frozen=True)
class Neighbors:
    """The nearest entries of each query in ascending distance; ties in ascending content order.

    distances: (Q, k) float32 cosine distance, 1 - cos; +inf where there is no neighbour.
    ids: (Q, k) int64 entry ids; -1 where there is no neighbour.
    """

    distances: torch.Tensor
    ids: torch.Tensor


@dataclass(frozen=True)
class TaskSpec:
    """*What* is predicted. kind is "segmentation" (classes) or "regression" (one value per pixel, in `unit`)."""

    kind: str = "segmentation"
    classes: tuple[str, ...] = ()
    colors: tuple[tuple[int, int, int], ...] = ()
    ignore_index: int | None = None  # class id in label files that means "not labelled"
    invalid_value: float | None = None  # the same for values
    unit: str = ""
    display_range: tuple[float, float] | None = None
    retired: tuple[int, ...] = ()  # classes that were merged into others: no examples, not offered; ids of the others stay
    heirs: tuple[tuple[int, int], ...] = ()  # (retired class, the class that it was merged into then)

    def __post_init__(self) -> None:
        if self.kind not in ("segmentation", "regression"):
            raise UnknownNameError("task kind segmentation or regression", repr(self.kind), "correct dataset.json")
        if self.kind == "segmentation" and len(self.colors) != len(self.classes):
            raise ShapeError(f"{len(self.classes)} colours, one per class", f"{len(self.colors)}", "give each class a colour")

    @property
    def label_dim(self) -> int:
        """Width of a label row: the number of classes, or 1 for a value."""
        return len(self.classes) if self.kind == "segmentation" else 1

    @property
    def in_use(self) -> tuple[int, ...]:
        """The ids of the classes that are not retired."""
        return tuple(i for i in range(len(self.classes)) if i not in self.retired)

    def heir(self, index: int) -> int:
        """Return the class in use that a class was merged into, perhaps in several steps; itself if in use, -1 if that is not known."""
        heirs = dict(self.heirs)
        while index in self.retired:
            index = heirs.get(index, -1)
        return index

    def replace(self, **changes: Any) -> "TaskSpec":
        return replace(self, **changes)


@dataclass(frozen=True)
class Provenance:
    """Where an entry comes from. coordinates are pixels of the sample; time is seconds since 1970."""

    sample_id: str
    sample_hash: str
    coordinates: tuple[int, ...]
    gesture: str
    author: str
    source: str
    time: float
    experience: int = 0


@dataclass(frozen=True)
class EntryBatch:
    """Entries of one sample, made by one gesture, on their way into a memory.

    keys: (n, D) float32 features as the encoder gave them; labels: (n, L) float32 class histogram (rows sum to 1) or (n, 1) value;
    coordinates: (n, spatial_dims) int; coarse_keys: (m, D) features of the distinct coarse nodes; parents: (n,) rows of coarse_keys.
    """

    keys: np.ndarray
    labels: np.ndarray
    coordinates: np.ndarray
    coarse_keys: np.ndarray
    parents: np.ndarray
    sample_id: str
    sample_hash: str
    gesture: str
    author: str
    source: str
    time: float
    experience: int = 0
    weights: np.ndarray | None = None  # (n,) float32, ones when None


@dataclass(frozen=True)
class MemoryDelta:
    """What a verb changed. ids are int64, ascending. `added`, `removed` are entries that became active or inactive."""

    before: str
    after: str
    added: np.ndarray
    removed: np.ndarray
    modified: np.ndarray
    verb: str = ""


@dataclass(frozen=True)
class Prediction:
    """The answer for one sample, with where it came from. *spatial: of the whole sample, of a box of it, or of its nodes (an overview).

    labels: (*spatial) int16 class ids, -1 where the memory abstains ("unknown"); None for values.
    probabilities: (classes, *spatial) float32; None for values.
    values: (*spatial) float32, NaN where unknown; None for classes.
    conflict, novelty: (*spatial) float32 in [0, 1]: neighbours disagree; nothing in memory is near.
    fallbacks: every approximation or replacement that was made on the way, in words.
    """

    task: TaskSpec
    labels: np.ndarray | None
    probabilities: np.ndarray | None
    values: np.ndarray | None
    conflict: np.ndarray
    novelty: np.ndarray
    version: str
    metric: str
    encoder: dict[str, Any]
    entries: int
    seconds: float
    changed_nodes: int = 0
    fallbacks: tuple[str, ...] = field(default=())
