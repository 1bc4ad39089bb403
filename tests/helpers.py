"""Small things that many tests need: a fast encoder, tiny samples with known truth, dataset folders on disk."""

import json
from pathlib import Path

import nibabel
import numpy as np
import torch
from PIL import Image

from parmesan_engine.encoders import ENCODERS
from parmesan_engine.metric import Metric
from parmesan_engine.types import EntryBatch, FeatureLevel, FeaturePyramid, Sample, TaskSpec

TASK = TaskSpec("segmentation", ("ground", "blob", "line"), ((0, 0, 0), (230, 60, 60), (60, 200, 60)))
VALUES = TaskSpec("regression", unit="mm", invalid_value=0.0)
SIDES = {1: (160,), 2: (24, 20), 3: (8, 12, 10)}


@ENCODERS.register("tiny")
class TinyEncoder:
    """Intensity, its square and the place of each node: enough to tell nodes apart, made in a millisecond."""

    def __init__(self, *, gain: float = 1.0, device: str = "cpu") -> None:
        self.gain, self.device = gain, device

    def groups_of(self, sample_channels: int, spatial_dims: int) -> tuple[str, ...]:
        return ("intensity",) * sample_channels + ("square",) * sample_channels + ("coordinates",) * spatial_dims

    def channels_of(self, sample_channels: int, spatial_dims: int) -> int:
        return len(self.groups_of(sample_channels, spatial_dims))

    def strides_for(self, spatial_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (1,) * len(spatial_shape)

    def encode(self, sample: Sample, *, stride=None, progress=None) -> FeaturePyramid:
        if progress:
            progress(1.0)
        levels = []
        for step in ((stride or 1) * n for n in (1, 4, 16)):
            axes = [np.arange(0, n, step) for n in sample.spatial_shape]
            grid = tuple(len(a) for a in axes)
            values = sample.array[(slice(None), *np.ix_(*axes))].reshape(sample.channels, -1).astype(np.float32) * self.gain
            places = np.stack([p.ravel() for p in np.meshgrid(*axes, indexing="ij")]).astype(np.float32) / 16
            rows = np.concatenate([values, values**2, places])
            levels.append(FeatureLevel(torch.from_numpy(rows.T.copy()), grid, (step,) * len(grid)))
        return FeaturePyramid(tuple(levels), sample.spatial_shape, self.groups_of(sample.channels, sample.spatial_dims))


def truth(dims: int, seed: int = 0, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Return (*spatial) int16 labels: ground, one blob, one line along the first axis."""
    shape, random = shape or SIDES[dims], np.random.default_rng(seed)
    places = np.stack(np.meshgrid(*(np.arange(n) / n for n in shape), indexing="ij"))
    centre = random.uniform(0.25, 0.55, (dims, *(1,) * dims))
    labels = np.where(np.square(places - centre).sum(0) < 0.04, 1, 0)
    return np.where(places[-1] > 0.85, 2, labels).astype(np.int16)


def sample(dims: int = 2, seed: int = 0, *, channels: int = 1, shape: tuple[int, ...] | None = None, name: str = "") -> Sample:
    """Return a uint8 sample whose brightness follows `truth`, with noise."""
    labels = truth(dims, seed, shape)
    noise = np.random.default_rng(1000 + seed).normal(0, 9, (channels, *labels.shape))
    array = np.clip(np.asarray([60, 130, 200])[labels] + noise, 0, 255).astype(np.uint8)
    return Sample(array, name or f"sample-{dims}d-{seed}")


def batch(pyramid: FeaturePyramid, nodes: np.ndarray, labels: np.ndarray, *, gesture: str = "g", source: str = "s",
          author: str = "a", weights: np.ndarray | None = None) -> EntryBatch:
    """Return entries of some nodes of level 0 with (n, L) label rows."""
    top, coordinates = pyramid.levels[-1], np.stack(np.unravel_index(nodes, pyramid.levels[0].grid), 1)
    coarse, parents = np.unique(pyramid.parents(len(pyramid.levels) - 1)[nodes], return_inverse=True)
    return EntryBatch(pyramid.levels[0].keys[torch.from_numpy(nodes)].numpy(), labels.astype(np.float32),
                      coordinates * np.asarray(pyramid.levels[0].stride), top.keys[torch.from_numpy(coarse)].numpy(), parents,
                      "sample", "hash", gesture, author, source, 0.0, weights=weights)


def make_dataset(folder: Path, dims: int = 2, kind: str = "segmentation", *, train: int = 2, test: int = 1) -> Path:
    """Write a dataset folder: npy signals, PNG pictures or NIfTI volumes, with labels of the same family."""
    task = {"name": f"tiny {dims}D", "task": kind, "spatial_dims": dims}
    task |= {"classes": list(TASK.classes), "ignore_index": 255} if kind == "segmentation" else {"unit": "mm", "invalid_value": 0}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.json").write_text(json.dumps(task))
    for split, count, first in (("train", train, 0), ("test", test, 100)):
        for part in ("images", "labels"):
            (folder / split / part).mkdir(parents=True, exist_ok=True)
        for seed in range(first, first + count):
            labels = truth(dims, seed)
            write_image(folder / split / "images" / f"item{seed}", sample(dims, seed).array[0], dims)
            if kind == "regression":
                write_image(folder / split / "labels" / f"item{seed}", (1000 + 500 * labels).astype(np.uint16), dims)
            else:
                labels.flat[0] = 255  # one pixel that is not labelled
                write_image(folder / split / "labels" / f"item{seed}", labels.astype(np.uint8), dims)
    return folder


def write_image(stem: Path, array: np.ndarray, dims: int) -> Path:
    """Write one array in the file format of its dimensionality."""
    path = stem.with_name(stem.name + {1: ".npy", 2: ".png", 3: ".nii.gz"}[dims])
    if dims == 1:
        np.save(path, array)
    elif dims == 2:
        Image.fromarray(array).save(path)
    else:
        nibabel.save(nibabel.Nifti1Image(array.transpose(2, 1, 0), np.eye(4)), path)
    return path


def plain_metric(features: int, **settings) -> Metric:
    """Return the metric that weighs all `features` alike."""
    return Metric(np.zeros(features), np.eye(features) * features**-0.5, **settings)


def same(one, two) -> bool:
    """Return whether two predictions are equal bit for bit: answers, doubt, and the memory and metric they come from."""
    arrays = all(
        (a is None and b is None) or np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        for a, b in ((getattr(one, f), getattr(two, f)) for f in ("labels", "probabilities", "values", "conflict", "novelty"))
    )
    return arrays and (one.version, one.metric, one.entries) == (two.version, two.metric, two.entries)
