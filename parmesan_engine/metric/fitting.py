"""Fit a metric from the memory itself: maximise the leave-one-sample-out likelihood of the soft nearest-neighbour vote.

After neighbourhood components analysis (Goldberger et al., NIPS 2004), with four changes [ours]: all entries of an anchor's
own sample are left out, so what is maximised is the score on *new* samples; distances are taken between lifted keys, as
in the search; weights are shrunk towards those of their kind and scale, and the mixing of features towards none; features are
bent first, so that the tails of their distributions do not rule (`scaling`).

The result is a pure function of the set of entries, bit for bit whatever the number of threads, on one kind of processor and
version of NumPy. Entries beyond MAX_ENTRIES take part by hashed content key, so time is bounded whatever the size of the
memory. It runs on one CPU thread always: a fit in the background must not stall the strokes in the foreground.
"""

import threading
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from parmesan_engine.errors import EmptyMemoryError, ShapeError, UnknownNameError
from parmesan_engine.metric.families import Fitted, joined, subsets
from parmesan_engine.metric.frozen import Metric
from parmesan_engine.metric.model import MAX_OUTPUTS, Model
from parmesan_engine.metric.scaling import axes, bend, bends, standardise

MAX_ENTRIES = 6_144
ANCHORS, STEPS = 512, 80
RATE, RATES = 0.1, {"mixing": 0.02}
LAST = 10  # steps whose losses give the score
VOTERS = 16
# What a few samples have in common is not yet what new samples have. With S < FEW_SAMPLES the fit is held back (FEW_SAMPLES / S)
# to the power HELD_BACK times harder, and every second step leaves single entries out instead of whole samples, so that it
# must also suit the samples at hand. Measured on held-back training samples of four datasets with 1 to 8 labelled samples.
FEW_SAMPLES, HELD_BACK = 16, 1.5
ONE_SAMPLE = 10.0  # there is nothing to leave out but single entries, whose neighbours in a stroke are nearly copies of them
WIDEN = 3.0  # the temperature of the vote over the fitted one: new samples lie farther off than those that made the metric ...
WIDEN_SAMPLES = 4  # ... by 1 + S / this for few samples S, where the vote has few entries to be wide over
_one_thread = threading.Lock()  # sums must not be split by the number of threads, which is a setting of the whole process
SURE = 1e-3  # floor of a probability: one hopeless anchor must not rule the fit


def fit(keys: np.ndarray, labels: np.ndarray, *, groups: tuple[str, ...], ties: np.ndarray, sample_codes: np.ndarray,
        kind: str = "segmentation", progress: Callable[[float], None] | None = None) -> Metric:
    """Fit a metric. Raises EmptyMemoryError, ShapeError, UnknownNameError.

    keys: (n, D) raw features; labels: (n, L) class histograms or (n, 1) values; groups: "kind@scale" or "kind" of each feature;
    ties: (n,) int64 content keys; sample_codes: (n,) int, equal for entries of the same sample; progress: called with
    the fraction done, may raise to cancel.
    """
    keys, labels = np.asarray(keys), np.asarray(labels)
    _check(keys, labels, groups, ties, sample_codes, kind)
    order = content_order(ties)[:MAX_ENTRIES]
    keys, labels = keys[order].astype(np.float64), labels[order].astype(np.float64)
    with _one_thread, threadpool_limits(1, user_api="blas"):
        return _fit(keys, labels, groups, np.unique(np.asarray(sample_codes)[order], return_inverse=True)[1],
                    kind == "regression", len(ties), progress)


def _fit(keys: np.ndarray, labels: np.ndarray, groups: tuple[str, ...], codes: np.ndarray, regression: bool, fitted: int,
         progress: Callable[[float], None] | None) -> Metric:
    centre, curve = bends(keys)
    rows = bend(keys, centre, curve)
    scale = standardise(rows)[1]
    rows /= scale
    unit = 1.0
    if regression:
        unit = float(labels.std()) or 1.0
        labels = (labels - labels.mean()) / unit
    samples, alone = int(codes.max()) + 1, np.arange(len(codes))
    apart = (alone,) if samples == 1 else (codes, alone) if samples < FEW_SAMPLES else (codes,)
    caution = ONE_SAMPLE if samples == 1 else max(1.0, FEW_SAMPLES / samples) ** HELD_BACK
    loss_of_vote = squared_error if regression else surprise
    rows, labels = rows.astype(np.float32), labels.astype(np.float32)
    fits, parts = [], subsets(groups)
    for number, some in enumerate(parts):
        own, mine = tuple(groups[i] for i in some), np.ascontiguousarray(rows[:, some])
        model = Model(own, axes(mine.astype(np.float64), own, MAX_OUTPUTS))
        part = (lambda f, done=number: progress((done + f) / len(parts))) if progress else None
        loss = _ascend(model, mine, labels, apart, loss_of_vote, caution, part)
        projection = np.zeros((len(groups), model.basis.shape[1]))
        projection[some] = model.projection()
        fits.append(Fitted(projection, model.tau, loss))
    best = joined(fits, rows)
    score = -unit * best.loss**0.5 if regression else -best.loss
    return Metric(centre, best.projection / scale[:, None], tau=min(WIDEN, 1 + samples / WIDEN_SAMPLES) * best.tau, k=VOTERS,
                  score=score, fitted=fitted, curve=curve)


def content_order(ties: np.ndarray) -> np.ndarray:
    """Return the order of rows by hashed tie (splitmix64): random-like, yet a function of content alone."""
    x = np.asarray(ties, np.int64).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.argsort(x ^ (x >> np.uint64(31)), kind="stable")


def surprise(vote: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean negative log-likelihood of (a, L) class histograms, and its gradient by the (a, L) vote."""
    likely = (vote * targets).sum(axis=1, keepdims=True) + np.float32(SURE)
    return -float(np.log(likely).mean()), -targets / likely / len(vote)


def squared_error(vote: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean squared error and its gradient by the vote."""
    error = vote - targets
    return float(np.square(error).mean()), 2 * error / error.size


def _ascend(model: Model, rows: np.ndarray, targets: np.ndarray, apart: tuple[np.ndarray, ...], loss_of_vote: Callable, caution: float,
            progress: Callable[[float], None] | None) -> float:
    """Climb for a fixed number of Adam steps, anchors being consecutive blocks of the content order.

    apart: codes of what is left out together with an anchor, taken in turns. Return the mean loss over the anchors of the last
    steps that used the first of them.
    """
    n = len(rows)
    first = {name: np.zeros_like(value) for name, value in model.values.items()}
    second = {name: np.zeros_like(value) for name, value in model.values.items()}
    losses = []
    for step in range(STEPS):
        anchors = (np.arange(min(ANCHORS, n)) + step * ANCHORS) % n
        loss, gradient = model.loss_and_gradient(rows, targets, apart[step % len(apart)], anchors, loss_of_vote)
        price = model.penalty_gradient()
        rate = 0.5 * (1 + np.cos(np.pi * step / STEPS))
        for name, value in model.values.items():
            slope = gradient[name] + caution / n * price[name]
            first[name] = 0.9 * first[name] + 0.1 * slope
            second[name] = 0.999 * second[name] + 0.001 * np.square(slope)
            length = np.sqrt(second[name] / (1 - 0.999 ** (step + 1))) + 1e-8
            value -= (rate * RATES.get(name, RATE) * first[name] / (1 - 0.9 ** (step + 1)) / length).astype(value.dtype)
        losses.append(loss)
        if progress is not None:
            progress((step + 1) / STEPS)
    return float(np.mean(losses[:: len(apart)][-LAST:]))


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
