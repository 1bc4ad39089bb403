"""A linear head on frozen features: the linear probe, trained by gradients like the U-Net, with the same strategies."""

from typing import ClassVar

import numpy as np
import torch
from torch import nn

from parmesan_engine.methods.absorbing import Scaling
from parmesan_engine.methods.examples import Example
from parmesan_engine.methods.labelled import LabelledNodes
from parmesan_engine.methods.method import METHODS
from parmesan_engine.methods.network import Grid, Head
from parmesan_engine.methods.trained import Trained
from parmesan_engine.types import FeaturePyramid


class Standardised(nn.Module):
    """(batch, channels, nodes) -> the same with mean 0 and deviation 1 over the nodes that it was made with. No parameters."""

    spatial_dims = 1  # nodes in a row: a head that is linear at each place does not care where they lie

    def __init__(self, keys: list[np.ndarray]) -> None:
        super().__init__()
        rows = np.concatenate(keys).astype(np.float32, copy=False)
        self.channels = self.width = rows.shape[1]
        scaling = Scaling.of(rows)
        self.register_buffer("mean", torch.from_numpy(scaling.mean)[:, None])
        self.register_buffer("scale", torch.from_numpy(scaling.scale)[:, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean) / self.scale


@METHODS.register("linear")
class Linear(Trained):
    """Multinomial logistic (or robust linear) regression on features standardised over the first step's nodes, by a strategy.

    Only labelled nodes have features kept, so lwf distils on these.
    """

    rate: ClassVar[float] = 1e-2
    varied: ClassVar[bool] = False

    def examples(self, lesson: LabelledNodes) -> list[Example]:
        batches = (batch for batch in lesson.batches if len(batch.keys))
        return [Example.of(self.experience.task_name, self.lessons, batch.keys, batch.labels) for batch in batches]

    def trunk(self, examples: list[Example]) -> Standardised:
        return Standardised([example.values for example in examples])

    def grid(self, example: Example, head: Head) -> Grid:
        rows = torch.from_numpy(np.asarray(example.map, np.float32)).T
        if head.values:
            rows = (rows - head.spread[0].cpu()) / head.spread[1].cpu()
        return Grid(torch.from_numpy(example.values).T, rows, torch.ones(len(example.values), dtype=torch.bool))

    def seen(self, query: FeaturePyramid) -> tuple[torch.Tensor, FeaturePyramid]:
        return query.levels[0].keys.T, query
