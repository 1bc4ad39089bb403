"""The default encoder, without weights: rotation-invariant Gaussian derivative features at a ladder of scales.

Per scale: smoothed intensity of each channel, and of the mean of the channels gradient magnitude, Laplacian, Hessian
and structure-tensor eigenvalues (the features of ilastik, Berg et al. 2019). Signals keep the sign and the channel of
their derivatives, because a signal has a direction.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

from parmesan_engine.encoders.features import GridFeatures, SignalFeatures
from parmesan_engine.encoders.octaves import Octaves
from parmesan_engine.encoders.scale import bounds
from parmesan_engine.encoders.separable import checked_scales, radius
from parmesan_engine.encoders.tiling import node_positions, pooled_levels, strides_of, tiles
from parmesan_engine.encoders.workers import pool
from parmesan_engine.types import FeatureLevel, FeaturePyramid, Sample

LADDER = (0.7, 1.2, 2.0, 3.4, 5.7, 9.5, 16.0)
SIGNAL_LADDER = (1.2, 2.0, 3.4, 5.7, 9.5, 16.0, 27.0, 45.0, 75.0, 125.0)


def _features_of(spatial_dims: int) -> type[GridFeatures] | type[SignalFeatures]:
    return SignalFeatures if spatial_dims == 1 else GridFeatures


def _never_cancelled(fraction: float) -> None:
    """Progress callback for callers that do not ask."""


class FilterBank:
    """Features of any 1-D, 2-D or 3-D sample, tile by tile; every tile size gives the same result.

    scales: sigmas in units of the finest spacing, for 2-D and 3-D; signal_scales: the same for 1-D, in samples.
    coordinates: append each axis mapped to [-1, 1]. device: where to compute and leave the features.
    tile: edge in pixels of the pieces that bound working memory, None for a good one.
    """

    def __init__(self, *, scales: Sequence[float] = LADDER, signal_scales: Sequence[float] = SIGNAL_LADDER,
                 coordinates: bool = True, device: str = "cpu", tile: int | None = None) -> None:
        self.scales = scales
        self.signal_scales = signal_scales
        self.coordinates = coordinates
        self.device = device
        self.tile = tile

    def _ladder(self, spatial_dims: int) -> tuple[float, ...]:
        return checked_scales(self.signal_scales, "signal_scales") if spatial_dims == 1 else checked_scales(self.scales, "scales")

    def groups_of(self, sample_channels: int, spatial_dims: int) -> tuple[str, ...]:
        """Return the kind and scale of each feature, as "hessian@2.0"; the last are "coordinates"."""
        widths = _features_of(spatial_dims).widths(sample_channels, spatial_dims)
        kinds = [f"{kind}@{scale:g}" for scale in self._ladder(spatial_dims) for kind, n in widths.items()
                 for _ in range(n)]
        return (*kinds, *("coordinates",) * (spatial_dims * self.coordinates))

    def channels_of(self, sample_channels: int, spatial_dims: int) -> int:
        """Return the number of features for samples of so many channels and axes."""
        return len(self.groups_of(sample_channels, spatial_dims))

    @property
    def receptive_field(self) -> int:
        """Half width, in units of the finest spacing, of what a feature can depend on."""
        return max(2 * radius(s) for s in (*self.scales, *self.signal_scales))

    def strides_for(self, spatial_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the strides of the finest level that `encode` chooses for a sample of this shape."""
        return strides_of(None, spatial_shape)

    def encode(self, sample: Sample, *, stride: int | tuple[int, ...] | None = None,
               progress: Callable[[float], None] | None = None) -> FeaturePyramid:
        """Return three levels of features, the finest at `stride` pixels (chosen by size when None).

        progress is called with the fraction done and may raise to cancel. Raises ShapeError for a bad stride,
        FormatError for scales out of bounds.
        """
        progress = progress or _never_cancelled
        strides = strides_of(stride, sample.spatial_shape)
        positions = [node_positions(n, s) for n, s in zip(sample.spatial_shape, strides, strict=True)]
        grid = tuple(len(p) for p in positions)
        groups = self.groups_of(sample.channels, sample.spatial_dims)
        with torch.inference_mode(False), torch.no_grad():  # workers may not write into a caller's inference tensors
            keys = self._keys(sample, positions, strides, len(groups), progress)
            levels = pooled_levels(FeatureLevel(keys.view(-1, len(groups)), grid, strides))
        progress(1.0)
        return FeaturePyramid(levels, sample.spatial_shape, groups)

    def _keys(self, sample: Sample, positions: list[np.ndarray], strides: tuple[int, ...], channels: int,
              progress: Callable[[float], None]) -> torch.Tensor:
        """Return (*grid, channels) features at the nodes."""
        run = pool().map if self.device == "cpu" else map
        dims, grid = sample.spatial_dims, tuple(len(p) for p in positions)
        octaves = Octaves(sample, luminance=dims > 1, device=self.device)
        scales = [_features_of(dims)(octaves, sigma) for sigma in self._ladder(dims)]
        reach = [max(r) for r in zip(*(scale.pixel_reach for scale in scales), strict=True)]
        list(run(octaves.prepare, {scale.steps for scale in scales}))
        keys = torch.empty(*grid, channels, device=self.device)
        pieces = list(tiles(grid, strides, self.tile))
        for index, tile in enumerate(pieces):
            at = [p[s] for p, s in zip(positions, tile, strict=True)]
            octaves.hold(*bounds(at, reach))
            rows = torch.empty(channels, *(len(p) for p in at), device=self.device)
            out = rows[:channels - dims * self.coordinates].chunk(len(scales))
            for number, _ in enumerate(run(partial(_write, at), scales, out)):
                progress((index + number / len(scales)) / len(pieces))
            if self.coordinates:
                write_coordinates(rows[-dims:], at, sample.spatial_shape)
            keys[tile] = rows.movedim(0, -1)
        return keys


def _write(at: list[np.ndarray], scale: GridFeatures | SignalFeatures, out: torch.Tensor) -> None:
    scale.write(at, out)


def write_coordinates(out: torch.Tensor, at: list[np.ndarray], spatial_shape: tuple[int, ...]) -> None:
    """Write each axis mapped to [-1, 1] over the sample into out (axes, *nodes); 0 along axes of one pixel."""
    for axis, (positions, n) in enumerate(zip(at, spatial_shape, strict=True)):
        values = torch.from_numpy((2.0 * positions / max(n - 1, 1) - (n > 1)).astype(np.float32)).to(out.device)
        out[axis] = values.reshape(-1, *(1,) * (len(at) - axis - 1))
