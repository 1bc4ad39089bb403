"""The U-Net as a method: it learns from the labelled samples themselves, without an encoder."""

from typing import ClassVar

import numpy as np
import torch
from torch.nn import functional

from parmesan_engine.encoders.normalise import Normaliser
from parmesan_engine.encoders.tiling import strides_of
from parmesan_engine.methods.examples import Example
from parmesan_engine.methods.labelled import LabelledSamples
from parmesan_engine.methods.method import METHODS
from parmesan_engine.methods.network import Grid, Head
from parmesan_engine.methods.trained import Trained
from parmesan_engine.methods.unet_trunk import UNetTrunk
from parmesan_engine.types import FeatureLevel, FeaturePyramid, Sample

POOL = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}


@METHODS.register("unet")
class UNet(Trained):
    """A U-Net trained on the same labels until its validation score stops rising, step by step by a strategy.

    It sees each sample at the nodes that encoders predict (pixels of large pictures averaged), normalised alike, with coordinates.
    """

    raw: ClassVar[bool] = True
    rate: ClassVar[float] = 1e-3
    varied: ClassVar[bool] = True

    def examples(self, lesson: LabelledSamples) -> list[Example]:
        made = [Example.of(self.experience.task_name, self.lessons, sample.array, labels)
                for sample, labels in zip(lesson.samples, lesson.labels, strict=True)]
        return [example for example in made if example.places is None or len(example.places)]

    def trunk(self, examples: list[Example]) -> UNetTrunk:
        array = examples[0].values
        return UNetTrunk(len(array) + array.ndim - 1, array.ndim - 1)

    def grid(self, example: Example, head: Head) -> Grid:
        values, level = _inputs(Sample(example.values, "kept"))
        labels = example.map
        known = torch.from_numpy(np.isfinite(labels) if head.values else labels >= 0)
        rows = torch.from_numpy(_rows(labels, head))
        counts = _pooled(known[None].float(), level.stride)
        means = _pooled(rows * known, level.stride) / counts.clamp_min(1e-9)  # of the labelled pixels of each node
        return Grid(values, means, counts[0] > 0)

    def seen(self, query: Sample) -> tuple[torch.Tensor, FeaturePyramid]:
        values, level = _inputs(query)
        return values, FeaturePyramid((level,), query.spatial_shape, ())


def _inputs(sample: Sample) -> tuple[torch.Tensor, FeatureLevel]:
    """Return (channels + axes, *grid) normalised values and coordinates, and the level that the grid is."""
    stride = strides_of(None, sample.spatial_shape)
    values = _pooled(torch.from_numpy(Normaliser.of(sample).apply(sample.array)), stride)
    grid = tuple(values.shape[1:])
    places = torch.meshgrid(*(torch.linspace(-1, 1, n) if n > 1 else torch.zeros(1) for n in grid), indexing="ij")
    return torch.cat([values, torch.stack(places)]), FeatureLevel(torch.empty(0), grid, stride)


def _pooled(values: torch.Tensor, stride: tuple[int, ...]) -> torch.Tensor:
    """Return the means over blocks of `stride`; those at the far edges may be smaller."""
    if max(stride) == 1:
        return values
    return POOL[len(stride)](values[None], stride, ceil_mode=True, count_include_pad=False)[0]


def _rows(labels: np.ndarray, head: Head) -> np.ndarray:
    """Return (L, *spatial) float32: one-hot classes, or standardised values; 0 where not known."""
    if head.values:
        mean, scale = head.spread.tolist()
        return np.nan_to_num((labels - mean) / scale).astype(np.float32)[None]
    return (labels[None] == np.arange(len(head.taught)).reshape(-1, *(1,) * labels.ndim)).astype(np.float32)
