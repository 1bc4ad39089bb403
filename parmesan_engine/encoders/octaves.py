"""The normalised sample on ever coarser grids: a filter of sigma s needs a grid of step about s / 2 only.

The grid of step t (a power of two, per axis) holds the sample smoothed by a Gaussian of sigma t; a filter of larger
sigma on it uses the sigma that is left, sqrt(sigma^2 - t^2). With at least 1.7 steps left, what is lost by
sampling is about 0.1 % of a response. Grids are computed once per sample and depend on nothing else, so tiles stay
small at every scale and agree exactly.
"""

import math

import numpy as np
import torch

from parmesan_engine.encoders.normalise import Normaliser
from parmesan_engine.encoders.separable import Axis, filter_axis, mirror, radius
from parmesan_engine.encoders.tiling import tiles
from parmesan_engine.types import Sample

STEPS_PER_SIGMA = 2.0  # a scale moves to the next coarser grid as soon as its sigma is so many steps there
MARGIN = 36  # samples kept beyond the far edge: gradient (4 * 3.9 steps) and window (4 * 4 steps) of a structure tensor


def step_of(sigma: float, steps_per_sigma: float = STEPS_PER_SIGMA) -> int:
    """Return the largest power of two that fits at least `steps_per_sigma` times into sigma (at least 1)."""
    return 2 ** max(0, math.floor(math.log2(sigma / steps_per_sigma) + 1e-9))


def sigma_left(sigma: float, step: int) -> float:
    """Return the sigma that remains to be applied on the grid of `step`, in pixels."""
    return sigma if step == 1 else math.sqrt(sigma**2 - step**2)


class Octaves:
    """Grids of one sample.

    Fields of a grid: the channels, then, where there are several and it is asked for, their mean ("luminance").
    """

    def __init__(self, sample: Sample, *, luminance: bool, device: str) -> None:
        self.sample, self.device = sample, device
        self.luminance = luminance and sample.channels > 1
        self.normaliser = Normaliser.of(sample)
        self._grids: dict[tuple[int, ...], torch.Tensor] = {}
        self._held: tuple[torch.Tensor, list[Axis]] | None = None

    def window(self, steps: tuple[int, ...], low: list[int], high: list[int]) -> tuple[torch.Tensor, list[Axis]]:
        """Return (fields, *window) float32 and its axes: what filters need that look at the pixels low..high.

        low and high are inclusive and may lie beyond the edges, where the sample is mirrored.
        """
        axes = [self._axis(*about) for about in zip(self.sample.spatial_shape, steps, low, high, strict=True)]
        if max(steps) > 1:
            return self._grids[steps][_slices(axes)], axes
        if self._held is None:
            return self._pixels(axes), axes
        held, origin = self._held
        return held[_slices(axes, [axis.first for axis in origin])], axes

    @staticmethod
    def _axis(n: int, step: int, low: int, high: int) -> Axis:
        seen = mirror(np.arange(low, high + 1), 0, n - 1 if step == 1 else None)
        first, last = int(seen.min()) // step, -(-int(seen.max()) // step)
        return Axis(first * step, last + 1 - first, step, 0, n - 1 if step == 1 else None)

    def hold(self, low: list[int], high: list[int]) -> None:
        """Normalise the pixels low..high now; until the next call, windows of pixels must lie inside."""
        self._held = None
        fields, axes = self.window((1,) * len(low), low, high)
        self._held = fields, axes

    def _pixels(self, axes: list[Axis]) -> torch.Tensor:
        values = torch.from_numpy(self.normaliser.apply(self.sample.array[_slices(axes)])).to(self.device)
        return torch.cat([values, values.mean(0, keepdim=True)]) if self.luminance else values

    def prepare(self, steps: tuple[int, ...]) -> None:
        """Make the grid of `steps`."""
        if max(steps) > 1 and steps not in self._grids:
            self._grids[steps] = self._grid(steps)

    def _grid(self, steps: tuple[int, ...]) -> torch.Tensor:
        """Return the whole coarse grid, computed tile by tile from the pixels."""
        positions = [np.arange(0, -(-(n - 1) // t) + 1 + MARGIN * (t > 1)) * t
                     for n, t in zip(self.sample.spatial_shape, steps, strict=True)]
        counts = tuple(len(p) for p in positions)
        out = torch.empty(self.sample.channels + self.luminance, *counts, device=self.device)
        reach = [radius(t) if t > 1 else 0 for t in steps]
        for tile in tiles(counts, steps):
            at = [p[s] for p, s in zip(positions, tile, strict=True)]
            fields, axes = self.window((1,) * len(steps), [int(p[0]) - r for p, r in zip(at, reach, strict=True)],
                                       [int(p[-1]) + r for p, r in zip(at, reach, strict=True)])
            for dim, (axis, p, t) in enumerate(zip(axes, at, steps, strict=True)):
                if t > 1:
                    fields = filter_axis(fields, dim + 1, axis, p, float(t), 0)
            out[(slice(None), *tile)] = fields
        return out


def _slices(axes: list[Axis], origin: list[int] | None = None) -> tuple[slice, ...]:
    starts = [(a.first - o) // a.step for a, o in zip(axes, origin or [0] * len(axes), strict=True)]
    return (slice(None), *(slice(s, s + a.count) for a, s in zip(axes, starts, strict=True)))
