"""Fit a metric from the memory itself: maximise the leave-one-sample-out likelihood of the soft nearest-neighbour vote.

After neighbourhood components analysis (Goldberger et al., NIPS 2004), with three changes [ours]: all entries of an anchor's
own sample are left out, so what is maximised is the score on *new* samples; distances are taken between lifted keys, as
in the search; weights are shrunk towards those of their kind and scale, and the mixing of features towards none.

Guarantees: the result is a pure function of the set of entries, bit for bit, on one machine and thread count; entries beyond
MAX_ENTRIES take part by hashed content key, so time is bounded whatever the size of the memory.
"""

from collections.abc import Callable

import numpy as np
import torch

from parmesan_engine.errors import EmptyMemoryError, ShapeError, UnknownNameError
from parmesan_engine.metric.frozen import Metric
from parmesan_engine.metric.model import Model, standardise

MAX_ENTRIES = 4_096
ANCHORS, STEPS = 384, 80
RATE, MIXING_RATE = 0.1, 0.01
VOTERS = 16
# With one sample there is nothing to leave out but single entries, whose neighbours in the stroke are nearly copies of them:
# the score is too good, so the fit is held back this many times harder.
ONE_SAMPLE_CAUTION = 10.0
SURE = 1e-3  # floor of a probability: one hopeless anchor must not rule the fit


def fit(keys: np.ndarray, labels: np.ndarray, *, groups: tuple[str, ...], ties: np.ndarray, sample_codes: np.ndarray,
        kind: str = "segmentation", device: str = "cpu", progress: Callable[[float], None] | None = None) -> Metric:
    """Fit a metric. Raises EmptyMemoryError, ShapeError, UnknownNameError.

    keys: (n, D) raw features; labels: (n, L) class histograms or (n, 1) values; groups: "kind@scale" or "kind" of each feature;
    ties: (n,) int64 content keys; sample_codes: (n,) int, equal for entries of the same sample; progress: called with
    the fraction done, may raise to cancel.
    """
    keys, labels = np.asarray(keys), np.asarray(labels)
    _check(keys, labels, groups, ties, sample_codes, kind)
    order = content_order(ties)[:MAX_ENTRIES]
    mean, scale = standardise(keys[order].astype(np.float64))
    rows = torch.tensor((keys[order] - mean) / scale, dtype=torch.float32, device=device)
    targets = torch.tensor(labels[order], dtype=torch.float32, device=device)
    unit = 1.0
    if kind == "regression":
        unit = float(labels[order].astype(np.float64).std()) or 1.0
        targets = (targets - float(labels[order].astype(np.float64).mean())) / unit
    codes = np.unique(np.asarray(sample_codes)[order], return_inverse=True)[1]
    one_sample = codes.max() == 0
    apart = torch.tensor(np.arange(len(codes)) if one_sample else codes, device=device)
    model = Model(groups, device)
    score = _ascend(model, rows, targets, apart, kind, ONE_SAMPLE_CAUTION if one_sample else 1.0, progress)
    return model.freeze(mean, scale, rows, k=VOTERS, score=score * unit, fitted=len(keys))


def content_order(ties: np.ndarray) -> np.ndarray:
    """Return the order of rows by hashed tie (splitmix64): random-like, yet a function of content alone."""
    x = np.asarray(ties, np.int64).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.argsort(x ^ (x >> np.uint64(31)), kind="stable")


def left_out_vote(logits: torch.Tensor, targets: torch.Tensor, apart: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
    """Return the (a, L) vote of all entries outside each anchor's own sample, from (a, n) logits."""
    return torch.softmax(logits.masked_fill(apart[anchors, None] == apart, -1e30), dim=1) @ targets


def _ascend(model: Model, rows: torch.Tensor, targets: torch.Tensor, apart: torch.Tensor, kind: str, caution: float,
            progress: Callable[[float], None] | None) -> float:
    """Climb for a fixed number of Adam steps, anchors being consecutive blocks of the content order. Return the mean
    log-likelihood, or minus the root mean squared error, over the last anchors of one round."""
    n = len(rows)
    optimiser = torch.optim.Adam([{"params": model.weights, "rate": RATE}, {"params": [model.mixing], "rate": MIXING_RATE}])
    history = []
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = group["rate"] * 0.5 * (1 + np.cos(np.pi * step / STEPS))
        anchors = (torch.arange(min(ANCHORS, n), device=rows.device) + step * ANCHORS) % n
        vote = left_out_vote(model.logits(rows, anchors), targets, apart, anchors)
        if kind == "regression":
            loss = (vote - targets[anchors]).square().mean()
        else:
            loss = -torch.log((vote * targets[anchors]).sum(dim=1) + SURE).mean()
        optimiser.zero_grad()
        (loss + caution / n * model.penalty()).backward()
        optimiser.step()
        history.append(float(loss.detach()))
        if progress is not None:
            progress((step + 1) / STEPS)
    recent = float(np.mean(history[-max(1, min(STEPS // 4, n // ANCHORS)):]))
    return -recent**0.5 if kind == "regression" else -recent


def _check(keys: np.ndarray, labels: np.ndarray, groups: tuple[str, ...], ties: np.ndarray, sample_codes: np.ndarray,
           kind: str) -> None:
    if kind not in ("segmentation", "regression"):
        raise UnknownNameError("kind segmentation or regression", repr(kind), "correct the task of the project")
    if len(keys) == 0:
        raise EmptyMemoryError("at least one entry to fit a metric from", "an empty memory", "label some pixels first")
    if keys.ndim != 2 or labels.ndim != 2 or {len(labels), len(ties), len(sample_codes)} != {len(keys)}:
        raise ShapeError("keys (n, D), labels (n, L), ties (n,) and sample_codes (n,)",
                         f"{keys.shape}, {labels.shape}, {np.shape(ties)}, {np.shape(sample_codes)}", "pass whole columns")
    if len(groups) != keys.shape[1]:
        raise ShapeError(f"{keys.shape[1]} group names, one per feature", f"{len(groups)}", "use the encoder's groups")
