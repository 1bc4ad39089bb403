"""Two views of an unlabelled picture, signal or volume: crop, scale, mirror, colour; and what lies at a place between pixels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import grid_sample

from parmesan_engine.errors import ShapeError
from parmesan_engine.pretrain.lighting import disturbed

ZOOMS = (0.6, 1.6)  # pixels of the picture per pixel of a view
APART = 0.3  # how far the middles of two views may be apart, in sides of a view


@dataclass(frozen=True)
class Views:
    """first, second: (B, C, *S) float32, about 0 to 1. where: (B, *S, D) pixel of the second view that shows what each pixel of
    the first shows, NaN where that is hidden or outside. regions: (B, *S) int64, the thing that each pixel of the first shows, or
    None where nobody knows."""

    first: torch.Tensor
    second: torch.Tensor
    where: torch.Tensor
    regions: torch.Tensor | None = None


def two_crops(pictures: Sequence[torch.Tensor], random: np.random.Generator, shape: tuple[int, ...], *, strength: float = 1.0) -> Views:
    """Return two views (*S) of each of B pictures (C, *any size), each with light, colour, blur and noise of its own.

    One of two second views is mirrored along the last axis, but no signal: it has a direction. Pictures smaller than a view are
    magnified. Raises ShapeError.
    """
    dims = len(shape)
    if not pictures or any(picture.ndim != dims + 1 or min(picture.shape[1:]) < 2 for picture in pictures):
        found = ", ".join(str(tuple(picture.shape)) for picture in pictures[:3]) or "none"
        raise ShapeError(f"pictures (channels, *spatial) of {dims} axes, from 2 pixels on", found, "leave out the others")
    crops, wheres = ([], []), []
    half = (torch.tensor(shape, dtype=torch.float32) - 1) / 2
    grid = grid_of(shape) - half
    for picture in pictures:
        (middle, step), (other, other_step) = _frames(picture.shape[1:], random, shape)
        for out, (at, by) in zip(crops, ((middle, step), (other, other_step)), strict=True):
            out.append(sampled(picture[None], (at + by * grid).reshape(1, -1, dims))[0].reshape(-1, *shape))
        where = (middle + step * grid - other) / other_step
        lost = (where.abs() > half + 1e-4).any(-1, keepdim=True)
        wheres.append((where + half).masked_fill(lost, math.nan))
    first, second = (disturbed(torch.stack(parts), random, strength) for parts in crops)
    return Views(first, second, torch.stack(wheres))


def sampled(maps: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return (B, C, n) values of (B, C, *S) maps at (B, n, D) places in pixels, mixed linearly; beyond the edge, the edge's."""
    dims = maps.ndim - 2
    sizes = torch.tensor(maps.shape[2:], device=maps.device)
    unit = (2 * places / (sizes - 1).clamp(min=1) - 1).flip(-1)  # grid_sample wants the last axis first
    if dims == 1:  # which it knows only as a picture of one row
        maps, unit = maps[:, :, None], torch.cat([unit, torch.zeros_like(unit)], -1)
    grid = unit.reshape(len(maps), *(1,) * (maps.ndim - 3), -1, unit.shape[-1])
    return grid_sample(maps, grid.to(maps.dtype), padding_mode="border", align_corners=True).flatten(2)


def grid_of(shape: tuple[int, ...]) -> torch.Tensor:
    """Return (*S, D) the pixels of a picture."""
    return torch.stack(torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in shape), indexing="ij"), -1)


def _frames(size: torch.Size, random: np.random.Generator, shape: tuple[int, ...]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return (middle, step) in pixels of a picture for two views that overlap and lie inside it."""
    dims, room = len(shape), np.asarray(size, float) - 1
    zooms = np.exp(random.uniform(*np.log(ZOOMS), (2, 1)))
    steps = np.minimum(zooms, room / (np.asarray(shape) - 1))
    reach = steps * (np.asarray(shape) - 1) / 2
    first = random.uniform(reach[0], room - reach[0])
    second = first + random.uniform(-APART, APART, dims) * (reach.sum(0))
    middles = np.stack([first, np.clip(second, reach[1], room - reach[1])])
    steps[1, -1] *= -1 if dims > 1 and random.random() < 0.5 else 1
    return [tuple(torch.from_numpy(v.astype(np.float32)) for v in pair) for pair in zip(middles, steps, strict=True)]
