"""Where to label next: the places whose label would answer most of the doubt that is left, and why they are in doubt.

    doubt_j  = 1 - (1 - conflict_j)(1 - novelty_j), passed between alike nodes: the doubt of a thin border is not worth a label
    worth_i  = mean_j doubt_j exp(-d_ij / tau)          how loudly an example at i would speak where there is doubt
    doubt_j *= 1 - exp(-d_ij / tau)                     once i is chosen: the next one is somewhere else

The kernel is that of the vote, so "alike" means what it means to the memory [ours; a greedy facility location].
"""

from dataclasses import dataclass, field, replace

import numpy as np
import torch

from parmesan_engine.errors import LimitError
from parmesan_engine.message_passing import refine
from parmesan_engine.predictor import REACH, Predictor, SampleState
from parmesan_engine.search.distance import scores

NODES = 2048  # evenly spread nodes stand for the doubt of a whole sample
DOUBTFUL = 512  # the nodes in most doubt are candidates too: an even spread would miss what is small
NEVER_SEEN, CONTRADICT = "never seen", "examples contradict"


@dataclass(frozen=True)
class Suggestion:
    """A place worth a label. at: a pixel; worth: share, 0 to 1, of the sample that is in doubt and would hear of the label;
    reason: NEVER_SEEN or CONTRADICT; key: its (D,) key, to tell alike places of other samples."""

    sample_id: str
    at: tuple[int, ...]
    reason: str
    worth: float
    conflict: float
    novelty: float
    key: torch.Tensor = field(repr=False, compare=False)


def doubt(predictor: Predictor, name: str) -> torch.Tensor:
    """Return the (nodes,) doubt of a held sample, 0 to 1."""
    state = predictor.states[name]
    alone = 1 - (1 - state.conflict.clamp(0, 1)) * (1 - (state.nearest / REACH).clamp(0, 1))
    return refine(alone[:, None], state.listen, steps=predictor.steps, lam=predictor.lam)[:, 0]


def suggest(predictor: Predictor, name: str, *, count: int = 1, passed: np.ndarray | None = None) -> list[Suggestion]:
    """Return up to `count` places of a held sample, the most useful first; nothing that is labelled already.

    passed: (n, spatial_dims) pixels that were offered before and not labelled: they and what is like them count as answered.
    Raises LimitError when count is below 1.
    """
    if count < 1:
        raise LimitError("at least one place to ask for", f"{count}", "ask for 1 or more")
    state = predictor.states[name]
    open_, left = _open(predictor, name), doubt(predictor, name)
    spread = torch.arange(0, len(left), len(left) // NODES | 1, device=left.device)  # an odd step keeps to no column
    candidates = torch.unique(torch.cat([spread, torch.argsort(-left * open_, stable=True)[:DOUBTFUL]]))
    candidates = candidates[open_[candidates]]
    if len(candidates) == 0:
        return []
    loud = _loudness(predictor, state.queries[candidates], state.queries[spread])
    left = left[spread].clone()
    if passed is not None and len(passed):
        nodes = torch.from_numpy(state.pyramid.levels[0].nodes_of(np.asarray(passed)))
        left *= (1 - _loudness(predictor, state.queries[nodes], state.queries[spread])).prod(0)
        loud[torch.isin(candidates, nodes.to(candidates.device))] = 0
    found = []
    for _ in range(min(count, len(candidates))):
        worth = loud @ left / len(spread)
        best = int(worth.argmax())
        if worth[best] <= 0:
            break
        found.append(_suggestion(predictor, name, state, int(candidates[best]), float(worth[best])))
        left *= 1 - loud[best]
        loud[best] = 0
    return found


def spread_out(predictor: Predictor, suggestions: list[Suggestion]) -> list[Suggestion]:
    """Return suggestions of several samples, the most useful first, each one worth less by what it shares with those before it."""
    left, ordered = list(suggestions), []
    keys = torch.stack([one.key for one in left]) if left else torch.empty(0)
    worth = torch.tensor([one.worth for one in left])
    while left and len(ordered) < len(left):
        best = int(worth.argmax())
        ordered.append(replace(left[best], worth=float(worth[best])))
        worth *= 1 - _loudness(predictor, keys[best][None], keys)[0].cpu()
        worth[best] = -1
    return ordered


def _open(predictor: Predictor, name: str) -> torch.Tensor:
    """Return the (nodes,) mask of the nodes of a held sample that have no example."""
    fine = predictor.states[name].pyramid.levels[0]
    free = torch.ones(len(fine.keys), dtype=torch.bool)
    labelled = predictor.memory.select(sample=name)
    if len(labelled):
        free[torch.from_numpy(fine.nodes_of(predictor.memory.coordinates(labelled)))] = False
    return free.to(predictor.device)


def _loudness(predictor: Predictor, speakers: torch.Tensor, listeners: torch.Tensor) -> torch.Tensor:
    """Return (s, l) in [0, 1]: how loudly an example with one key speaks at another, 1 where they are the same."""
    return torch.exp((scores(speakers, listeners) - 1).clamp(max=0) / predictor.metric.tau)


def _suggestion(predictor: Predictor, name: str, state: SampleState, node: int, worth: float) -> Suggestion:
    fine = state.pyramid.levels[0]
    at = np.asarray(np.unravel_index(node, fine.grid)) * np.asarray(fine.stride)  # where its features were taken
    conflict, novelty = float(state.conflict[node]), float((state.nearest[node] / REACH).clamp(0, 1))
    return Suggestion(name, tuple(at.tolist()), NEVER_SEEN if novelty >= conflict else CONTRADICT, worth, conflict, novelty,
                      state.queries[node].clone())  # a view would keep the queries of the whole sample
