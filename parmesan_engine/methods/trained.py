"""Base of methods that train a network by gradients, one step after the other: what is learned is in its weights."""

import copy
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from parmesan_engine.device import device_of
from parmesan_engine.errors import FormatError
from parmesan_engine.methods.examples import Example
from parmesan_engine.methods.method import Experience, Lesson, Method, Progress, answer_of, unknown
from parmesan_engine.methods.network import Grid, Head, Network
from parmesan_engine.methods.strategies import STRATEGIES, Finetune
from parmesan_engine.methods.training import train
from parmesan_engine.types import FeaturePyramid, Sample


class Trained(Method):
    """A network that goes on learning by a strategy (see `strategies`); a subclass says what network, and what it sees.

    strategy: finetune, joint, lwf, ewc or replay; strength: of the penalty of lwf and ewc; budget: bytes that replay may keep, 0 for no
    limit (the other strategies have no buffer); seed: of first weights and order; minutes: for a step, at most; device: where to train.
    """

    rate: ClassVar[float]  # of learning
    varied: ClassVar[bool]  # whether what it sees are pictures, of which brighter and darker ones may be made

    limits: ClassVar = {"strategy": tuple(STRATEGIES.names()), "budget": (0, 2**40), "seed": (0, 2**31), "minutes": (0, 24 * 60)}

    def __init__(self, *, strategy: str = "finetune", strength: float = 1.0, budget: int = 0, seed: int = 0, minutes: float = 30.0,
                 device: str = "cpu") -> None:
        self.strategy = strategy
        self.strength = strength
        self.budget = budget
        self.seed = seed
        self.minutes = minutes
        self.device = device

    def examples(self, lesson: Lesson) -> list[Example]:
        """Return the samples of a lesson as they are kept."""
        raise NotImplementedError

    def trunk(self, examples: list[Example]) -> nn.Module:
        """Return the new trunk of a network that begins with these examples."""
        raise NotImplementedError

    def grid(self, example: Example, head: Head) -> Grid:
        """Return an example as the network learns it."""
        raise NotImplementedError

    def seen(self, query: FeaturePyramid | Sample) -> tuple[torch.Tensor, FeaturePyramid]:
        """Return (channels, *grid) of what is asked about, and a pyramid whose finest level has these nodes."""
        raise NotImplementedError

    @cached_property
    def learning(self) -> Finetune:
        """The strategy at work, with what it keeps between steps."""
        return STRATEGIES.get(self.strategy)(strength=self.strength, budget=self.budget, seed=self.seed)

    net: Network | None = None
    lessons: int = 0  # observed so far

    def prepare(self) -> None:
        torch.optim.AdamW([nn.Parameter(torch.zeros(1))])  # the first optimiser of a process loads for seconds

    def begin_experience(self, experience: Experience) -> None:
        if self.strength < 0 or self.budget < 0:
            raise FormatError("strength and budget of 0 or more", f"{self.strength} and {self.budget}", "correct the method's keywords")
        device_of(self.device), self.learning  # what these refuse is known before anything is observed
        super().begin_experience(experience)
        self._new: list[Example] = []

    def observe(self, lesson: Lesson) -> None:
        self._new += self.examples(lesson)
        self.lessons += 1

    def end_experience(self, progress: Progress = None) -> None:
        if not self._new:
            return
        lessons = self.learning.lessons(self._new)
        net = self._network([example for example, _ in lessons])
        grids = [self._grid(example, copies, net) for example, copies in lessons]
        net.teach(grids)
        done = train(net, grids, seed=self.seed, minutes=self.minutes, rate=self.rate, varied=self.varied,
                     penalty=self.learning.penalty(self.net), progress=progress)
        self.learning.keep(self._new, net, grids[-len(self._new):])
        self.net, self._new = net, []
        parameters = sum(weight.numel() for weight in net.parameters())
        notes = [f"{parameters:,} parameters, {done.rounds} rounds, best after {done.best} with {done.score:.4f} on samples held back",
                 f"stopped because {done.stopped}", self.learning.note]
        self.note = "; ".join(filter(None, notes))

    def predict(self, query: FeaturePyramid | Sample, task_name: str = "") -> np.ndarray:
        name = self.chosen(task_name)
        if self.net is None or name not in self.net.tasks:
            return unknown(query.spatial_shape, self.tasks.get(name))
        values, pyramid = self.seen(query)
        rows = self.net.answer(values, name)
        return answer_of(rows.reshape(len(rows), -1).T.numpy(), pyramid, self.tasks[name])

    @property
    def bytes(self) -> int:
        """Of parameters and of what the strategy keeps: Fisher information, or examples."""
        return (self.net.bytes if self.net else 0) + self.learning.bytes

    def _network(self, examples: list[Example]) -> Network:
        """Return the network that learns these examples: a copy of the last, or a new one, with heads for their tasks."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            net = Network(self.trunk(examples)) if self.net is None or self.learning.afresh else copy.deepcopy(self.net)
            for name in dict.fromkeys(example.task for example in examples):
                known = len(net.tasks)
                head = net.add(name, self.tasks[name])
                if head.values and len(net.tasks) > known:
                    values = np.concatenate([one.labels[np.isfinite(one.labels)] for one in examples if one.task == name])
                    head.spread.copy_(torch.tensor([float(values.mean()), float(values.std()) or 1.0]))
        return net.to(device_of(self.device))

    def _grid(self, example: Example, copies: int, net: Network) -> Grid:
        grid = self.grid(example, net.head(example.task))
        return Grid(grid.values, grid.labels, grid.known, example.task, example.lesson, copies)
