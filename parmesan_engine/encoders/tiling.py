"""Nodes, tiles and coarse levels: where features are read, in which pieces, and how levels are pooled."""

import itertools
import math
from collections.abc import Iterator

import numpy as np
import torch

from parmesan_engine.errors import ShapeError
from parmesan_engine.types import FeatureLevel

POOLING = 4  # pixels of a level per pixel of the next, along each axis
LEVELS = 3
FULL_RESOLUTION = 2**16  # pixels up to which every pixel is a node
MAX_NODES = {1: 2**16, 2: 300_000, 3: 300_000}
TILE_PIXELS = {1: 8192, 2: 512, 3: 96}  # edge of a tile: bounds working memory, changes no result


def default_stride(spatial_shape: tuple[int, ...]) -> int:
    """Return 1 for small samples, else the smallest power of two (from 2 in 2D and 3D) that keeps nodes bounded."""
    if math.prod(spatial_shape) <= FULL_RESOLUTION:
        return 1
    stride = 2
    while math.prod(-(-n // stride) for n in spatial_shape) > MAX_NODES[len(spatial_shape)]:
        stride *= 2
    return stride


def strides_of(stride: int | tuple[int, ...] | None, spatial_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return one stride per axis from what the caller gave. Raises ShapeError."""
    stride = default_stride(spatial_shape) if stride is None else stride
    strides = (stride,) * len(spatial_shape) if isinstance(stride, int) else tuple(stride)
    if len(strides) != len(spatial_shape) or any(int(s) != s or s < 1 for s in strides):
        raise ShapeError(f"one stride >= 1 for each of {len(spatial_shape)} axes", f"{stride}", "give whole numbers")
    return tuple(int(s) for s in strides)


def node_positions(pixels: int, stride: int) -> np.ndarray:
    """Return the (nodes,) pixel at which each node is sampled: just before the middle of the pixels that it covers.

    For strides 1 and 2 this is the node's first pixel. A last node that covers fewer pixels stays inside the sample.
    """
    return np.minimum(np.arange(0, pixels, stride) + (stride - 1) // 2, pixels - 1)


def tiles(grid: tuple[int, ...], stride: tuple[int, ...], tile: int | None = None) -> Iterator[tuple[slice, ...]]:
    """Yield the tiles of a node grid as slices; `tile` pixels along each axis, TILE_PIXELS when None."""
    tile = TILE_PIXELS[len(grid)] if tile is None else tile
    edges = [max(1, tile // s) for s in stride]
    starts = [range(0, n, edge) for n, edge in zip(grid, edges, strict=True)]
    for corner in itertools.product(*starts):
        yield tuple(slice(a, min(a + edge, n)) for a, edge, n in zip(corner, edges, grid, strict=True))


def _pool_sums(sums: torch.Tensor, dims: int) -> torch.Tensor:
    """Return sums over blocks of POOLING nodes along the first `dims` axes; blocks at the end may be smaller."""
    for dim in range(dims):
        n = sums.shape[dim]
        whole = n // POOLING
        parts = []
        if whole:
            head = sums.narrow(dim, 0, whole * POOLING)
            parts.append(head.reshape(*sums.shape[:dim], whole, POOLING, *sums.shape[dim + 1:]).sum(dim + 1))
        if n % POOLING:
            parts.append(sums.narrow(dim, whole * POOLING, n % POOLING).sum(dim, keepdim=True))
        sums = torch.cat(parts, dim)
    return sums


def pooled_levels(finest: FeatureLevel) -> tuple[FeatureLevel, ...]:
    """Return LEVELS levels: the finest, then means over 4 and 16 of its nodes along each axis (at least one node)."""
    dims = len(finest.grid)
    sums, counts = finest.keys.view(*finest.grid, -1), torch.ones(*finest.grid, 1, device=finest.keys.device)
    levels = [finest]
    for _ in range(1, LEVELS):
        sums, counts = _pool_sums(sums, dims), _pool_sums(counts, dims)
        stride = tuple(s * POOLING for s in levels[-1].stride)
        keys = (sums / counts).reshape(-1, finest.keys.shape[1]).contiguous()
        levels.append(FeatureLevel(keys, tuple(sums.shape[:dims]), stride))
    return tuple(levels)
