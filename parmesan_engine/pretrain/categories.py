"""The objective of photographs with categories: say at every node of every level which category covers it (cross-entropy)."""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from parmesan_engine.pretrain.photographs import Photographs

EVERY = 2  # of the finest level's nodes, one in so many per axis is asked: neighbours say the same
SMOOTHING = 0.05


class Categories:
    """Collages of a folder of photographs as (batch, 3, y, x) pictures and (batch, y, x) categories."""

    name = "categories"

    def __init__(self, photographs: Photographs) -> None:
        self.photographs = photographs

    def heads(self, outputs: int, levels: int) -> nn.Module:
        """Return what reads the answer off the features: one linear layer per level, thrown away afterwards."""
        return nn.ModuleList([nn.Linear(outputs, len(self.photographs.categories)) for _ in range(levels)])

    def batch(self, rng: np.random.Generator, count: int, size: int) -> tuple[torch.Tensor, ...]:
        """Return pictures and their categories."""
        return self.photographs.collages(rng, count, size)

    def loss(self, net: nn.Module, heads: nn.Module, tensors: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Return the mean cross-entropy over levels, each node asked for the category at its centre."""
        pictures, categories = tensors
        levels, losses = net(pictures), []
        for number, (level, head, stride) in enumerate(zip(levels, heads, net.strides, strict=True)):
            every = EVERY if number == 0 else 1
            truth = categories[:, stride // 2::stride * every, stride // 2::stride * every]
            answer = head(level[:, :, ::every, ::every].movedim(1, -1))
            losses.append(cross_entropy(answer.flatten(0, -2), truth.flatten(), label_smoothing=SMOOTHING))
        return torch.stack(losses).mean()
