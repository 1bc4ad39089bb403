"""The examples of a memory as points in a plane, near where the metric finds them alike: what the memory explorer draws."""

from dataclasses import dataclass

import numpy as np
import torch

from parmesan_engine.errors import EmptyMemoryError
from parmesan_engine.metric.fitting import content_order
from parmesan_engine.projection import principal_axes

MOST = 5_000  # points: what a browser still draws at once


@dataclass(frozen=True)
class EntryMap:
    """ids: (n,) of the examples shown, ascending; points: (n, 2) float32; shares: of the variance along each axis.

    entries: examples in all; more than `MOST` are thinned by content, so that the choice does not depend on their order.
    """

    ids: np.ndarray
    points: np.ndarray
    shares: np.ndarray
    entries: int
    version: str
    metric: str


def map_entries(project, most: int = MOST) -> EntryMap:
    """Return the present examples as points. The project's lock is not held while they are placed. Raises EmptyMemoryError."""
    with project.lock:
        if project.memory is None:
            raise EmptyMemoryError("a project with examples", "an empty project", "label a few pixels first")
        predictor = project.live.predictor()
        view, metric = project.memory.checkout(project.version), predictor.metric
    ids = view.ids
    ids = np.sort(ids[content_order(view.ties(ids))[:most]])
    keys = metric.transform(torch.from_numpy(view.keys(ids)))
    points, shares = principal_axes(keys.numpy())
    return EntryMap(ids, points, shares, len(view), view.version, metric.id)
