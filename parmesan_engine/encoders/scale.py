"""Gaussian derivatives and windowed gradient products of one sample, at any pixel positions."""

import math

import numpy as np
import torch

from parmesan_engine.encoders.octaves import Octaves, sigma_left, step_of
from parmesan_engine.encoders.separable import Axis, derivatives, filter_axis, radius

TENSOR_STEPS_PER_SIGMA = 1.5  # of the grid on which gradient products are formed; the window hides what is finer


class Derivatives:
    """Derivatives of one sample at one scale: which grid they are read from, with which sigma along each axis."""

    def __init__(self, octaves: Octaves, scale: float) -> None:
        self.octaves = octaves
        self.sigmas = sigmas_of(octaves, scale)
        self.steps = tuple(step_of(s) for s in self.sigmas)
        self.left = tuple(sigma_left(s, t) for s, t in zip(self.sigmas, self.steps, strict=True))
        self.reach = [radius(s, t) for s, t in zip(self.left, self.steps, strict=True)]

    def at(self, positions: list[np.ndarray], orders: list[tuple[int, ...]],
           which: slice) -> dict[tuple[int, ...], torch.Tensor]:
        """Return the scale-normalised derivatives of the fields `which`: {orders: (fields, *positions)}.

        positions: ascending pixels along each axis, which may lie beyond the edges, where the sample is mirrored.
        """
        fields, axes = self.octaves.window(self.steps, *bounds(positions, self.reach))
        responses = derivatives(fields[which], axes, positions, self.left, orders)
        for order, response in responses.items():
            gain = math.prod(s**o for s, o in zip(self.sigmas, order, strict=True))
            if gain != 1.0:
                response *= gain
        return responses


class GradientProducts:
    """Products of first derivatives under a Gaussian window: the structure tensor, or the energy of a signal.

    The products are formed on a grid of their own, which depends on the inner scale and not on where the result is
    read, so that nodes of any stride and tile see the same products.
    """

    def __init__(self, inner: Derivatives, window: float) -> None:
        self.inner = inner
        self.sigmas = sigmas_of(inner.octaves, window)
        self.steps = [step_of(s, TENSOR_STEPS_PER_SIGMA) for s in inner.sigmas]
        self._outer_reach = [radius(s, t) for s, t in zip(self.sigmas, self.steps, strict=True)]
        self.reach = [a + b + t for a, b, t in zip(inner.reach, self._outer_reach, self.steps, strict=True)]

    def at(self, positions: list[np.ndarray], which: slice) -> dict[tuple[int, int], torch.Tensor]:
        """Return the structure tensor, averaged over the fields `which`: {(row, column): (*positions)}."""
        products, axes = self._products(positions, which)
        pairs = list(products)
        smooth = torch.stack(list(products.values()))
        for dim, (axis, p, sigma) in enumerate(zip(axes, positions, self.sigmas, strict=True)):
            smooth = filter_axis(smooth, dim + 1, axis, p, sigma, 0)
        return dict(zip(pairs, smooth, strict=True))

    def along(self, positions: list[np.ndarray], which: slice) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (energy, change) of a signal, each (n): the windowed product and its scale-normalised derivative."""
        products, axes = self._products(positions, which)
        responses = derivatives(products[0, 0][None], axes, positions, self.sigmas, [(0,), (1,)])
        return responses[0,][0], responses[1,][0] * self.sigmas[0]

    def _products(self, positions: list[np.ndarray], which: slice) -> tuple[dict, list[Axis]]:
        low, high = bounds(positions, self._outer_reach)
        grid = [np.arange(a // t, -(-b // t) + 1) * t for a, b, t in zip(low, high, self.steps, strict=True)]
        first, _ = orders_of(len(positions))
        gradient = self.inner.at(grid, list(first.values()), which)
        products = {(a, b): (gradient[first[a]] * gradient[first[b]]).mean(0) for a in first for b in first if a <= b}
        return products, [Axis(int(p[0]), len(p), t) for p, t in zip(grid, self.steps, strict=True)]


def sigmas_of(octaves: Octaves, scale: float) -> tuple[float, ...]:
    """Return the sigma in pixels along each axis of `scale`, a length in units of the finest spacing."""
    spacing = octaves.sample.spacing or (1.0,) * octaves.sample.spatial_dims
    return tuple(scale * min(spacing) / s for s in spacing)


def bounds(positions: list[np.ndarray], reach: list[int]) -> tuple[list[int], list[int]]:
    """Return the first and the last pixel along each axis that are within reach of ascending positions."""
    each = list(zip(positions, reach, strict=True))
    return [int(p[0]) - r for p, r in each], [int(p[-1]) + r for p, r in each]


def orders_of(dims: int) -> tuple[dict[int, tuple[int, ...]], dict[tuple[int, int], tuple[int, ...]]]:
    """Return the derivative orders of the gradient, {axis: orders}, and of the Hessian, {(axis, axis): orders}."""
    unit = np.eye(dims, dtype=int)
    first = {a: tuple(unit[a].tolist()) for a in range(dims)}
    second = {(a, b): tuple((unit[a] + unit[b]).tolist()) for a in range(dims) for b in range(a, dims)}
    return first, second
