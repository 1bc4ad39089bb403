"""The loop that trains a pyramid network: any objectives in turn, growing pictures, averaged weights; can stop and go on bit for bit.

Batches are functions of (seed, step), so a run continued from a checkpoint is the run that was never stopped. AdamW (Loshchilov and
Hutter, ICLR 2019) with a cosine schedule; what is kept is the moving average of the weights.
"""

import copy
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from parmesan_engine.errors import LimitError
from parmesan_engine.pretrain import checkpoint

RATE, WARM_UP, DECAY = 1.5e-3, 150, 0.05
SHORT_WARM_UP = 0.1  # of a run, where that is shorter than WARM_UP steps
CLIP = 5.0  # length of the gradient
AVERAGE = 0.998  # of the moving average, reached slowly from the start
GROWTH = {  # per number of axes; until this share of the run: edge of the pictures, how many in a batch
    1: ((0.45, 512, 64), (1.0, 1024, 32)),
    2: ((0.45, 64, 64), (0.8, 96, 32), (1.0, 128, 32)),
    3: ((0.6, 24, 16), (1.0, 32, 8)),
}
EVERY = 120.0  # seconds between checkpoints

Tensors = tuple[torch.Tensor, ...]
Growth = Sequence[tuple[float, int, int]]


class Objective(Protocol):
    """What a network is trained for. heads: what is thrown away afterwards. batch: `count` pictures, all that it makes of them."""

    name: str

    def heads(self, outputs: int, levels: int) -> nn.Module: ...

    def batch(self, rng: np.random.Generator, count: int, size: int) -> Tensors: ...

    def loss(self, net: nn.Module, heads: nn.Module, tensors: Tensors) -> torch.Tensor: ...


@dataclass(frozen=True)
class Moment:
    """What a run tells after each step: share done, steps, seconds (of all its parts), and the loss, a mean over about 20 steps."""

    fraction: float
    step: int
    seconds: float
    loss: float


