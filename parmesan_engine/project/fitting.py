"""Fit a metric from what a memory holds. The choice of entries depends on their content alone, never on their order."""

import hashlib
from collections.abc import Callable

import numpy as np

from parmesan_engine.errors import VersionError
from parmesan_engine.memory.reading import Reader
from parmesan_engine.metric import Metric, fit
from parmesan_engine.metric.fitting import MAX_ENTRIES, content_order
from parmesan_engine.types import TaskSpec

# What the last fit of this process used, the ties of these entries, and what it gave
_last: tuple[bytes, np.ndarray, Metric] | None = None


def fit_metric(memory: Reader, groups: tuple[str, ...], task: TaskSpec, *,
               progress: Callable[[float], None] | None = None) -> Metric:
    """Return the metric of the current entries: the same for the same set of entries, whatever their order.

    groups: the encoder's name of each feature. Only the entries that the fit can use are read, and where they are those of the last
    fit nothing is fitted: a large memory may gain or lose many others. Raises EmptyMemoryError.
    """
    global _last
    ids = memory.ids
    ids = ids[content_order(memory.ties(ids))[:MAX_ENTRIES]]
    everything = memory.columns()
    samples = everything.sample[np.searchsorted(everything.ids, ids)]
    keys, labels, ties = memory.keys(ids), memory.labels(ids), memory.ties(ids)
    used, last = _digest(keys, labels, ties, samples, (groups, task.kind)), _last
    if last is None or last[0] != used:
        last = used, ties, fit(keys, labels, groups=groups, ties=ties, sample_codes=samples, kind=task.kind, progress=progress)
        _last = last
        try:
            memory.check()
        except VersionError:  # unlearned while it was fitted: not to be remembered
            _last = None
    return last[2]


def let_go(memory: Reader) -> None:
    """Drop the last fit unless all that it used is in the memory: of what is unlearned nothing stays."""
    global _last
    if _last and not np.isin(_last[1], memory.ties(memory.ids)).all():
        _last = None


def forget_last() -> None:
    """Drop the last fit: who measures the seconds of a fit must not be given that of another one on the same entries."""
    global _last
    _last = None


def _digest(keys: np.ndarray, labels: np.ndarray, ties: np.ndarray, samples: np.ndarray, settings: tuple) -> bytes:
    """Return a hash of all that a fit depends on: of samples only which entries share one."""
    _, first, inverse = np.unique(samples, return_index=True, return_inverse=True)
    digest = hashlib.blake2b(repr((settings, keys.shape, labels.shape)).encode())
    for array in (keys, labels, ties, first[inverse]):
        digest.update(np.ascontiguousarray(array))
    return digest.digest()
