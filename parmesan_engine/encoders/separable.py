"""Separable Gaussian (derivative) filters as banded matrix products: one code for 1D, 2D, 3D, CPU and CUDA.

Why products: torch's depthwise convolutions are the slow way on a CPU, and a product computes only the rows that are
asked for, at any positions, from samples at any step. So a large scale is read from a coarse grid straight onto the
nodes, and a stride of 2 halves the work of each pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from numbers import Real

import numpy as np
import torch

from parmesan_engine.errors import FormatError

TRUNCATE = 4.0  # kernels end at 4 sigma, as in scipy.ndimage
SMALLEST_SIGMA = 0.2  # below, only the centre has weight: identity and central differences, without underflow
BLOCK = 32  # output rows of one product; more wastes work outside the band, fewer starves the processor
MIN_SIGMA, MAX_SIGMA, MAX_SCALES = 0.1, 256, 32  # that people may ask for
LONG_BLOCK = 128  # the same for signals, where each product has few columns and the calls cost more than the work


@dataclass(frozen=True)
class Axis:
    """Where the samples held along one axis lie, in pixels: `first`, `first + step`, ... (`count` of them).

    low, high: pixel positions at which the signal is mirrored (the edge itself is not repeated, "reflect-101");
    None where the samples held reach as far as any filter asks.
    """

    first: int
    count: int
    step: int = 1
    low: int | None = None
    high: int | None = None


def checked_scales(scales: Sequence[float], keyword: str) -> tuple[float, ...]:
    """Return the scales that a person gave, once they are known to be bounded: a kernel takes memory by its scale. Raises FormatError."""
    if not 0 < len(scales) <= MAX_SCALES or not all(isinstance(s, Real) and MIN_SIGMA <= s <= MAX_SIGMA for s in scales):
        raise FormatError(f"1 to {MAX_SCALES} scales from {MIN_SIGMA} to {MAX_SIGMA} for {keyword}", f"{scales}"[:60], "correct them")
    return tuple(scales)


def radius(sigma: float, step: int = 1) -> int:
    """Return the half width in pixels of the kernel of `sigma` pixels on samples `step` pixels apart (at least one)."""
    return max(1, int(TRUNCATE * sigma / step + 0.5)) * step


def gaussian_weights(offsets: np.ndarray, sigma: float, order: int) -> np.ndarray:
    """Return (rows, taps) float64 weights that estimate the derivative of `order` 0, 1 or 2 at offset 0.

    offsets: (rows, taps) positions of the samples in pixels, NaN where there is none. Rows are Gaussian times the
    polynomial that is orthogonal to the lower ones, normalised so that constants, ramps and parabolas are answered
    exactly. For sigma >= 1 this is the sampled Gaussian derivative; as sigma -> 0 it becomes the identity, the central
    and the second difference, where the sampled derivative would vanish.
    """
    sigma = max(sigma, SMALLEST_SIGMA)
    x = np.nan_to_num(offsets)
    g = np.where(np.isnan(offsets), 0.0, np.exp(-0.5 * (x / sigma) ** 2))
    g /= g.sum(1, keepdims=True)
    if order == 0:
        return g
    m1, m2, m3 = ((g * x**power).sum(1, keepdims=True) for power in (1, 2, 3))
    if order == 1:
        return g * (x - m1) / (m2 - m1**2)
    slope = (m3 - m1 * m2) / (m2 - m1**2)
    weights = g * (x**2 - m2 - slope * (x - m1))
    return 2 * weights / (weights * x**2).sum(1, keepdims=True)


def mirror(positions: np.ndarray, low: int | None, high: int | None) -> np.ndarray:
    """Return positions folded back at `low` and `high` (either may be None), as often as needed."""
    if low is not None and high is not None:
        period = 2 * (high - low)
        if period == 0:
            return np.full_like(positions, low)
        folded = np.mod(positions - low, period)
        return low + np.minimum(folded, period - folded)
    if low is not None:
        return low + np.abs(positions - low)
    return positions if high is None else high - np.abs(high - positions)


@lru_cache(maxsize=4096)
def _band(positions: tuple[int, ...], step: int, low: int | None, high: int | None, sigma: float, order: int,
          device: str) -> tuple[int, torch.Tensor]:
    """Return (first, matrix): matrix (len(positions), width) float32 maps samples at first + step * i to positions.

    Samples lie on multiples of `step`. Positions may be relative, so that all inner blocks share one matrix.
    """
    at = np.asarray(positions)
    reach = radius(sigma, step)
    taps = (-((reach - at) // step))[:, None] * step + np.arange(2 * reach // step + 1) * step
    offsets = (taps - at[:, None]).astype(np.float64)
    offsets[np.abs(offsets) > reach] = np.nan
    weights = gaussian_weights(offsets, sigma, order)
    taps = mirror(taps, low, high)
    used = weights != 0
    first, last = int(taps[used].min()), int(taps[used].max())
    matrix = np.zeros((len(at), (last - first) // step + 1))
    rows = np.broadcast_to(np.arange(len(at))[:, None], taps.shape)
    np.add.at(matrix, (rows[used], (taps[used] - first) // step), weights[used])
    return first, torch.from_numpy(matrix.astype(np.float32)).to(device)


def _blocks(axis: Axis, positions: np.ndarray, sigma: float, order: int, size: int, device: str):
    """Yield (rows, columns, matrix): slices of at most `size` outputs, of inputs, and what maps one to the other."""
    reach = radius(sigma, axis.step)
    for start in range(0, len(positions), size):
        block = positions[start:start + size]
        base = (int(block[0]) - reach) // axis.step * axis.step
        # inner blocks need no mirror, and so share one matrix
        inner = ((axis.low is None or block[0] - reach >= axis.low)
                 and (axis.high is None or block[-1] + reach <= axis.high))
        low, high = (None if inner or edge is None else edge - base for edge in (axis.low, axis.high))
        first, matrix = _band(tuple((block - base).tolist()), axis.step, low, high, sigma, order, device)
        column = (first + base - axis.first) // axis.step
        yield slice(start, start + len(block)), slice(column, column + matrix.shape[1]), matrix


def filter_axis(fields: torch.Tensor, dim: int, axis: Axis, positions: np.ndarray, sigma: float,
                order: int) -> torch.Tensor:
    """Return `fields` filtered along `dim` and read at `positions`.

    fields: float32, contiguous, with axis.count samples along dim. positions: (n,) ascending pixels, which may lie
    beyond the edges. sigma in pixels; the derivative of `order` is per pixel ** order. The result has n along dim.
    """
    shape = (*fields.shape[:dim], len(positions), *fields.shape[dim + 1:])
    out = torch.empty(shape, dtype=fields.dtype, device=fields.device)
    before, after = int(np.prod(fields.shape[:dim])), int(np.prod(fields.shape[dim + 1:]))
    flat, flat_out = fields.reshape(before, axis.count, after), out.view(before, len(positions), after)
    size = LONG_BLOCK if before * after < LONG_BLOCK else BLOCK
    for rows, columns, matrix in _blocks(axis, positions, sigma, order, size, str(fields.device)):
        if after == 1:
            torch.mm(flat[:, columns, 0], matrix.T, out=flat_out[:, rows, 0])
        elif before == 1:
            torch.mm(matrix, flat[0, columns], out=flat_out[0, rows])
        else:
            flat_out[:, rows] = torch.matmul(matrix, flat[:, columns])
    return out


def derivatives(fields: torch.Tensor, axes: list[Axis], positions: list[np.ndarray], sigmas: tuple[float, ...],
                orders: list[tuple[int, ...]]) -> dict[tuple[int, ...], torch.Tensor]:
    """Return one (fields, *positions) response per tuple of `orders` (one order per axis), sharing common passes.

    fields: (fields, *spatial). Derivatives are per pixel ** order.
    """
    partial = {(): fields}
    for dim, (axis, at, sigma) in enumerate(zip(axes, positions, sigmas, strict=True)):
        prefixes = sorted({order[:dim + 1] for order in orders})
        partial = {p: filter_axis(partial[p[:-1]], dim + 1, axis, at, sigma, p[-1]) for p in prefixes}
    return partial
