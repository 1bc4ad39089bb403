"""The U-Net as a method: it learns from the labelled samples themselves, without an encoder."""

from typing import ClassVar

import numpy as np
import torch
from torch.nn import functional

from parmesan_engine.device import device_of
from parmesan_engine.encoders.normalise import Normaliser
from parmesan_engine.encoders.tiling import strides_of
from parmesan_engine.methods.labelled import LabelledSamples
from parmesan_engine.methods.method import METHODS, Method, Progress
from parmesan_engine.methods.unet_training import Grid, predict, train
from parmesan_engine.resample import to_pixels
from parmesan_engine.transduction import largest
from parmesan_engine.types import FeatureLevel, Sample, TaskSpec

POOL = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}


@METHODS.register("unet")
class UNetMethod(Method):
    """A U-Net trained on the same labels until its validation score stops rising.

    It sees each sample at the nodes that encoders predict (pixels of large pictures averaged), normalised alike, with coordinates.
    seed: of first weights and order; minutes: at most; device: where to train.
    """

    raw: ClassVar[bool] = True

    def __init__(self, *, seed: int = 0, minutes: float = 30.0, device: str = "cpu") -> None:
        self.seed = seed
        self.minutes = minutes
        self.device = device

    def observe(self, lesson: LabelledSamples) -> None:
        self._lesson = lesson

    def end_experience(self, progress: Progress = None) -> None:
        labelled = self._lesson
        self._task, device = labelled.task, str(device_of(self.device))
        regression = labelled.task.kind == "regression"
        self._mean, self._scale = _spread(labelled) if regression else (0.0, 1.0)
        grids = [self._grid(sample, labels) for sample, labels in zip(labelled.samples, labelled.labels, strict=True)]
        grids = [grid for grid in grids if grid.known.any()]
        done = train(grids, regression=regression, seed=self.seed, minutes=self.minutes, device=device, progress=progress)
        self._net = done.net
        self.bytes = sum(p.numel() * p.element_size() for p in done.net.parameters())
        self.note = (f"{self.bytes // 4:,} parameters, {done.rounds} rounds, best after {done.best} with {done.score:.4f} on samples held "
                     f"back; stopped because {done.stopped}")

    def predict(self, sample: Sample, task_name: str = "") -> np.ndarray:
        """Return (*spatial) class ids or values."""
        values, level = _inputs(sample)
        answer = predict(self._net, values, str(device_of(self.device)))
        rows = answer.softmax(0) if self._task.kind == "segmentation" else answer * self._scale + self._mean
        full = to_pixels(rows.reshape(len(rows), -1).T.contiguous(), level, sample.spatial_shape)
        return largest(full).numpy() if self._task.kind == "segmentation" else full[0].numpy()

    def _grid(self, sample: Sample, labels: np.ndarray) -> Grid:
        values, level = _inputs(sample)
        known = torch.from_numpy(np.isfinite(labels) if labels.dtype.kind == "f" else labels >= 0)
        rows = torch.from_numpy(_rows(labels, self._task, self._mean, self._scale))
        counts = _pooled(known[None].float(), level.stride)
        means = _pooled(rows * known, level.stride) / counts.clamp_min(1e-9)  # of the labelled pixels of each node
        return Grid(values, means, counts[0] > 0)


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


def _rows(labels: np.ndarray, task: TaskSpec, mean: float, scale: float) -> np.ndarray:
    """Return (L, *spatial) float32: one-hot classes, or standardised values; 0 where not known."""
    if task.kind == "regression":
        return np.nan_to_num((labels - mean) / scale).astype(np.float32)[None]
    return (labels[None] == np.arange(task.label_dim).reshape(-1, *(1,) * labels.ndim)).astype(np.float32)


def _spread(labelled: LabelledSamples) -> tuple[float, float]:
    known = np.concatenate([labels[np.isfinite(labels)] for labels in labelled.labels])
    return float(known.mean()), float(known.std()) or 1.0
