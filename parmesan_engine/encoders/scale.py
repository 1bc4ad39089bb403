"""One scale of one sample: Gaussian derivatives and the structure tensor at any pixel positions."""

import math

import numpy as np
import torch

from parmesan_engine.encoders.octaves import Octaves, sigma_left, step_of
from parmesan_engine.encoders.separable import Axis, derivatives, filter_axis, radius

WINDOW = 1.0  # outer sigma of the structure tensor, in units of the scale
TENSOR_STEPS_PER_SIGMA = 1.0  # of the grid on which gradient products are formed; the window hides what is finer


class Scale:
    """One scale of one sample: which grid it is read from, with which sigmas along each axis (pixels)."""

    def __init__(self, octaves: Octaves, scale: float) -> None:
        spacing = octaves.sample.spacing or (1.0,) * octaves.sample.spatial_dims
        self.octaves = octaves
        self.sigmas = tuple(scale * min(spacing) / s for s in spacing)
        self.steps = tuple(step_of(s) for s in self.sigmas)
        self.left = tuple(sigma_left(s, t) for s, t in zip(self.sigmas, self.steps, strict=True))
        self.tensor_sigmas = tuple(WINDOW * s for s in self.sigmas)
        self.tensor_steps = tuple(step_of(s, TENSOR_STEPS_PER_SIGMA) for s in self.sigmas)

    @property
    def reach(self) -> list[int]:
        """Return how far from a node, in pixels along each axis, its features look."""
        each = zip(self.left, self.steps, self.tensor_sigmas, self.tensor_steps, strict=True)
        return [radius(left, t) + radius(outer, tensor_t) + tensor_t for left, t, outer, tensor_t in each]

    def derivatives(self, at: list[np.ndarray], orders: list[tuple[int, ...]], which: slice) -> dict:
        """Return the scale-normalised derivatives of the fields `which` at positions `at`: {orders: (fields, *at)}."""
        reach = [radius(s, t) for s, t in zip(self.left, self.steps, strict=True)]
        fields, axes = self.octaves.window(self.steps, *bounds(at, reach))
        responses = derivatives(fields[which], axes, at, self.left, orders)
        for order, response in responses.items():
            gain = math.prod(s**o for s, o in zip(self.sigmas, order, strict=True))
            if gain != 1.0:
                response *= gain
        return responses

    def structure_tensor(self, at: list[np.ndarray], first: dict[int, tuple[int, ...]]) -> dict:
        """Return {(row, column): (*at)}: products of first derivatives under a Gaussian, averaged over fields.

        The products are formed on a grid of their own, which depends on the scale and not on `at`, so that nodes of
        any stride and tile see the same products.
        """
        reach = [radius(s, t) for s, t in zip(self.tensor_sigmas, self.tensor_steps, strict=True)]
        grid = [np.arange((int(p[0]) - r) // t, -(-(int(p[-1]) + r) // t) + 1) * t
                for p, r, t in zip(at, reach, self.tensor_steps, strict=True)]
        which = slice(-1, None) if self.octaves.luminance else slice(None)
        gradient = self.derivatives(grid, list(first.values()), which)
        axes = [Axis(int(p[0]), len(p), t) for p, t in zip(grid, self.tensor_steps, strict=True)]
        pairs = [(a, b) for a in first for b in first if a <= b]
        products = torch.stack([(gradient[first[a]] * gradient[first[b]]).mean(0) for a, b in pairs])
        for dim, (axis, p, sigma) in enumerate(zip(axes, at, self.tensor_sigmas, strict=True)):
            products = filter_axis(products, dim + 1, axis, p, sigma, 0)
        return dict(zip(pairs, products, strict=True))


def bounds(at: list[np.ndarray], reach: list[int]) -> tuple[list[int], list[int]]:
    """Return the first and the last pixel along each axis that are within reach of ascending positions."""
    each = list(zip(at, reach, strict=True))
    return [int(p[0]) - r for p, r in each], [int(p[-1]) + r for p, r in each]


def orders_of(dims: int) -> tuple[dict, dict]:
    """Return the derivative orders of the gradient, {axis: orders}, and of the Hessian, {(axis, axis): orders}."""
    unit = np.eye(dims, dtype=int)
    first = {a: tuple(unit[a].tolist()) for a in range(dims)}
    second = {(a, b): tuple((unit[a] + unit[b]).tolist()) for a in range(dims) for b in range(a, dims)}
    return first, second
