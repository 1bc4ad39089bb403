"""Features learned without labels in seconds: whitened patches, a k-means dictionary, soft threshold, local pooling.

After Coates and Ng, "The importance of encoding versus training with sparse coding and vector quantization" (ICML 2011). It
stands in for a learned encoder where keys are to be measured that no hand designed: of any width, and distributed otherwise
than those of a filter bank. It is no encoder to work with: it knows one scale.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import avg_pool2d, pad, unfold

from parmesan_engine.encoders.normalise import Normaliser
from parmesan_engine.types import Sample

PATCH, STRIDE = 6, 2  # pixels
POOL = 5  # nodes along each axis whose answers are averaged
FLAT, WHITENING = 0.05, 0.1  # variances (of unit-variance pictures, of unit-variance patches) below which all is noise
THRESHOLD = 0.25
TRAINING_PATCHES, PER_PICTURE, ROUNDS = 40_000, 400, 10
TRAINING_PICTURES = TRAINING_PATCHES // PER_PICTURE


@dataclass(frozen=True)
class Dictionary:
    """mean (P,) and whitening (P, P) of patches of P values; atoms (P, D / 2), each of length 1."""

    mean: torch.Tensor
    whitening: torch.Tensor
    atoms: torch.Tensor

    def features(self, rows: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
        """Return (nodes, D) features of the (nodes, P) patches of a sample, nodes in row-major order over `grid`."""
        answers = (rows - self.mean) @ (self.whitening @ self.atoms)
        split = torch.cat([(answers - THRESHOLD).clamp_(min=0), (-answers - THRESHOLD).clamp_(min=0)], 1)
        maps = split.reshape(1, *grid, -1).movedim(-1, 1)  # features beside each other in memory: pooling is then several times faster
        for window in ((POOL, 1), (1, POOL)):  # one axis after the other: the mean over the square for less
            maps = avg_pool2d(maps, window, 1, tuple(n // 2 for n in window), count_include_pad=False)
        return maps.movedim(1, -1).reshape(len(rows), -1)


def learn(samples: Iterable[Sample], widths: tuple[int, ...], *, seed: int = 0) -> dict[int, Dictionary]:
    """Return one dictionary for each width D (even), learned from patches of unlabelled samples (3, H, W)."""
    random = np.random.default_rng(seed)
    parts = []
    for sample in samples:
        found = patches(sample)
        parts.append(found[torch.from_numpy(random.permutation(len(found))[:PER_PICTURE])])
    rows = torch.cat(parts)[:TRAINING_PATCHES]
    mean = rows.mean(0)
    rows -= mean
    variances, axes = torch.linalg.eigh(rows.T @ rows / len(rows))
    whitening = axes * (variances.clamp(min=0) + WHITENING).rsqrt() @ axes.T
    rows = rows @ whitening
    return {width: Dictionary(mean, whitening, _atoms(rows, width // 2, random)) for width in widths}


def grid_of(sample: Sample) -> tuple[int, int]:
    """Return the number of nodes along each axis of a sample (3, H, W)."""
    height, width = sample.spatial_shape
    return -(-height // STRIDE), -(-width // STRIDE)


def patches(sample: Sample) -> torch.Tensor:
    """Return (nodes, 3 * PATCH^2) patches around every STRIDE-th pixel, each of mean 0 and, where it is not flat, variance 1."""
    picture = torch.from_numpy(Normaliser.of(sample).apply(sample.array))[None]
    margin = PATCH // 2 - 1
    rows = unfold(pad(picture, (margin, PATCH - margin - 1) * 2, mode="replicate"), PATCH, stride=STRIDE)[0].T
    rows = rows - rows.mean(1, keepdim=True)
    return rows.mul_((rows.square().mean(1, keepdim=True) + FLAT).rsqrt_())


def _atoms(rows: torch.Tensor, count: int, random: np.random.Generator) -> torch.Tensor:
    """Return (P, count) centres of k-means on the sphere: each row counts for the atom whose answer is the largest in size."""
    atoms = rows[torch.from_numpy(random.choice(len(rows), count, replace=len(rows) < count))]
    for _ in range(ROUNDS):
        atoms = atoms / atoms.norm(dim=1, keepdim=True).clamp(min=1e-6)
        answers = rows @ atoms.T
        nearest = answers.abs().argmax(1, keepdim=True)
        sums = torch.zeros_like(atoms).index_add_(0, nearest[:, 0], rows * answers.gather(1, nearest))
        atoms = atoms + sums  # the old atom takes part, so one that no row chose stays as it is
    return (atoms / atoms.norm(dim=1, keepdim=True).clamp(min=1e-6)).T.contiguous()
