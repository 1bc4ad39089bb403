"""The loop that trains a pyramid network: any objectives in turn, growing pictures, averaged weights; can stop and go on bit for bit.

Batches are functions of (seed, step), so a run continued from a checkpoint is the run that was never stopped. AdamW (Loshchilov and
Hutter, ICLR 2019) with a cosine schedule; what is kept is the moving average of the weights.
"""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import DataLoader

from parmesan_engine.errors import FormatError

RATE, WARM_UP, DECAY = 1.5e-3, 150, 0.05
CLIP = 5.0  # length of the gradient
AVERAGE = 0.998  # of the moving average, reached slowly from the start
GROWTH = ((0.45, 64, 64), (0.8, 96, 32), (1.0, 128, 32))  # until this share of the steps: edge of the pictures, how many in a batch
EVERY = 500  # steps between checkpoints


class Objective(Protocol):
    """What a network is trained for. heads: what is thrown away afterwards."""

    name: str

    def heads(self, outputs: int, levels: int) -> nn.Module: ...

    def batch(self, rng: np.random.Generator, count: int, size: int) -> tuple[torch.Tensor, ...]: ...

    def loss(self, net: nn.Module, heads: nn.Module, tensors: tuple[torch.Tensor, ...]) -> torch.Tensor: ...


class Batches(torch.utils.data.Dataset):
    """The batch of each step, made by its objective; steps take objectives in turn."""

    def __init__(self, objectives: Sequence[Objective], steps: int, seed: int) -> None:
        self.objectives, self.steps, self.seed = objectives, steps, seed

    def __getitem__(self, step: int) -> tuple[torch.Tensor, ...]:
        torch.set_num_threads(1)
        _, size, count = next(g for g in GROWTH if step < g[0] * self.steps or g is GROWTH[-1])
        return self.objectives[step % len(self.objectives)].batch(np.random.default_rng([self.seed, step]), count, size)


class Training:
    """One run: network, heads, optimiser and average. `steps` in all, of which `step` are done."""

    def __init__(self, net: nn.Module, objectives: Sequence[Objective], *, steps: int, seed: int = 0, device: str = "cpu") -> None:
        self.objectives, self.steps, self.seed, self.device, self.step = objectives, steps, seed, device, 0
        self.net = net.to(device)
        torch.manual_seed(seed)
        self.heads = nn.ModuleList([o.heads(net.shape["outputs"], len(net.strides)) for o in objectives]).to(device)
        shrunk = [p for p in net.parameters() if p.ndim > 1 and p.shape.numel() > p.shape[0]]  # gains and biases are left alone
        chosen = {id(p) for p in shrunk}
        rest = [p for p in [*net.parameters(), *self.heads.parameters()] if id(p) not in chosen]
        self.optimizer = torch.optim.AdamW([{"params": shrunk, "weight_decay": DECAY}, {"params": rest, "weight_decay": 0.0}],
                                           lr=RATE, betas=(0.9, 0.99))
        self.average = {name: value.detach().clone() for name, value in net.state_dict().items()}

    def run(self, *, checkpoint: Path | None = None, workers: int = 1, progress: Callable[[int, float], None] | None = None) -> None:
        """Train to the end. progress(step, loss) may raise to cancel: what was done until then is in the checkpoint."""
        batches = DataLoader(Batches(self.objectives, self.steps, self.seed), batch_size=None, sampler=range(self.step, self.steps),
                             num_workers=workers)
        try:
            for tensors in batches:
                loss = self._advance(tuple(t.to(self.device) for t in tensors))
                if checkpoint and self.step % EVERY == 0:
                    self.save(checkpoint)
                if progress:
                    progress(self.step, loss)
        finally:
            if checkpoint:
                self.save(checkpoint)

    def _advance(self, tensors: tuple[torch.Tensor, ...]) -> float:
        turn = self.step % len(self.objectives)
        rate = RATE * min(1, (self.step + 1) / WARM_UP) * (0.5 * (1 + math.cos(math.pi * self.step / self.steps)) + 0.005)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.net.train()
        loss = self.objectives[turn].loss(self.net, self.heads[turn], tensors)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), CLIP)
        self.optimizer.step()
        self.step += 1
        keep = min(AVERAGE, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for name, value in self.net.state_dict().items():
                if value.is_floating_point():
                    self.average[name].lerp_(value, 1 - keep)
                else:
                    self.average[name].copy_(value)
        return loss.item()

    def _tensors(self) -> dict[str, torch.Tensor]:
        held = {f"net.{k}": v for k, v in self.net.state_dict().items()} | {f"average.{k}": v for k, v in self.average.items()}
        held |= {f"heads.{k}": v for k, v in self.heads.state_dict().items()}
        for number, state in self.optimizer.state_dict()["state"].items():
            held |= {f"optimizer.{number}.{k}": v for k, v in state.items()}
        return {name: value.detach().cpu().clone() for name, value in held.items()}  # clone: the file may not share storage

    def save(self, path: Path) -> None:
        """Write all that is needed to go on, beside, and rename it into place."""
        beside = path.with_name(path.name + ".new")
        save_file(self._tensors(), beside, metadata={"about": json.dumps(self._about())})
        beside.replace(path)

    def _about(self) -> dict[str, Any]:
        return {"step": self.step, "steps": self.steps, "seed": self.seed, "shape": self.net.shape,
                "objectives": [o.name for o in self.objectives]}

    def resume(self, path: Path) -> None:
        """Take up a checkpoint of the same run. Raises FormatError for one of another."""
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {}).get("about", "{}"))
            if about | {"step": 0} != self._about() | {"step": 0}:
                raise FormatError(f"a checkpoint of this run, {self._about()}", f"{about}", "give the same arguments, or start anew")
            held = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dictionary)
        part = {room: {k.removeprefix(room + "."): v for k, v in held.items() if k.startswith(room + ".")}
                for room in ("net", "average", "heads", "optimizer")}
        self.net.load_state_dict(part["net"])
        self.heads.load_state_dict(part["heads"])
        self.average = {name: value.to(self.device) for name, value in part["average"].items()}
        state: dict[int, dict] = {}
        for name, value in part["optimizer"].items():
            number, _, field = name.partition(".")
            state.setdefault(int(number), {})[field] = value
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": state})
        self.step = about["step"]
