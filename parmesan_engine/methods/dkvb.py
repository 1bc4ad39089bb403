"""The discrete key-value bottleneck (Traeuble et al., ICML 2023, arXiv 2207.11240) for dense prediction; see `dkvb_keys`."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from parmesan_engine.methods.absorbing import Absorbing
from parmesan_engine.methods.dkvb_keys import fetch, fit_keys, learn_values, nearest, project, projections
from parmesan_engine.methods.method import METHODS, Progress
from parmesan_engine.types import TaskSpec

QUERY_CHUNK = 16384  # nodes projected at a time: 28 MiB for 32 codebooks
KEYS_SHARE = 0.5  # of the progress of the first step


@dataclass(frozen=True)
class Bottleneck:
    """The values of one task, (C, M, L), and for each step how often it fetched each pair, (C, M)."""

    values: torch.Tensor
    counts: dict[str, torch.Tensor]

    @property
    def used(self) -> torch.Tensor:
        """(C, M) bool: the pairs that training fetched; no others answer, or pairs that know nothing would dilute the vote."""
        return torch.stack(list(self.counts.values())).sum(0) > 0


@METHODS.register("dkvb")
class Dkvb(Absorbing):
    """Keys that are frozen after the first step, and values of which each node changes a few: what others fetch stays.

    codebooks, pairs, dims: C, M and k; the authors' 256 and 4,096 [code] take 64 times as long to answer. key_rounds: over the first step's
    nodes, to place the keys, whose labels are not looked at: the authors place them on other pictures, which a stream does not have [ours].
    rate, steps: of gradient descent on 256 nodes at a time; the authors' rate of 0.3 takes thousands of rounds to the same values [ours].

    Unlearning prunes (after Shah et al. 2023, arXiv 2311.15268): pairs that the step fetched more often than all others together [ours]
    are as if never used. Pairs that others fetched as often keep what it taught them.
    """

    limits: ClassVar = {"codebooks": (1, 256), "pairs": (1, 4096), "dims": (1, 256), "key_rounds": (0, 1000),
                        "steps": (0, 100_000), "seed": (0, 2**31)}

    def __init__(self, *, codebooks: int = 32, pairs: int = 512, dims: int = 14, key_rounds: int = 10, rate: float = 10.0,
                 steps: int = 400, seed: int = 0) -> None:
        self.codebooks = codebooks
        self.pairs = pairs
        self.dims = dims
        self.key_rounds = key_rounds
        self.rate = rate
        self.steps = steps
        self.seed = seed

    places: tuple[torch.Tensor, torch.Tensor] | None = None  # (C, D, k) projections and (C, M, k) keys, once there was a step

    @property
    def note(self) -> str:
        shares = [f"{it.model.used.float().mean():.0%}" for it in self.known.values()]
        used = f", {' and '.join(shares)} in use" if shares else ""
        return f"{self.codebooks} codebooks of {self.pairs} pairs{used}; keys placed on the first step, then frozen"

    def absorb(self, model: Bottleneck | None, features: torch.Tensor, labels: torch.Tensor, classes: torch.Tensor, task: TaskSpec,
               progress: Progress) -> Bottleneck:
        first = self.places is None
        matrices, keys = self._placed(features, progress) if first else self.places
        points, shape = project(features, matrices), (self.codebooks, self.pairs)
        found = nearest(points, keys)
        model = model or Bottleneck(torch.zeros(*shape, labels.shape[1]), {})
        values, counts = model.values.clone(), dict(model.counts)
        start = KEYS_SHARE if first else 0.0
        learn_values(values, found, labels, classify=task.kind == "segmentation", rate=self.rate, steps=self.steps, seed=self.seed,
                     progress=progress and (lambda done: progress(start + (1 - start) * done)))
        before = counts.get(self.experience.name, torch.zeros(shape, dtype=torch.int32))
        counts[self.experience.name] = before.scatter_add(1, found, torch.ones_like(found, dtype=torch.int32))
        self.places = matrices, keys
        return Bottleneck(values, counts)

    def answers(self, model: Bottleneck, features: torch.Tensor, classes: torch.Tensor, grid: tuple[int, ...],
                task: TaskSpec) -> torch.Tensor:
        (matrices, keys), used = self.places, model.used
        values = model.values[..., classes].contiguous()
        return torch.cat([fetch(values, nearest(project(part, matrices), keys, used)) for part in features.split(QUERY_CHUNK)])

    def without(self, model: Bottleneck, experience: str) -> Bottleneck | None:
        others = {name: counts for name, counts in model.counts.items() if name != experience}
        if not others:
            return None
        pruned = model.counts[experience] > sum(others.values())
        left = replace(model, values=model.values.masked_fill(pruned[..., None], 0.0),
                       counts={name: counts.masked_fill(pruned, 0) for name, counts in others.items()})
        return left if left.used.any() else None

    def model_bytes(self, model: Bottleneck) -> int:
        return model.values.nbytes + sum(counts.nbytes for counts in model.counts.values())

    @property
    def bytes(self) -> int:
        return super().bytes + sum(one.nbytes for one in self.places or ())

    def _placed(self, features: torch.Tensor, progress: Progress) -> tuple[torch.Tensor, torch.Tensor]:
        """Return projections and keys for the first (n, D) features."""
        matrices = projections(features.shape[1], self.codebooks, self.dims, self.seed)
        keys = fit_keys(project(features, matrices), self.pairs, rounds=self.key_rounds, seed=self.seed,
                        progress=progress and (lambda done: progress(KEYS_SHARE * done)))
        return matrices, keys
