"""The reverse of why: all that some examples decide, and what the answers would be without them. Commits nothing."""

import numpy as np
import torch

from parmesan_engine.insight.imagine import imagine
from parmesan_engine.predictor import Predictor
from parmesan_engine.transduction import votes


def reach(predictor: Predictor, name: str, ids: np.ndarray) -> torch.Tensor:
    """Return the (nodes,) share, 0 to 1, of each node's vote that entries `ids` hold in a held sample; 0 where nobody votes."""
    state = predictor.states[name]
    chosen = torch.zeros(len(predictor.tables.weights) + 1, dtype=torch.bool, device=predictor.device)
    known = ids[ids < len(predictor.tables.weights)]
    chosen[torch.from_numpy(known).to(predictor.device)] = True  # the last element stays False: what the id -1 reads
    neighbors = state.live.neighbors
    shares = votes(neighbors, predictor.tables.weights, predictor.metric.tau)
    return (shares * chosen[neighbors.ids]).sum(1)


def without(predictor: Predictor, ids: np.ndarray, returning: np.ndarray, names: list[str]) -> Predictor:
    """Return the predictor, under the same metric, of the memory without entries `ids`, holding the samples `names`.

    returning: removed entries that come back when `ids` go (`Memory.displaced_by`).
    """
    return imagine(predictor, predictor.memory.without(ids, returning), names)
