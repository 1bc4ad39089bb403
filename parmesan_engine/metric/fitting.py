"""Fit a metric from the memory itself: maximise the leave-one-sample-out likelihood of the soft nearest-neighbour vote.

After neighbourhood components analysis (Goldberger et al., NIPS 2004), with two changes: all entries of an anchor's own
sample are left out, so what is maximised is the score on *new* samples; and weights are shrunk towards their group's.
"""

from collections.abc import Callable

import numpy as np
import torch

from parmesan_engine.errors import EmptyMemoryError, ShapeError, UnknownNameError
from parmesan_engine.metric.frozen import Metric

MAX_ENTRIES = 6_144  # entries that take part: bounds time and space whatever the size of the memory
ANCHORS, STEPS, RATE = 512, 60, 0.1
START_DISTANCE = 8.0  # mean of half the squared distance to the mean at the start, in units of the temperature
LIFT = 1 / 8  # keys are (LIFT z, 1) / length: small enough to be Euclidean within the reach of the vote
VOTERS = 32
SHRINK_GROUP, SHRINK_FEATURE = 2.0, 6.0  # in entries: penalty on squared log weights is this over the number of entries


def fit(keys: np.ndarray, labels: np.ndarray, *, groups: tuple[str, ...], ties: np.ndarray, sample_codes: np.ndarray,
        kind: str = "segmentation", device: str = "cpu", progress: Callable[[float], None] | None = None) -> Metric:
    """Fit a metric. keys: (n, D) raw features; labels: (n, L) class histograms or (n, 1) values; groups: name of the kind of
    each feature; ties: (n,) int64 content keys; sample_codes: (n,) int, equal for entries of the same sample.

    A pure function of the set of entries: rows are first put in an order that depends on `ties` alone, and a large memory
    is represented by the entries whose hashed tie is smallest.
    """
    keys, labels = np.asarray(keys, np.float32), np.asarray(labels, np.float32)
    if kind not in ("segmentation", "regression"):
        raise UnknownNameError("kind segmentation or regression", repr(kind), "correct the task of the project")
    if len(keys) == 0:
        raise EmptyMemoryError("at least one entry to fit a metric from", "an empty memory", "label some pixels first")
    if keys.ndim != 2 or labels.ndim != 2 or {len(labels), len(ties), len(sample_codes)} != {len(keys)}:
        raise ShapeError("keys (n, D), labels (n, L), ties (n,) and sample_codes (n,)",
                         f"{keys.shape}, {labels.shape}, {np.shape(ties)}, {np.shape(sample_codes)}", "pass whole columns")
    if len(groups) != keys.shape[1]:
        raise ShapeError(f"{keys.shape[1]} group names, one per feature", f"{len(groups)}", "use the encoder's groups")
    order = content_order(ties)[:MAX_ENTRIES]
    mean, scale = _standardise(keys[order].astype(np.float64))
    rows = torch.tensor((keys[order] - mean) / scale, dtype=torch.float32, device=device)
    targets = torch.tensor(labels[order], device=device)
    apart = torch.tensor(np.unique(sample_codes[order], return_inverse=True)[1], device=device)
    log_weight, score = _ascend(rows, targets, apart, _group_matrix(groups, device), kind, progress)
    weight = np.exp(log_weight.double().cpu().numpy()) / scale * LIFT
    return Metric(mean, np.diag(weight), LIFT**2, VOTERS, score, len(keys))


def content_order(ties: np.ndarray) -> np.ndarray:
    """Return the order of rows by hashed tie (splitmix64): random-like, yet a function of content alone."""
    x = np.asarray(ties, np.int64).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.argsort(x ^ (x >> np.uint64(31)), kind="stable")


def _standardise(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the scale of each feature; the scale is shrunk so that few or constant entries do no harm."""
    variance = keys.var(axis=0)
    typical = np.median(variance) or variance.mean() or 1.0
    variance = (len(keys) * variance + 4 * typical) / (len(keys) + 4)
    return keys.mean(axis=0), np.sqrt(np.maximum(variance, 1e-4 * typical))


def _group_matrix(groups: tuple[str, ...], device: str) -> torch.Tensor:
    """Return the (D, G) one-hot membership of features in groups."""
    names = sorted(set(groups))
    return torch.nn.functional.one_hot(torch.tensor([names.index(g) for g in groups], device=device), len(names)).float()


def _ascend(rows: torch.Tensor, targets: torch.Tensor, apart: torch.Tensor, member: torch.Tensor, kind: str,
            progress: Callable[[float], None] | None) -> tuple[torch.Tensor, float]:
    """Climb for a fixed number of Adam steps; anchors are consecutive blocks of the content order."""
    n, features = rows.shape
    overall = torch.full((1,), 0.5 * float(np.log(2 * START_DISTANCE / features)), device=rows.device).requires_grad_()
    by_group = torch.zeros(member.shape[1], device=rows.device, requires_grad=True)
    by_feature = torch.zeros(features, device=rows.device, requires_grad=True)
    optimiser = torch.optim.Adam([overall, by_group, by_feature], lr=RATE)
    codes = len(torch.unique(apart))
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = RATE * 0.5 * (1 + np.cos(np.pi * step / STEPS))
        anchors = (torch.arange(min(ANCHORS, n), device=rows.device) + step * ANCHORS) % n
        log_weight = overall + member @ by_group + by_feature
        loss = -left_out_score(rows * log_weight.exp(), targets, apart, anchors, kind, codes)
        shrink = SHRINK_GROUP * by_group.square().sum() + SHRINK_FEATURE * by_feature.square().sum()
        optimiser.zero_grad()
        (loss + shrink / n).backward()
        optimiser.step()
        if progress is not None:
            progress((step + 1) / STEPS)
    with torch.no_grad():
        log_weight = overall + member @ by_group + by_feature
        score = left_out_score(rows * log_weight.exp(), targets, apart,
                               torch.arange(min(n, 2 * ANCHORS), device=rows.device), kind, codes)
    return log_weight.detach(), float(score)


def left_out_score(points: torch.Tensor, targets: torch.Tensor, apart: torch.Tensor, anchors: torch.Tensor, kind: str,
                   codes: int) -> torch.Tensor:
    """Return the mean log-likelihood (or minus the mean squared error) of the anchors' labels under the soft vote of entries
    of other samples; of all other entries when there is one sample only."""
    logits = points[anchors] @ points.T - 0.5 * points.square().sum(dim=1)
    same = apart[anchors, None] == apart if codes > 1 else anchors[:, None] == torch.arange(len(points), device=points.device)
    vote = torch.softmax(logits.masked_fill(same, -1e30), dim=1) @ targets
    if kind == "regression":
        return -(vote - targets[anchors]).square().mean()
    return torch.log((vote * targets[anchors]).sum(dim=1) + 1e-3).mean()
