"""The right answer by other means: every distance in float64, block by block, near ties decided as the project defines them.

The order of neighbours is (float32 pair distance, tie). All that float64 cannot rule out by a margin wider than any rounding
is ordered by exactly that; `excess` needs no float32 at all and says how far an answer is from the float64 one.
"""

from dataclasses import dataclass

import numpy as np
import torch

from parmesan_engine.search.distance import pair_distances, score_error

BLOCK = 65_536  # keys in float64 at a time


@dataclass(frozen=True)
class Truth:
    """ids: (Q, k) rows of the nearest keys, ties by row; distances: (Q, k) the k smallest float64 distances, ascending."""

    ids: torch.Tensor
    distances: torch.Tensor

    def excess(self, queries: torch.Tensor, keys: torch.Tensor, ids: torch.Tensor) -> float:
        """Return by how much the worst of (Q, k) neighbours is farther off than the true one of its rank, in float64."""
        difference = keys[ids.clamp(min=0).flatten()].double().view(*ids.shape, -1) - queries.double()[:, None]
        return float((difference.square().sum(2) / 2 - self.distances).max())


def brute_force(queries: torch.Tensor, keys: torch.Tensor, k: int) -> Truth:
    """Return the k nearest of (N, D) keys, N >= k, to each of (Q, D) queries; both of unit length, float32."""
    wide = queries.double()
    best = torch.full((len(queries), k), torch.inf, dtype=torch.float64)
    for start in range(0, len(keys), BLOCK):
        best = torch.cat([best, _distances(wide, keys, start)], 1).topk(k, largest=False).values
    limit = best[:, -1:] + score_error(keys.shape[1])
    found = []
    for start in range(0, len(keys), BLOCK):
        row, column = (_distances(wide, keys, start) <= limit).nonzero(as_tuple=True)
        found.append((row, column + start, pair_distances(queries, keys, row, column + start)))
    rows, columns, distances = (torch.cat(parts) for parts in zip(*found, strict=True))
    place = torch.from_numpy(np.lexsort((columns.numpy(), distances.numpy(), rows.numpy())))  # the last counts first
    rows, columns = rows[place], columns[place]
    first = torch.searchsorted(rows, torch.arange(len(queries)))
    return Truth(columns[first[:, None] + torch.arange(k)], best)


def recall(found: torch.Tensor, truth: torch.Tensor) -> float:
    """Return the share of the (Q, k) true ids that are among the (Q, k) found."""
    return float((found[:, :, None] == truth[:, None, :]).any(1).double().mean())


def _distances(wide: torch.Tensor, keys: torch.Tensor, start: int) -> torch.Tensor:
    block = keys[start : start + BLOCK].double()
    return (wide.square().sum(1, keepdim=True) + block.square().sum(1)) / 2 - wide @ block.T
