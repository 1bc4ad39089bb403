"""Dense contrast as an objective of the training loop: on procedural scenes, or on a folder of any samples."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from parmesan_engine.pretrain import scenes
from parmesan_engine.pretrain.contrastive import Pairs, contrast
from parmesan_engine.pretrain.photographs import normalised
from parmesan_engine.pretrain.unlabelled import Unlabelled
from parmesan_engine.pretrain.views import Views

PLACES = 48  # compared per picture


class DenseContrast:
    """name: what is learned from. views: (seed, batch, shape) -> two views of that many pictures."""

    def __init__(self, name: str, views: Callable[..., Views], spatial_dims: int) -> None:
        self.name = name
        self.views = views
        self.spatial_dims = spatial_dims

    @classmethod
    def of_scenes(cls, spatial_dims: int, channels: int) -> "DenseContrast":
        """Return the objective on procedural scenes."""
        return cls("scenes", lambda seed, batch, shape: scenes.two_views(seed, batch, shape, channels=channels), spatial_dims)

    @classmethod
    def of_pictures(cls, held: Unlabelled, spatial_dims: int) -> "DenseContrast":
        """Return the objective on a folder."""
        return cls("pictures", held.views, spatial_dims)

    def heads(self, outputs: int, levels: int) -> nn.Module:
        """Return nothing to learn: the very features that a memory compares are compared here."""
        return nn.ModuleList()

    def batch(self, rng: np.random.Generator, count: int, size: int) -> tuple[torch.Tensor, ...]:
        """Return (count, C, *S) pictures, the first views and then the second, normalised as encoders do, and the pairs of places."""
        views = self.views(int(rng.integers(2**62)), max(2, count // 2), (size,) * self.spatial_dims)
        pairs = Pairs.drawn(views, PLACES, rng)
        pictures = torch.stack([normalised(picture) for picture in torch.cat([views.first, views.second])])
        tensors = (pictures, pairs.pictures, pairs.pixels, pairs.places)
        return tensors if pairs.regions is None else (*tensors, pairs.regions)

    def loss(self, net: nn.Module, heads: nn.Module, tensors: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Return the mean contrast over the levels of the network's pyramid."""
        pictures, *rest = tensors
        pairs = Pairs(*rest)
        losses = [contrast(*level.chunk(2), pairs, stride=stride) for level, stride in zip(net(pictures), net.strides, strict=True)]
        return torch.stack(losses).mean()
