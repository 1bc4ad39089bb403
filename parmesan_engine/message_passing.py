"""Message passing between the locations of one sample: alike neighbours in the picture agree with each other. Pure.

    y <- (1 - lam) y0 + lam A y, repeated `steps` times
    A = row-softmax(-d_ij / tau) over the `keep` most alike nodes inside a spatial window
(label propagation, Zhou et al. 2004; PARMESAN, arXiv 2403.11743: intra-query message passing). A depends on the sample and
the metric only, so it is computed once per sample, and each prediction is a few sparse products.
"""

from dataclasses import dataclass
from itertools import product

import torch
from torch.nn.functional import embedding_bag

RADII = {1: (1, 2, 4, 8), 2: (1, 2, 4), 3: (1, 2)}  # steps of the window along each direction, in nodes


@dataclass(frozen=True)
class Affinity:
    """ids: (Q, m) int64 nodes to listen to; weights: (Q, m) float32, rows sum to 1."""

    ids: torch.Tensor
    weights: torch.Tensor


def affinity(keys: torch.Tensor, grid: tuple[int, ...], *, tau: float, keep: int = 8) -> Affinity:
    """Return to which nodes each node listens: the `keep` most alike among those a few steps away in each direction.

    keys: (Q, D) unit rows in row-major order over `grid`; tau: temperature in units of cosine distance.
    """
    nodes = torch.arange(len(keys), device=keys.device).reshape(grid)
    field = keys.reshape(*grid, -1)
    directions = [d for d in product((-1, 0, 1), repeat=len(grid)) if any(d)]
    offsets = [tuple(r * step for step in d) for r in RADII[len(grid)] for d in directions]
    distances = torch.full((len(offsets), *grid), torch.inf, device=keys.device)
    ids = nodes.expand(len(offsets), *grid).clone()
    position = {offset: i for i, offset in enumerate(offsets)}
    for offset in offsets:
        opposite = tuple(-step for step in offset)
        if offset > opposite or any(abs(step) >= n for step, n in zip(offset, grid, strict=True)):
            continue  # d(i, j) = d(j, i): each pair is measured once
        here, there = _windows(offset, grid)
        pair = (field[here] - field[there]).square_().sum(-1).mul_(0.5)
        for i, (a, b) in ((position[offset], (here, there)), (position[opposite], (there, here))):
            distances[(i, *a)], ids[(i, *a)] = pair, nodes[b]
    distances, ids = distances.reshape(len(offsets), -1).T, ids.reshape(len(offsets), -1).T
    nearest, order = distances.topk(min(keep, len(offsets)), dim=1, largest=False)
    weights = torch.softmax(-nearest / tau, 1)
    alone = ~torch.isfinite(nearest[:, :1])  # a grid of one node listens to itself
    weights = torch.where(alone, torch.full_like(weights, 1 / weights.shape[1]), weights)
    return Affinity(ids.gather(1, order).contiguous(), weights.contiguous())


def refine(answers: torch.Tensor, listen: Affinity, *, steps: int, lam: float) -> torch.Tensor:
    """Return (Q, L) answers after `steps` rounds; `steps` = 0 returns them unchanged. lam in [0, 1): how much to listen."""
    refined = answers
    for _ in range(steps):
        heard = embedding_bag(listen.ids, refined, per_sample_weights=listen.weights, mode="sum")
        refined = torch.lerp(answers, heard, lam)
    return refined


def _windows(offset: tuple[int, ...], grid: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the two windows of the grid whose nodes are `offset` apart: there = here + offset."""
    here = tuple(slice(max(-o, 0), n - max(o, 0)) for o, n in zip(offset, grid, strict=True))
    there = tuple(slice(max(o, 0), n - max(-o, 0)) for o, n in zip(offset, grid, strict=True))
    return here, there
