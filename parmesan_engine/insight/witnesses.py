"""What the other examples say about each example: leave-one-stroke-out over a memory, exactly.

The places of one stroke are near copies of each other, so a stroke is left out as a whole: the witnesses of an example are the
k nearest examples of other strokes. A stroke is what one gesture labelled in one sample.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from parmesan_engine.predictor import Predictor
from parmesan_engine.search import ExactIndex
from parmesan_engine.transduction import spread, transfer, votes
from parmesan_engine.types import Neighbors

WIDE = 4  # lists this many times as long as needed hold enough witnesses where strokes are small
PROBES, ALL_PROBES = 256, 20_000  # examples heard of one stroke (evenly spread over it), and of all strokes together
FEWEST = 4  # ... but at least so many of each stroke
Progress = Callable[[float], None] | None


@dataclass(frozen=True)
class Strokes:
    """The active examples by stroke. ids: (n,) ascending; stroke: (n,) number of each one's; count: strokes."""

    ids: np.ndarray
    stroke: np.ndarray
    count: int

    def members(self, number: int) -> np.ndarray:
        return self.ids[self.stroke == number]


@dataclass(frozen=True)
class Testimony:
    """answers: (p, L) mean label of the witnesses of each example, by their votes; nearest: (p,) distance of the nearest
    witness; spread: (p,) standard deviation of values, 0 for classes. Rows of 0 and inf where there is no witness."""

    answers: torch.Tensor
    nearest: torch.Tensor
    spread: torch.Tensor


def strokes_of(predictor: Predictor) -> Strokes:
    """Return the strokes of the memory that a predictor reads."""
    columns = predictor.memory.columns()
    on = np.isin(columns.ids, predictor.memory.ids)  # not those that are switched off
    pairs = np.stack([columns.gesture[on], columns.sample[on]], 1)
    distinct, stroke = np.unique(pairs, axis=0, return_inverse=True)
    return Strokes(columns.ids[on], stroke.reshape(-1), len(distinct))


def probes_of(strokes: Strokes) -> np.ndarray:
    """Return the (p,) positions in `strokes.ids` of the examples to hear: all of a small stroke, an even spread of a large one."""
    most = min(PROBES, max(FEWEST, ALL_PROBES // max(strokes.count, 1)))
    order = np.argsort(strokes.stroke, kind="stable")
    starts = np.searchsorted(strokes.stroke[order], np.arange(strokes.count + 1))
    parts = [order[np.unique(np.linspace(a, b - 1, min(most, b - a)).round().astype(int))]
             for a, b in pairwise(starts)]
    return np.sort(np.concatenate(parts)) if parts else np.empty(0, int)


def testimony(predictor: Predictor, strokes: Strokes, probes: np.ndarray, progress: Progress = None) -> Testimony:
    """Return what the examples of other strokes say at the positions `probes` of `strokes.ids`."""
    keys, _ = predictor.index.lookup(torch.from_numpy(strokes.ids[probes]).to(predictor.device))
    return of_others(predictor, strokes, keys, strokes.stroke[probes], progress)


def of_others(predictor: Predictor, strokes: Strokes, keys: torch.Tensor, own: np.ndarray, progress: Progress = None, *,
              small: bool = True) -> Testimony:
    """Return what the examples of all strokes but the (p,) `own` say at (p, D) keys.

    small: strokes are; else a long list holds little but the own one, and each is left out at once. The answer is the same.
    """
    index, k = exact_copy(predictor), predictor.k
    found, settled = _wide(predictor, index, strokes, keys, own) if small else _unsettled(len(keys), k, predictor.device)
    left = np.unique(own[~settled])
    for done, number in enumerate(left):
        rows = np.flatnonzero(~settled & (own == number))
        members = torch.from_numpy(strokes.members(number)).to(predictor.device)
        index.remove(members)
        part = index.search(keys[rows], k)
        index.add(members, *predictor.index.lookup(members))
        found.distances[rows], found.ids[rows] = part.distances, part.ids
        if progress:
            progress((done + 1) / len(left))
    return testify(predictor, found)


def exact_copy(predictor: Predictor) -> ExactIndex:
    """Return an exact index of the same entries and keys, whatever the predictor's is, from which entries may go and come back.

    In a format in which a key that was read and is added again is the same key: not float16, which rounds once more.
    """
    index = predictor.index
    form = "int8" if getattr(index, "key_format", "") == "int8" else "float32"
    if type(index) is ExactIndex and index.key_format == form:
        return index.copy()
    made = ExactIndex(channels=index.channels, device=str(index.device), key_format=form)
    made.add(index.ids, *index.lookup(index.ids))
    return made


def _unsettled(count: int, k: int, device: torch.device) -> tuple[Neighbors, np.ndarray]:
    distances, ids = torch.full((count, k), torch.inf, device=device), torch.full((count, k), -1, device=device)
    return Neighbors(distances, ids), np.zeros(count, bool)


def testify(predictor: Predictor, found: Neighbors) -> Testimony:
    """Return what some witnesses say, by the votes of the predictor."""
    shares = votes(found, predictor.tables.weights, predictor.metric.tau)
    answers = transfer(found, shares, predictor.tables.labels)
    values = predictor.task.kind == "regression"
    sigma = spread(found, shares, predictor.tables.labels, answers) if values else torch.zeros(len(answers), device=answers.device)
    return Testimony(answers, found.distances[:, 0].masked_fill(~shares.any(1), torch.inf), sigma)


def _wide(predictor: Predictor, index: ExactIndex, strokes: Strokes, keys: torch.Tensor,
          own_stroke: np.ndarray) -> tuple[Neighbors, np.ndarray]:
    """Return the witnesses found in one long search, and the (p,) mask of the probes for which that was enough."""
    k, device = predictor.k, predictor.device
    width = min(WIDE * k, max(len(index), k))
    near = index.search(keys, width)
    stroke = torch.full((index.top + 1,), -1, dtype=torch.int64, device=device)
    stroke[torch.from_numpy(strokes.ids).to(device)] = torch.from_numpy(strokes.stroke).to(device)
    own = (stroke[near.ids] == torch.from_numpy(own_stroke).to(device)[:, None]) | (near.ids < 0)
    order = torch.argsort(own.to(torch.uint8), dim=1, stable=True)[:, :k]
    none = own.gather(1, order)
    found = Neighbors(near.distances.gather(1, order).masked_fill(none, torch.inf), near.ids.gather(1, order).masked_fill(none, -1))
    settled = ~none.any(1) if width < len(index) else torch.ones(len(keys), dtype=torch.bool)
    return found, settled.numpy(force=True)
