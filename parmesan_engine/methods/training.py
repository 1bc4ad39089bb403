"""Train a network on labelled grids until the score of those held back stops rising. Deterministic by its seed, unless time runs out."""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional

from parmesan_engine.evaluation import confusion, ious
from parmesan_engine.methods.network import Grid, Network

SLOWER = 0.3
STEPS = 96  # steps of a round, at the least: a round of a few samples would be scored more than it learns
PATIENCE, DROP = 8, 3  # rounds without a better score until it stops, and until it goes on more slowly
HELD_BACK = 0.15  # share of the samples of a lesson that are not learned from
BALANCE = 0.5  # class weights: frequency to this power, inverted; 1 would make rare classes too large, 0 would miss them
PATCH = 1 << 16  # nodes that a step learns from; larger grids are cut at random
BRIGHTNESS = CONTRAST = 0.15  # standard deviation of what samples may differ by: a scanner, a lamp. No flips: left may mean something

Penalty = Callable[[Network, Grid, torch.Tensor], torch.Tensor]  # of a network, what it sees, and its features of that


@dataclass(frozen=True)
class Training:
    """What came of it. score: of the best round, of the samples held back; stopped: in words."""

    rounds: int
    best: int
    score: float
    stopped: str


def train(net: Network, grids: Sequence[Grid], *, seed: int, minutes: float, rate: float, varied: bool, penalty: Penalty | None = None,
          progress: Callable[[float], None] | None = None) -> Training:
    """Give a network the weights of its best round. progress: called with the share of the time used up; may raise to stop.

    varied: grids are samples, whose brightness may vary; penalty: is added to the loss of each step. The order of samples and
    their cuts depend on the seed alone.
    """
    random = np.random.default_rng(seed)
    learned, held = _parted(grids, seed)
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate)
    weights = {task: _class_weights([grids[i] for i in dict.fromkeys(learned) if grids[i].task == task]).to(net.device)
               for task in dict.fromkeys(grid.task for grid in grids) if not net.head(task).values}
    start, best, score, kept, number, stopped = time.perf_counter(), 0, -np.inf, net.state_dict(), 0, ""
    while not stopped:
        number += 1
        net.train()
        steps = max(STEPS, len(learned))
        for index in np.concatenate([random.permutation(learned) for _ in range(-(-steps // len(learned)))])[:steps]:
            _step(net, optimiser, cut(grids[index], random, varied), weights, penalty)
            used = (time.perf_counter() - start) / max(60 * minutes, 1e-9)
            if progress:
                progress(min(0.99, used))
            if used > 1:
                stopped = f"{minutes:g} minutes were over"
                break
        new = score_of(net.eval(), [grids[i] for i in held])
        if new > score:
            best, score, kept = number, new, copy.deepcopy(net.state_dict())
        elif number - best >= PATIENCE:
            stopped = stopped or "its validation score stopped rising"
        elif (number - best) % DROP == 0:
            for group in optimiser.param_groups:
                group["lr"] *= SLOWER
    net.load_state_dict(kept)
    return Training(number, best, float(score), stopped)


def score_of(net: Network, grids: Sequence[Grid]) -> float:
    """Return the mean over tasks of the score of the known nodes: mean intersection over union, or minus the RMSE in deviations."""
    scores = []
    for task in dict.fromkeys(grid.task for grid in grids):
        squared, counts = [], 0
        for grid in (grid for grid in grids if grid.task == task):
            with torch.inference_mode():
                answer = net(grid.values, task)[0].cpu()
            if net.head(task).values:
                squared.append((answer[0] - grid.labels[0])[grid.known].square())
            else:
                truth = torch.where(grid.known, grid.labels.argmax(0), -1)
                counts = counts + confusion(truth.numpy(), answer.argmax(0).numpy(), len(grid.labels))
        scores.append(-float(torch.cat(squared).mean().sqrt()) if squared else float(np.nanmean(ious(counts))))
    return float(np.mean(scores))


def cut(grid: Grid, random: np.random.Generator, varied: bool) -> Grid:
    """Return a part of at most PATCH nodes at a random place; if varied, a little brighter or darker."""
    shape = grid.known.shape
    edge = PATCH ** (1 / len(shape))
    sizes = [min(n, int(edge)) for n in shape] if grid.known.numel() > PATCH else list(shape)
    starts = [int(random.integers(0, n - size + 1)) for n, size in zip(shape, sizes, strict=True)]
    place = tuple(slice(a, a + n) for a, n in zip(starts, sizes, strict=True))
    values = grid.values[(slice(None), *place)]
    if varied:
        channels = len(values) - len(shape)  # coordinates stay
        gain, shift = random.normal(1, CONTRAST), random.normal(0, BRIGHTNESS)
        values = torch.cat([values[:channels] * float(gain) + float(shift), values[channels:]])
    return replace(grid, values=values, labels=grid.labels[(slice(None), *place)], known=grid.known[place])


def _parted(grids: Sequence[Grid], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which grids are learned, as often as they count, and which are held back, some of each lesson: each may have its classes.

    A lesson with a single sample has nothing to hold back: it is scored on what it learned.
    """
    order, learned, held = np.random.default_rng(seed).permutation(len(grids)), [], []
    for lesson in dict.fromkeys((grid.task, grid.lesson) for grid in grids):
        mine = [i for i in order if (grids[i].task, grids[i].lesson) == lesson]
        count = max(1, round(HELD_BACK * len(mine)))
        held += mine[:count]
        learned += mine[count:] or mine
    return np.repeat(learned, [grids[i].copies for i in learned]), np.asarray(held)


def _step(net: Network, optimiser: torch.optim.Optimizer, grid: Grid, weights: dict[str, torch.Tensor],
          penalty: Penalty | None) -> None:
    if not grid.known.any():
        return
    features, head = net.features(grid.values), net.head(grid.task)
    answer, labels = head(features)[0][:, grid.known], grid.labels[:, grid.known].to(net.device)
    if head.values:
        loss = functional.huber_loss(answer, labels)
    else:
        share = weights[grid.task][:, None] * labels
        loss = -(share * functional.log_softmax(answer, 0)).sum() / share.sum()
    if penalty:
        loss = loss + penalty(net, grid, features)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimiser.step()


def _class_weights(grids: Sequence[Grid]) -> torch.Tensor:
    """Return (L,) weights that balance the classes; a class that is not there has none."""
    counts = sum(grid.copies * grid.labels[:, grid.known].sum(1) for grid in grids)
    return torch.where(counts > 0, counts.sum() / counts.clamp_min(1e-6), 0.0) ** BALANCE
