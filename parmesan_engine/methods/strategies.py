"""What a network does against forgetting, behind one interface: nothing, all data again, a penalty, or a buffer of examples.

A network learns a step from labelled nodes only; what each strategy does with the others stands with it.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from torch.nn import functional

from parmesan_engine.methods.examples import Example, drawn
from parmesan_engine.methods.network import Grid, Head, Network
from parmesan_engine.methods.training import Penalty, cut
from parmesan_engine.registry import Registry

STRATEGIES = Registry("strategy")
TEMPERATURE = 2.0  # of the distilled classes, as in Li and Hoiem


@STRATEGIES.register("finetune")
class Finetune:
    """Go on with the new examples alone: the lower bound. Nodes without label teach nothing.

    strength: of the penalty of lwf and ewc; budget: bytes of replay's buffer, 0 for no limit; seed: of its lots. The others ignore them.
    """

    afresh: ClassVar[bool] = False  # whether each step begins with new weights

    def __init__(self, *, strength: float = 1.0, budget: int = 0, seed: int = 0) -> None:
        self.strength = strength
        self.budget = budget
        self.seed = seed

    def lessons(self, new: Sequence[Example]) -> list[tuple[Example, int]]:
        """Return what is learned in a step, the new examples last, and how many examples each stands for."""
        return [(example, 1) for example in new]

    def penalty(self, before: Network | None) -> Penalty | None:
        """Return what is added to the loss of a step, given the network that the steps before have left."""
        return None

    def keep(self, new: Sequence[Example], net: Network, grids: Sequence[Grid]) -> None:
        """Take up, at the end of a step, what later ones need. grids: of the new examples."""

    @property
    def bytes(self) -> int:
        """All that is kept beside the network."""
        return 0

    @property
    def note(self) -> str:
        return ""


@STRATEGIES.register("joint")
class Joint(Finetune):
    """Keep all examples and train anew on all, as if there had been one step: the upper bound. Nodes without label teach nothing."""

    afresh: ClassVar[bool] = True

    @cached_property
    def kept(self) -> list[Example]:
        return []

    def lessons(self, new: Sequence[Example]) -> list[tuple[Example, int]]:
        return [(example, 1) for example in (*self.kept, *new)]

    def keep(self, new: Sequence[Example], net: Network, grids: Sequence[Grid]) -> None:
        self.kept.extend(new)

    @property
    def bytes(self) -> int:
        return sum(example.bytes for example in self.kept)


@STRATEGIES.register("replay")
class Replay(Finetune):
    """Go on with the new examples and a buffer of earlier ones, a fair draw that fits into `budget` bytes.

    Experience replay from a reservoir (Chaudhry et al. 2019, arXiv 1902.10486). Each kept example is learned as often as those it
    stands for would have been, so that no step counts more than another. Nodes without label teach nothing.
    """

    @cached_property
    def kept(self) -> list[tuple[float, Example]]:
        return []

    @cached_property
    def random(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)

    seen: int = 0  # examples of all steps

    def lessons(self, new: Sequence[Example]) -> list[tuple[Example, int]]:
        copies = max(1, round(self.seen / max(len(self.kept), 1)))
        return [(example, copies) for _, example in self.kept] + super().lessons(new)

    def keep(self, new: Sequence[Example], net: Network, grids: Sequence[Grid]) -> None:
        self.seen += len(new)
        self.kept[:] = drawn([*self.kept, *((self.random.random(), example) for example in new)], self.budget)

    @property
    def bytes(self) -> int:
        return sum(example.bytes for _, example in self.kept)

    @property
    def note(self) -> str:
        return f"keeps {len(self.kept)} of {self.seen} samples"


@STRATEGIES.register("lwf")
class Lwf(Finetune):
    """Learning without Forgetting (Li and Hoiem 2016, arXiv 1606.09282): answer about the new samples as before the step, too.

    The network of the step before is the teacher, so nothing is kept between steps. It is asked about all nodes of the new samples,
    labelled or not: where an old class has become background, the teacher still names it. It compares only the
    classes that the teacher was taught, at temperature 2, and values by half their squared difference.
    """

    def penalty(self, before: Network | None) -> Penalty | None:
        if before is None:
            return None

        def distance(net: Network, grid: Grid, features: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                old = before.features(grid.values)
            return self.strength * sum(_distilled(net.head(task), before.head(task), features, old) for task in before.tasks)

        return distance


@STRATEGIES.register("ewc")
class Ewc(Finetune):
    """Elastic weight consolidation (Kirkpatrick et al. 2017, arXiv 1612.00796): weights that matter to earlier steps move less.

    Matters: the diagonal of the Fisher information, with labels drawn from the network's own answers, per labelled node. The
    information of all steps is added up around the last weights, as Huszar (2018, arXiv 1712.03847) corrects it: bytes do not grow
    with steps. At strength 1 each earlier step weighs as much as the new one. Nodes without label do not count.
    """

    @cached_property
    def fisher(self) -> dict[str, torch.Tensor]:
        return {}

    def penalty(self, before: Network | None) -> Penalty | None:
        if before is None:
            return None
        anchors = {name: weight.detach() for name, weight in before.named_parameters()}

        def stiffness(net: Network, grid: Grid, features: torch.Tensor) -> torch.Tensor:
            now = dict(net.named_parameters())
            moved = sum((self.fisher[name] * (now[name] - anchors[name]).square()).sum() for name in self.fisher)
            return 0.5 * self.strength * moved

        return stiffness

    def keep(self, new: Sequence[Example], net: Network, grids: Sequence[Grid]) -> None:
        for name, information in _fisher(net, grids, self.seed).items():
            self.fisher[name] = self.fisher.get(name, 0.0) + information

    @property
    def bytes(self) -> int:
        return sum(one.numel() * one.element_size() for one in self.fisher.values())


def _distilled(head: Head, teacher: Head, features: torch.Tensor, old: torch.Tensor) -> torch.Tensor:
    """Return how far the answers of a head are from its teacher's, mean over nodes."""
    with torch.no_grad():
        wanted = teacher(old)
    if head.values:
        return 0.5 * functional.mse_loss(head(features), wanted)
    shares, logs = (answer[:, teacher.taught] / TEMPERATURE for answer in (wanted, head(features)))
    return (shares.softmax(1) * (shares.log_softmax(1) - logs.log_softmax(1))).sum(1).mean()


def _fisher(net: Network, grids: Sequence[Grid], seed: int) -> dict[str, torch.Tensor]:
    """Return the mean over labelled nodes of squared gradients of the log likelihood of labels drawn from the answers, by weight."""
    random, lots = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    weights, nodes = dict(net.named_parameters()), 0
    total = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for grid in (cut(grid, random, varied=False) for grid in grids):
        head, answer = net.head(grid.task), net(grid.values, grid.task)[0][:, grid.known]
        nodes += answer.shape[1]
        if head.values:
            likelihood = (answer * torch.randn(answer.shape, generator=lots).to(answer.device)).sum()
        else:
            chosen = torch.multinomial(answer.detach().softmax(0).T.cpu(), 1, generator=lots).to(answer.device)
            likelihood = answer.log_softmax(0).gather(0, chosen.T).sum()
        found = torch.autograd.grad(likelihood, list(weights.values()), allow_unused=True)
        for name, gradient in zip(weights, found, strict=True):
            if gradient is not None:
                total[name] += gradient.square()
    return {name: one / max(nodes, 1) for name, one in total.items()}
