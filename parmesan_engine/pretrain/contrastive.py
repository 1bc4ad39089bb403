"""Dense contrastive learning: a place looks to the network like the same place in another view, and unlike all other places.

InfoNCE (van den Oord et al. 2018, arXiv 1807.03748) over places instead of pictures, as in VADeR (Pinheiro et al. 2020, arXiv
2011.05499) and DenseCL (Wang et al. 2021, arXiv 2011.09157). Theirs have projection heads and a momentum encoder with a queue; ours
compares the very features that the memory will compare, in one network, with the places of the batch as negatives.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import cross_entropy, normalize

from parmesan_engine.pretrain.views import Views, sampled


@dataclass(frozen=True)
class Pairs:
    """n places that both views show. pictures: (n,). pixels: (n, D) in the first view; places: (n, D) in the second, float.

    regions: (n,) the thing that each shows, or None.
    """

    pictures: torch.Tensor
    pixels: torch.Tensor
    places: torch.Tensor
    regions: torch.Tensor | None = None

    @classmethod
    def drawn(cls, views: Views, count: int, random: np.random.Generator) -> "Pairs":
        """Return `count` random places of each picture, or all that both views show."""
        shape, dims = views.where.shape[1:-1], views.where.shape[-1]
        rows = views.where.reshape(len(views.where), -1, dims)
        parts = []
        for number, known in enumerate(torch.isfinite(rows).all(-1).numpy()):
            pool = np.flatnonzero(known)
            chosen = random.choice(pool, min(count, len(pool)), replace=False)
            parts.append(np.stack([np.full(len(chosen), number), chosen], 1))
        pictures, pixels = torch.from_numpy(np.concatenate(parts)).T
        axes = torch.from_numpy(np.stack(np.unravel_index(pixels.numpy(), shape), 1))
        regions = None if views.regions is None else views.regions.flatten(1)[pictures, pixels]
        return cls(pictures, axes.float(), rows[pictures, pixels], regions)

    def to(self, device: torch.device | str) -> "Pairs":
        """Return the pairs on a device."""
        regions = None if self.regions is None else self.regions.to(device)
        return Pairs(self.pictures.to(device), self.pixels.to(device), self.places.to(device), regions)


def contrast(first: torch.Tensor, second: torch.Tensor, pairs: Pairs, *, stride: float, temperature: float = 0.1) -> torch.Tensor:
    """Return the loss of (B, C, *s) feature maps of two views, a scalar: low where pairs are alike and all others are not.

    stride: pixels per node, whose middle is at (i + 1/2) stride - 1/2. Places of one picture that are nearer than a stride, or on the same
    region, are not told apart: they are neither alike by force nor negatives. The mean over both directions; 0 without a pair.
    """
    if len(pairs.pictures) == 0:
        return (first.sum() + second.sum()) * 0.0
    one = _rows(first, pairs.pictures, pairs.pixels, stride)
    two = _rows(second, pairs.pictures, pairs.places, stride)
    scores = (one @ two.T / temperature).masked_fill(_too_near(pairs, stride), -torch.inf)
    own = torch.arange(len(scores), device=scores.device)
    return (cross_entropy(scores, own) + cross_entropy(scores.T, own)) / 2


def _rows(maps: torch.Tensor, pictures: torch.Tensor, pixels: torch.Tensor, stride: float) -> torch.Tensor:
    """Return (n, C) features of length 1 at (n, D) pixels; pictures are in ascending order, and each is read in one go."""
    places = (pixels + 0.5) / stride - 0.5
    counts = torch.bincount(pictures, minlength=len(maps)).tolist()
    parts = [sampled(maps[[number]], part[None])[0].T for number, part in enumerate(places.split(counts)) if len(part)]
    return normalize(torch.cat(parts).float(), dim=1)


def _too_near(pairs: Pairs, stride: float) -> torch.Tensor:
    """Return (n, n) whether two different pairs are too near, or too much the same thing, to be each other's negatives."""
    same = pairs.pictures[:, None] == pairs.pictures
    near = torch.cdist(pairs.places, pairs.places, p=torch.inf) < stride
    if pairs.regions is not None:
        near |= pairs.regions[:, None] == pairs.regions
    return same & near & ~torch.eye(len(same), dtype=torch.bool, device=same.device)