class Training:
    """One run of so many steps, or of so many minutes. average: the network to keep. growth: as in GROWTH, which it is unless given.

    With `steps`, a run that was stopped and resumed ends in the same bits on a CPU; with `minutes` the clock decides how far it gets.
    Raises LimitError without a length, and where pictures are no multiples of the network's coarsest stride.
    """

    def __init__(self, net: nn.Module, objectives: Sequence[Objective], *, steps: int | None = None, minutes: float | None = None,
                 seed: int = 0, device: str = "cpu", growth: Growth | None = None) -> None:
        if (steps is None) == (minutes is None):
            raise LimitError("either steps or minutes", f"steps {steps}, minutes {minutes}", "choose one of them")
        self.objectives, self.steps, self.minutes, self.seed, self.device = objectives, steps, minutes, seed, device
        self.growth = growth or GROWTH[net.shape["spatial_dims"]]
        if odd := sorted({size for _, size, _ in self.growth if size % net.strides[-1]}):
            raise LimitError(f"a coarsest stride that divides pictures of {odd} pixels", f"{net.strides[-1]}: {len(net.strides)} stages",
                             "give fewer widths and depths")
        self.net = net.to(device).train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.heads = nn.ModuleList([o.heads(net.shape["outputs"], len(net.strides)) for o in objectives]).to(device)
        weights = list(net.parameters())
        shrunk = [p for p in weights if p.ndim > 1 and p.shape.numel() > p.shape[0]]  # gains and biases are left alone
        chosen = {id(p) for p in shrunk}
        rest = [p for p in [*weights, *self.heads.parameters()] if id(p) not in chosen]
        self.optimizer = torch.optim.AdamW([{"params": shrunk, "weight_decay": DECAY}, {"params": rest, "weight_decay": 0.0}],
                                           lr=RATE, betas=(0.9, 0.99))
        self.average = copy.deepcopy(self.net).eval()
        self.step, self.loss, self._began = 0, math.nan, time.monotonic()

    @property
    def moment(self) -> Moment:
        """How far the run is."""
        seconds = time.monotonic() - self._began
        share = self.step / self.steps if self.steps else seconds / (60 * self.minutes)
        return Moment(min(1.0, share), self.step, seconds, self.loss)

    def run(self, recipe: dict[str, Any], *, saved_at: Path | None = None, progress: Callable[[Moment], None] | None = None) -> None:
        """Train to the end. progress may raise to cancel: what was done until then is in the checkpoint, which it writes now and then too.

        recipe: kept in the checkpoint, which only goes on with an equal one.
        """
        saved = time.monotonic()
        with closing(self._batches()) as batches:
            while (fraction := self.moment.fraction) < 1:
                self.advance(next(batches), fraction)
                try:
                    if progress:
                        progress(self.moment)
                except BaseException:
                    self._save(recipe, saved_at)
                    raise
                if time.monotonic() - saved > EVERY:
                    self._save(recipe, saved_at)
                    saved = time.monotonic()

    def resume(self, recipe: dict[str, Any], path: Path) -> None:
        """Take up a checkpoint of a run with the same recipe. Raises FormatError."""
        about = checkpoint.load(path, self._parts, self.optimizer, recipe)
        self.step, self.loss, self._began = about["step"], about["loss"], time.monotonic() - about["seconds"]

    @property
    def _parts(self) -> dict[str, nn.Module]:
        return {"net": self.net, "average": self.average, "heads": self.heads}

    def _save(self, recipe: dict[str, Any], path: Path | None) -> None:
        if path:
            about = {"recipe": recipe, "step": self.step, "seconds": self.moment.seconds, "loss": self.loss}
            checkpoint.save(path, self._parts, self.optimizer, about)

    def _batch(self, step: int, fraction: float) -> Tensors:
        """Return the batch of a step, made by its objective; steps take objectives in turn."""
        _, size, count = next(g for g in self.growth if fraction < g[0] or g[0] == 1)
        return self.objectives[step % len(self.objectives)].batch(np.random.default_rng([self.seed, step]), count, size)

    def _batches(self) -> Iterator[Tensors]:
        """Yield the batches from here on, in order, while threads make the next ones."""
        helpers = 1 if torch.device(self.device).type == "cpu" else max(1, (os.cpu_count() or 2) - 1)
        pool, coming, step = ThreadPoolExecutor(helpers), deque(), self.step
        try:
            while True:
                while len(coming) <= helpers:
                    fraction = step / self.steps if self.steps else self.moment.fraction
                    coming.append(pool.submit(self._batch, step, fraction))
                    step += 1
                yield coming.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def advance(self, tensors: Tensors, fraction: float) -> None:
        """Take one step. Raises LimitError for a loss that is no number: nothing good would follow."""
        turn = self.step % len(self.objectives)
        rate = RATE * min(1, max((self.step + 1) / WARM_UP, fraction / SHORT_WARM_UP)) * (0.5 * (1 + math.cos(math.pi * fraction)) + 0.005)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        kind = torch.device(self.device).type
        with torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda"):
            loss = self.objectives[turn].loss(self.net, self.heads[turn], tuple(t.to(self.device, non_blocking=True) for t in tensors))
        value = loss.item()
        if not math.isfinite(value):
            raise LimitError("a finite loss", f"{value} at step {self.step}", "train with another seed, or on other pictures")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), CLIP)
        self.optimizer.step()
        self.step += 1
        self.loss = value if math.isnan(self.loss) else 0.95 * self.loss + 0.05 * value
        _follow(self.average, self.net, min(AVERAGE, (self.step + 1) / (self.step + 10)))


@torch.no_grad()
def _follow(average: nn.Module, net: nn.Module, keep: float) -> None:
    """Move an average of weights and statistics towards those of the network."""
    for old, new in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.lerp_(new, 1 - keep)
        else:
            old.copy_(new)
