"""Fit a metric from what a memory holds. The choice of entries depends on their content alone, never on their order."""

from collections.abc import Callable

import numpy as np

from parmesan_engine.memory.reading import Reader
from parmesan_engine.metric import Metric, fit
from parmesan_engine.metric.fitting import MAX_ENTRIES, content_order
from parmesan_engine.types import TaskSpec


def fit_metric(memory: Reader, groups: tuple[str, ...], task: TaskSpec, *,
               progress: Callable[[float], None] | None = None) -> Metric:
    """Return the metric of the current entries: the same for the same set of entries, whatever their order.

    groups: the encoder's name of each feature. Only the entries that the fit can use are read. Raises EmptyMemoryError.
    """
    ids = memory.ids
    ids = ids[content_order(memory.ties(ids))[:MAX_ENTRIES]]
    everything = memory.columns()
    samples = everything.sample[np.searchsorted(everything.ids, ids)]
    return fit(memory.keys(ids), memory.labels(ids), groups=groups, ties=memory.ties(ids), sample_codes=samples,
               kind=task.kind, progress=progress)
