"""Train a U-Net on labelled grids until the score of those held back stops rising. Deterministic by its seed, unless time runs out.

A grid is a sample as the encoders see it: normalised, at the nodes that they would predict, with coordinates.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from parmesan_engine.evaluation import confusion, ious
from parmesan_engine.methods.unet_net import UNet

RATE, SLOWER = 1e-3, 0.3
STEPS = 96  # steps of a round, at the least: a round of a few samples would be scored more than it learns
PATIENCE, DROP = 8, 3  # rounds without a better score until it stops, and until it goes on more slowly
HELD_BACK = 0.15  # share of the samples that are not learned from
BALANCE = 0.5  # class weights: frequency to this power, inverted; 1 would make rare classes too large, 0 would miss them
PATCH = 1 << 16  # nodes that a step learns from; larger grids are cut at random
BRIGHTNESS = CONTRAST = 0.15  # standard deviation of what samples may differ by: a scanner, a lamp. No flips: left may mean something


@dataclass(frozen=True)
class Grid:
    """values: (C, *grid) float32; labels: (L, *grid) shares of classes or (1, *grid) values; known: (*grid) bool, where they count."""

    values: torch.Tensor
    labels: torch.Tensor
    known: torch.Tensor


@dataclass(frozen=True)
class Training:
    """What came of it. score: of the best round, of the samples held back; stopped: in words."""

    net: UNet
    rounds: int
    best: int
    score: float
    stopped: str


def train(grids: list[Grid], *, regression: bool, seed: int, minutes: float, device: str,
          progress: Callable[[float], None] | None = None) -> Training:
    """Return the network of the best round. progress: called with the share of the time used up; may raise to stop.

    The order of samples, cuts and first weights depend on the seed alone. With a single sample there is nothing to hold back: it
    is scored on what it learned.
    """
    random, order = np.random.default_rng(seed), np.random.default_rng(seed).permutation(len(grids))
    held = order[: max(1, round(HELD_BACK * len(grids)))]
    learned = order if len(grids) == 1 else order[len(held) :]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = UNet(len(grids[0].values), len(grids[0].labels), grids[0].known.ndim).to(device)
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE)
    weights = None if regression else _class_weights([grids[i] for i in learned]).to(device)
    start, best, score, kept, number, stopped = time.perf_counter(), 0, -np.inf, net.state_dict(), 0, ""
    while not stopped:
        number += 1
        net.train()
        steps = max(STEPS, len(learned))
        for index in np.concatenate([random.permutation(learned) for _ in range(-(-steps // len(learned)))])[:steps]:
            _step(net, optimiser, _cut(grids[index], random), weights, device)
            used = (time.perf_counter() - start) / max(60 * minutes, 1e-9)
            if progress:
                progress(min(0.99, used))
            if used > 1:
                stopped = f"{minutes:g} minutes were over"
                break
        new = score_of(net, [grids[i] for i in held], regression, device)
        if new > score:
            best, score, kept = number, new, copy.deepcopy(net.state_dict())
        elif number - best >= PATIENCE:
            stopped = stopped or "its validation score stopped rising"
        elif (number - best) % DROP == 0:
            for group in optimiser.param_groups:
                group["lr"] *= SLOWER
    net.load_state_dict(kept)
    return Training(net.eval(), number, best, float(score), stopped)


def predict(net: UNet, values: torch.Tensor, device: str) -> torch.Tensor:
    """Return (L, *grid): probabilities are left to the caller. values: (C, *grid)."""
    with torch.inference_mode():
        return net(values[None].to(device))[0].cpu()


def score_of(net: UNet, grids: list[Grid], regression: bool, device: str) -> float:
    """Return the mean intersection over union of the known nodes of all grids, or minus the root mean squared error."""
    net.eval()
    squared, count, counts = 0.0, 0, 0
    for grid in grids:
        answer = predict(net, grid.values, device)
        if regression:
            squared += float((answer[0] - grid.labels[0])[grid.known].square().sum())
            count += int(grid.known.sum())
        else:
            truth = torch.where(grid.known, grid.labels.argmax(0), -1)
            counts = counts + confusion(truth.numpy(), answer.argmax(0).numpy(), len(grid.labels))
    return -((squared / max(count, 1)) ** 0.5) if regression else float(np.nanmean(ious(counts)))


def _step(net: UNet, optimiser: torch.optim.Optimizer, grid: Grid, weights: torch.Tensor | None, device: str) -> None:
    answer, labels, known = net(grid.values[None].to(device))[0][:, grid.known], grid.labels[:, grid.known].to(device), grid.known
    if not known.any():
        return
    if weights is None:
        loss = functional.huber_loss(answer, labels)
    else:
        share = weights[:, None] * labels
        loss = -(share * functional.log_softmax(answer, 0)).sum() / share.sum()
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimiser.step()


def _class_weights(grids: list[Grid]) -> torch.Tensor:
    """Return (L,) weights that balance the classes; a class that is not there has none."""
    counts = sum(grid.labels[:, grid.known].sum(1) for grid in grids)
    return torch.where(counts > 0, counts.sum() / counts.clamp_min(1e-6), 0.0) ** BALANCE


def _cut(grid: Grid, random: np.random.Generator) -> Grid:
    """Return a part of at most PATCH nodes at a random place, a little brighter or darker."""
    shape = grid.known.shape
    edge = PATCH ** (1 / len(shape))
    sizes = [min(n, int(edge)) for n in shape] if grid.known.numel() > PATCH else list(shape)
    starts = [int(random.integers(0, n - size + 1)) for n, size in zip(shape, sizes, strict=True)]
    place = tuple(slice(a, a + n) for a, n in zip(starts, sizes, strict=True))
    values = grid.values[(slice(None), *place)].clone()
    channels = len(values) - len(shape)  # coordinates stay
    gain, shift = random.normal(1, CONTRAST), random.normal(0, BRIGHTNESS)
    values[:channels] = values[:channels] * float(gain) + float(shift)
    return Grid(values, grid.labels[(slice(None), *place)], grid.known[place])
