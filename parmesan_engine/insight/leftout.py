"""How well a memory answers for what it has not seen: some of its examples, each answered by the examples of other samples.

The same examples can be put to another version of the memory, also one that no longer holds them: what the two scores differ in
is what the difference of the versions costs. Like the fit of the metric it leaves out the whole sample, whose other places are
near copies; a memory of one sample leaves out the stroke.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from parmesan_engine.calibration import calibrate
from parmesan_engine.evaluation import Score
from parmesan_engine.insight.witnesses import WIDE, Strokes, of_others
from parmesan_engine.metric.fitting import content_order
from parmesan_engine.predictor import Predictor
from parmesan_engine.transduction import largest

PROBES = 4096  # examples asked for: the standard error of an accuracy is below 0.8 percent ...
PAIRS, FEWEST = 1 << 31, 512  # ... fewer in a large memory, so that the time stays bounded: distances to compute; probes at least
GROUPS = 256  # samples that they come from: each is left out by a search of its own
LEFT_OUT = {"sample": "sample", "stroke": "gesture"}  # what is left out, by the column that tells


@dataclass(frozen=True)
class Probes:
    """Examples to ask for. keys: (p, D) under the metric; labels: (p, L); own: (p,) code of what each belongs to; left_out: its name."""

    keys: torch.Tensor
    labels: np.ndarray
    own: np.ndarray
    left_out: str


def probes_of(predictor: Predictor) -> Probes | None:
    """Return the probes of a memory, chosen by content alone; None when all its examples come from one stroke."""
    memory, columns = predictor.memory, predictor.memory.columns()
    left_out = next((name for name, column in LEFT_OUT.items() if len(np.unique(getattr(columns, column))) > 1), None)
    if left_out is None:
        return None
    own = getattr(columns, LEFT_OUT[left_out])
    order = content_order(memory.ties(columns.ids))
    groups, first = np.unique(own[order], return_index=True)
    heard = groups[np.argsort(first)[:GROUPS]]
    chosen = order[np.isin(own[order], heard)][: min(PROBES, max(FEWEST, PAIRS // len(order)))]
    keys = predictor.metric.transform(torch.from_numpy(memory.keys(columns.ids[chosen])).to(predictor.device))
    return Probes(keys, memory.labels(columns.ids[chosen]), own[chosen].astype(np.int64), left_out)


def score_of(predictor: Predictor, probes: Probes, progress: Callable[[float], None] | None = None) -> Score:
    """Return the score of the answers that a version of the memory gives to probes, by what is not their own."""
    task, columns = predictor.task, predictor.memory.columns()
    codes = getattr(columns, LEFT_OUT[probes.left_out]).astype(np.int64)
    groups = Strokes(np.array(columns.ids), codes, int(codes.max(initial=-1)) + 1)
    large = len(codes) > WIDE * predictor.k * len(np.unique(codes))
    said = of_others(predictor, groups, probes.keys, probes.own, progress, small=not large)
    score, known = Score(task), np.isfinite(said.nearest.numpy(force=True))
    if task.kind == "segmentation":
        answers = largest(calibrate(said.answers, predictor.tables.totals).T).numpy(force=True)
        score.add(probes.labels.argmax(axis=1), np.where(known, answers, -1))
    else:
        score.add(probes.labels[:, 0], np.where(known, said.answers[:, 0].numpy(force=True), np.nan))
    return score
