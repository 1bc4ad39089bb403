"""A network of several tasks: one trunk, and for each task a head of its own that answers only the classes it was taught."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from parmesan_engine.errors import ShapeError
from parmesan_engine.types import TaskSpec

CONVOLUTION = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NEVER = -1e9  # logit of a class that was not taught: its share is exactly 0, and 0 times it is still a number


@dataclass(frozen=True)
class Grid:
    """A sample as a network learns it, for the head of a task.

    values: (channels, *grid) floats; labels: (L, *grid) shares of classes, or (1, *grid) standardised values; known: (*grid) bool,
    where labels count; lesson: of the same task whose part it is; copies: how often it is learned in a round.
    """

    values: torch.Tensor
    labels: torch.Tensor
    known: torch.Tensor
    task: str = ""
    lesson: int = 0
    copies: int = 1


class Head(nn.Module):
    """(batch, width, *spatial) features -> (batch, L, *spatial) logits, or a standardised value. Linear at each place.

    taught: (L,) bool, the classes that can be answered; spread: mean and standard deviation of the values.
    """

    def __init__(self, width: int, spatial_dims: int, task: TaskSpec) -> None:
        super().__init__()
        self.values = task.kind == "regression"
        self.linear = CONVOLUTION[spatial_dims](width, task.label_dim, 1)
        self.register_buffer("taught", torch.full((task.label_dim,), self.values))
        self.register_buffer("spread", torch.tensor([0.0, 1.0]))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        answer = self.linear(features)
        return answer.masked_fill(~self.taught.view(-1, *(1,) * (answer.ndim - 2)), NEVER)


class Network(nn.Module):
    """trunk: (batch, channels, *spatial) -> (batch, width, *spatial), with `channels`, `width` and `spatial_dims`; heads by task."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk, self.heads, self.tasks = trunk, nn.ModuleList(), []

    def head(self, task: str) -> Head:
        return self.heads[self.tasks.index(task)]

    def add(self, name: str, task: TaskSpec) -> Head:
        """Return the head of a task, a new one where there is none. Raises ShapeError for a task that has changed its classes."""
        if name not in self.tasks:
            self.tasks.append(name)
            self.heads.append(Head(self.trunk.width, self.trunk.spatial_dims, task))
        if len(self.head(name).taught) != task.label_dim:
            raise ShapeError(f"{len(self.head(name).taught)} classes of {name}, as in the steps before", f"{task.label_dim}",
                             "name all classes of the stream from its first step on")
        return self.head(name)

    def teach(self, grids: Iterable[Grid]) -> None:
        """Take up the classes of grids among those that can be answered."""
        for grid in grids:
            self.head(grid.task).taught |= (grid.labels[:, grid.known].sum(1) > 0).to(self.device) | self.head(grid.task).values

    def forward(self, values: torch.Tensor, task: str) -> torch.Tensor:
        return self.head(task)(self.features(values))

    def features(self, values: torch.Tensor) -> torch.Tensor:
        """Return (1, width, *grid) of (channels, *grid) on any device. Raises ShapeError for other channels or axes."""
        if values.ndim != self.trunk.spatial_dims + 1 or len(values) != self.trunk.channels:
            raise ShapeError(f"{self.trunk.channels} channels (with coordinates) over {self.trunk.spatial_dims} axes, as were learned",
                             f"shape {tuple(values.shape)}", "give samples like those of the first step")
        return self.trunk(values[None].to(self.device, torch.float32))

    @torch.inference_mode()
    def answer(self, values: torch.Tensor, task: str) -> torch.Tensor:
        """Return (L, *grid) shares of classes, or (1, *grid) values in their own unit, on the CPU. values: (channels, *grid)."""
        head, answer = self.head(task), self(values, task)[0]
        return (answer * head.spread[1] + head.spread[0] if head.values else answer.softmax(0)).cpu()

    @property
    def device(self) -> torch.device:
        return self.heads[0].taught.device

    @property
    def bytes(self) -> int:
        """Of parameters and buffers."""
        return sum(t.numel() * t.element_size() for t in self.state_dict().values())
