"""Leaves: random solid shapes that hide each other, in any number of dimensions, and which of them is in front where.

Half of the leaves are polytopes (boxes with cut corners), half are ellipsoids; a wave on the surface makes many of them curly.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

CURLY = 0.5  # largest height of the wave on a surface, in units of the leaf's half width
LARGEST, SMALLEST = 0.8, 0.07  # half widths, where half the longest side of a picture is 1


@dataclass(frozen=True)
class Leaves:
    """N leaves in D dimensions; row i of everything is leaf i + 1, and 0 is the ground behind all of them.

    centres: (N, D). axes: (N, D + 1, D), pairs of faces are 1 / |axis| away from the centre. waves: (N, D), phases: (N,) and
    heights: (N,) of the wave on each surface. ranks: (N,) a permutation of 1..N; the higher one is in front.
    """

    centres: torch.Tensor
    axes: torch.Tensor
    waves: torch.Tensor
    phases: torch.Tensor
    heights: torch.Tensor
    ranks: torch.Tensor

    @classmethod
    def grown(cls, random: np.random.Generator, count: int, extent: np.ndarray) -> "Leaves":
        """Return `count` random leaves in a box of half widths `extent` (D,); many small ones, few large ones (dead leaves)."""
        dims = len(extent)
        largest, smallest = LARGEST * random.uniform(0.3, 1), SMALLEST * random.uniform(0.6, 1.5)
        share = random.random(count)
        size = smallest * (largest / smallest) ** share  # spread evenly in the logarithm
        stretch = np.exp(random.normal(0, 0.45, (count, dims + 1)))
        axes = rotations(random, count, dims, 2.0)
        corner = random.standard_normal((count, 1, dims))
        corner /= np.linalg.norm(corner, axis=2, keepdims=True)
        axes = np.concatenate([axes, corner * 0.9], 1) / (size[:, None] * stretch)[..., None]
        waves = random.standard_normal((count, dims)) * (random.uniform(0.8, 3.0, count) / size)[:, None]
        heights = np.maximum(random.uniform(-CURLY, CURLY, count), 0)  # every second leaf has plain faces
        parts = (random.uniform(-1.15, 1.15, (count, dims)) * extent, axes, waves, random.uniform(0, 2 * np.pi, count), heights,
                 random.permutation(count) + 1)
        return cls(*(torch.from_numpy(np.ascontiguousarray(part, np.float32)) for part in parts))

    def moved(self, moves: torch.Tensor) -> "Leaves":
        """Return the leaves shifted by (N, D), each with everything that is on it."""
        return replace(self, centres=self.centres + moves)

    def front(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return which leaf is in front at (D, P) points, (P,) int64 with 0 for the ground, and (P,) depth inside it, 0 to 1."""
        count, dims = self.centres.shape
        levels = torch.empty(count, points.shape[1])
        boxes = count // 2
        levels[:boxes] = _local(self.axes[:boxes], self.centres[:boxes], points).abs_().amax(1)
        levels[boxes:] = _local(self.axes[boxes:, :dims], self.centres[boxes:], points).square_().sum(1)
        curly = self.heights.nonzero()[:, 0]
        wave = _local(self.waves[curly, None], self.centres[curly], points)[:, 0].add_(self.phases[curly, None]).sin_()
        levels.index_add_(0, curly, wave.mul_(self.heights[curly, None]))
        best = (levels < 1).float().mul_(self.ranks[:, None]).amax(0)  # ten times faster than argmax over leaves
        owner = torch.zeros(count + 1, dtype=torch.int64)
        owner[self.ranks.long()] = torch.arange(1, count + 1)
        leaf = owner[best.long()]
        level = levels.gather(0, (leaf - 1).clamp_(min=0)[None])[0]
        return leaf, (1 - level).clamp_(0, 1).mul_(leaf > 0)


def rotations(random: np.random.Generator, count: int, dims: int, spread: float) -> np.ndarray:
    """Return (count, D, D) random rotations; small ones for a small `spread`, all alike (mirrored ones too) from about 2 on."""
    orthogonal, upper = np.linalg.qr(np.eye(dims) + spread * random.standard_normal((count, dims, dims)))
    return orthogonal * np.sign(np.diagonal(upper, axis1=1, axis2=2))[:, None, :]


def _local(axes: torch.Tensor, centres: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Return (n, R, P) projections of (D, P) points, seen from (n, D) centres, on (n, R, D) axes."""
    offsets = (axes @ centres[..., None]).reshape(-1, 1)
    return torch.addmm(offsets, axes.reshape(-1, axes.shape[2]), points, beta=-1).view(*axes.shape[:2], points.shape[1])
