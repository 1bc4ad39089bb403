"""The default encoder, without weights: rotation-invariant Gaussian derivative features at a ladder of scales.

Per scale: smoothed intensity of each channel, and of the mean of the channels gradient magnitude, Laplacian, Hessian
and structure-tensor eigenvalues (the features of ilastik, Berg et al. 2019). Signals keep the sign and the channel of
their derivatives, because a signal has a direction.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

from parmesan_engine.encoders.eigen import sorted_eigenvalues
from parmesan_engine.encoders.octaves import Octaves
from parmesan_engine.encoders.scale import WINDOW, Scale, bounds, orders_of
from parmesan_engine.encoders.separable import radius
from parmesan_engine.encoders.tiling import node_positions, pooled_levels, strides_of, tiles
from parmesan_engine.encoders.workers import pool
from parmesan_engine.types import FeatureLevel, FeaturePyramid, Sample

LADDER = (0.7, 1.2, 2.0, 3.4, 5.7, 9.5, 16.0)
SIGNAL_LADDER = (0.7, 1.2, 2.0, 3.4, 5.7, 9.5, 16.0, 27.0, 45.0)
# Fixed gains that bring each kind to about unit spread on natural photographs (normalised to unit variance)
GAINS = {"intensity": 1.0, "gradient": 2.0, "derivative": 2.0, "laplacian": 2.0, "hessian": 3.0, "structure": 2.0,
         "coordinates": 1.0}


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
        return tuple(self.signal_scales if spatial_dims == 1 else self.scales)

    def groups_of(self, sample_channels: int, spatial_dims: int) -> tuple[str, ...]:
        """Return the kind and scale of each feature, as "hessian@2.0"; the last are "coordinates"."""
        if spatial_dims == 1:
            widths = {"intensity": sample_channels, "derivative": sample_channels, "laplacian": sample_channels,
                      "structure": 1}
        else:
            widths = {"intensity": sample_channels, "gradient": 1, "laplacian": 1, "hessian": spatial_dims,
                      "structure": spatial_dims}
        kinds = [f"{kind}@{scale:g}" for scale in self._ladder(spatial_dims) for kind, n in widths.items()
                 for _ in range(n)]
        return (*kinds, *("coordinates",) * (spatial_dims * self.coordinates))

    def channels_of(self, sample_channels: int, spatial_dims: int) -> int:
        """Return the number of features for samples of so many channels and axes."""
        return len(self.groups_of(sample_channels, spatial_dims))

    @property
    def receptive_field(self) -> int:
        """Half width, in units of the finest spacing, of what a feature can depend on."""
        return max(radius(s) + radius(WINDOW * s) for s in (*self.scales, *self.signal_scales))

    def encode(self, sample: Sample, *, stride: int | tuple[int, ...] | None = None,
               progress: Callable[[float], None] | None = None) -> FeaturePyramid:
        """Return three levels of features, the finest at `stride` pixels (chosen by size when None).

        progress is called with the fraction done and may raise to cancel. Raises ShapeError for a bad stride.
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
        scales = [Scale(octaves, sigma) for sigma in self._ladder(dims)]
        reach = [max(r) for r in zip(*(scale.reach for scale in scales if max(scale.steps) == 1), strict=True)]
        list(run(octaves.prepare, {scale.steps for scale in scales}))
        keys = torch.empty(*grid, channels, device=self.device)
        pieces = list(tiles(grid, strides, self.tile))
        for index, tile in enumerate(pieces):
            at = [p[s] for p, s in zip(positions, tile, strict=True)]
            if reach:
                octaves.hold(*bounds(at, reach))
            rows = torch.empty(channels, *(len(p) for p in at), device=self.device)
            out = rows[:channels - dims * self.coordinates].chunk(len(scales))
            for number, _ in enumerate(run(partial(_write_features, at), scales, out)):
                progress((index + number / len(scales)) / len(pieces))
            if self.coordinates:
                _write_coordinates(rows[-dims:], at, sample.spatial_shape)
            keys[tile] = rows.movedim(0, -1)
        return keys


def _write_features(at: list[np.ndarray], scale: Scale, out: torch.Tensor) -> None:
    """Write the features of one scale at the nodes `at` (positions per axis) into out (features, *nodes)."""
    dims, channels = len(at), scale.octaves.sample.channels
    first, second = orders_of(dims)
    zero = (0,) * dims
    if dims == 1 or channels == 1:
        responses = scale.derivatives(at, [zero, *first.values(), *second.values()], slice(None))
        intensity = responses[zero]
    else:
        intensity = scale.derivatives(at, [zero], slice(0, channels))[zero]
        responses = scale.derivatives(at, [*first.values(), *second.values()], slice(channels, None))
    torch.mul(intensity, GAINS["intensity"], out=out[:channels])
    out = out[channels:]
    if dims == 1:
        torch.mul(responses[1,], GAINS["derivative"], out=out[:channels])
        torch.mul(responses[2,], GAINS["laplacian"], out=out[channels:2 * channels])
        out = out[2 * channels:]
    else:
        squares = sum(responses[o][0] ** 2 for o in first.values())
        torch.mul(squares.sqrt_(), GAINS["gradient"], out=out[0])
        hessian = {key: responses[o][0] for key, o in second.items()}
        torch.mul(sum(hessian[a, a] for a in range(dims)), GAINS["laplacian"], out=out[1])
        for value, row in zip(sorted_eigenvalues(hessian, dims), out[2:], strict=False):
            torch.mul(value, GAINS["hessian"], out=row)
        out = out[2 + dims:]
    for value, row in zip(sorted_eigenvalues(scale.structure_tensor(at, first), dims), out, strict=True):
        torch.mul(value.clamp_min_(0).sqrt_(), GAINS["structure"], out=row)


def _write_coordinates(out: torch.Tensor, at: list[np.ndarray], spatial_shape: tuple[int, ...]) -> None:
    """Write each axis mapped to [-1, 1] over the sample into out (axes, *nodes); 0 along axes of one pixel."""
    for axis, (positions, n) in enumerate(zip(at, spatial_shape, strict=True)):
        values = torch.from_numpy((2.0 * positions / max(n - 1, 1) - (n > 1)).astype(np.float32)).to(out.device)
        out[axis] = values.reshape(-1, *(1,) * (len(at) - axis - 1))
