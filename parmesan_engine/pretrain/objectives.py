"""What a network is trained for. An objective makes the batch of a step from its seed alone, and the loss of a network on it.

So a run that is continued sees what it would have seen. Here: dense contrast between two views, of procedural scenes, of the user's own
pictures, or of both in turn.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from parmesan_engine.encoders.normalise import Normaliser
from parmesan_engine.pretrain.contrastive import Pairs, contrast
from parmesan_engine.pretrain.views import Views
from parmesan_engine.types import Sample

PLACES = 48  # compared per picture
TEMPERATURE = 0.1


class DenseContrast:
    """sources: each makes the views of a step from a seed; step after step they take turns."""

    def __init__(self, sources: Sequence[Callable[[int], Views]], *, seed: int = 0, places: int = PLACES,
                 temperature: float = TEMPERATURE) -> None:
        self.sources = sources
        self.seed = seed
        self.places = places
        self.temperature = temperature

    def batch(self, step: int) -> dict[str, torch.Tensor]:
        """Return pictures (2 B, C, *S), the first views and then the second, normalised as encoders do, and the pairs of places."""
        random = np.random.default_rng((self.seed, step))
        views = self.sources[step % len(self.sources)](int(random.integers(2**62)))
        pairs = Pairs.drawn(views, self.places, random)
        tensors = {"pictures": normalised(torch.cat([views.first, views.second])), "index": pairs.pictures, "pixels": pairs.pixels,
                   "places": pairs.places}
        return tensors if pairs.regions is None else tensors | {"regions": pairs.regions}

    def loss(self, net: nn.Module, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the mean contrast over the levels of the network's pyramid."""
        pictures = tensors["pictures"]
        pairs = Pairs(tensors["index"], tensors["pixels"], tensors["places"], tensors.get("regions"))
        losses = [contrast(*level.chunk(2), pairs, stride=stride, temperature=self.temperature)
                  for level, stride in zip(net(pictures), net.strides, strict=True)]
        return torch.stack(losses).mean()


def normalised(pictures: torch.Tensor) -> torch.Tensor:
    """Return (B, C, *S) pictures, each as encoders see samples: median 0 and p99 - p1 = 4.65 in each channel."""
    arrays = [picture.contiguous().numpy() for picture in pictures]
    return torch.from_numpy(np.stack([Normaliser.of(Sample(array, "view")).apply(array) for array in arrays]))
