"""Coarse feature maps read at fine places, their edges taken from the sample itself: joint bilateral upsampling, no weights.

Kopf et al., "Joint Bilateral Upsampling" (SIGGRAPH 2007), which FeatUp (Fu et al., ICLR 2024, arXiv 2403.10516) brought to the feature
maps of backbones with a learned guide; ours is the sample's own intensities. A node takes the mean of the cells around it, each
weighted by its distance and by how much its intensity, the mean over the cell, differs from the node's own.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch.nn.functional import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d, embedding_bag

REACH = 2  # cells looked at on each side of a node, along each axis: 5 x 5 in a picture
DISTANCE = 0.5  # standard deviation of the weight by distance, in cells, as Kopf et al. have it: about as wide as linear interpolation
INTENSITY = 0.12  # the same of the weight by intensity, of guides in [0, 1]; its square is halved in the exponent as usual
FLOOR = 1e-3  # weight of cells of any other intensity: a node unlike all of them is interpolated by distance alone
CHUNK = 1 << 20  # pairs of node and cell that are held at a time
_POOLS = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}


def upsample(cells: torch.Tensor, guide: torch.Tensor | None, positions: Sequence[np.ndarray], spatial_shape: tuple[int, ...], *,
             progress: Callable[[float], None] | None = None) -> torch.Tensor:
    """Return (*nodes, channels) features at the nodes, means of the cells around them.

    cells: (channels, *grid) float32 of the whole sample, 1 to 3 axes; guide: (colours, *nodes) float32 intensities in [0, 1] at the
    nodes, or None for weights by distance alone; positions: the pixels of the nodes along each axis of a sample of spatial_shape.
    progress may raise to cancel.
    """
    grid, device = tuple(cells.shape[1:]), cells.device
    table = cells.flatten(1).T.contiguous()  # one row per cell
    out = torch.empty(*(len(p) for p in positions), len(cells), device=device)
    near = [_near(p, n, k, device) for p, n, k in zip(positions, spatial_shape, grid, strict=True)]
    mean = None if guide is None else _POOLS[len(grid)](guide, grid).flatten(1)  # intensity of each cell: of its nodes
    pairs = (2 * REACH + 1) ** len(grid) * math.prod(len(p) for p in positions[1:])
    rows = max(1, CHUNK // pairs)
    for start in range(0, len(positions[0]), rows):
        part = slice(start, start + rows)
        axes = [tuple(t[part] for t in near[0]), *near[1:]]
        index, weight = _spread([i for i, _ in axes], grid), _spread([w for _, w in axes], None)
        if guide is not None:
            weight = weight * _likeness(guide[:, part], mean, index)
        weight = weight / weight.sum(-1, keepdim=True)
        width = index.shape[-1]
        found = embedding_bag(index.view(-1, width), table, mode="sum", per_sample_weights=weight.view(-1, width))
        out[part] = found.view(*index.shape[:-1], -1)
        if progress is not None:
            progress(min(1.0, (start + rows) / len(positions[0])))
    return out


def _near(positions: np.ndarray, pixels: int, count: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the cells around each node along one axis and their weights by distance, both (nodes, 2 * REACH + 1).

    Cells beyond the ends are the last ones again, with weight 0.
    """
    at = (positions + 0.5) * count / pixels - 0.5  # of the node, in cells: cell i lies at i
    index = np.round(at).astype(np.int64)[:, None] + np.arange(-REACH, REACH + 1)
    weight = np.exp(-0.5 * ((index - at[:, None]) / DISTANCE) ** 2) * ((index >= 0) & (index < count))
    return torch.from_numpy(index.clip(0, count - 1)).to(device), torch.from_numpy(weight.astype(np.float32)).to(device)


def _spread(axes: list[torch.Tensor], grid: tuple[int, ...] | None) -> torch.Tensor:
    """Return (*nodes, cells) of one (nodes, cells) tensor per axis: products, or flat indices into `grid`."""
    dims, total = len(axes), None
    for axis, values in enumerate(axes):
        shape = [1] * (2 * dims)
        shape[axis], shape[dims + axis] = values.shape
        values = values.view(shape)
        total = values if total is None else total * values if grid is None else total * grid[axis] + values
    return total.flatten(dims).contiguous()


def _likeness(own: torch.Tensor, mean: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Return (*nodes, cells) weights by intensity; own: (colours, *nodes), mean: (colours, all cells of the grid)."""
    apart = torch.zeros(index.shape, device=index.device)
    for node, cell in zip(own, mean, strict=True):
        apart += (cell[index] - node[..., None]).square_()
    return apart.mul_(-0.5 / (INTENSITY**2 * len(own))).exp_().add_(FLOOR)
