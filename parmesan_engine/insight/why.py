"""Why a pixel got its answer: the examples that voted, and the best example of every other class. Knows no user interface."""

from dataclasses import dataclass

import numpy as np
import torch

from parmesan_engine.calibration import calibrate
from parmesan_engine.errors import ShapeError
from parmesan_engine.predictor import UNKNOWN, Predictor
from parmesan_engine.search.distance import scores
from parmesan_engine.transduction import votes


@dataclass(frozen=True)
class NeighborInfo:
    """One example as an argument. at: its pixel; label: class id or value; similarity: cosine; vote: its share, 0 to 1."""

    entry: int
    sample_id: str
    at: tuple[int, ...]
    label: float
    similarity: float
    vote: float
    source: str
    author: str
    gesture: str
    time: float


@dataclass(frozen=True)
class Explanation:
    """The answer at one pixel and what decided it.

    label: predicted class id, -1 where the memory abstains, None for values; shares: class name -> probability after message
    passing; opponents: class name -> nearest example of that class, for every class but the predicted one.
    smoothed: True when message passing changed the class that the neighbours alone would have given.
    """

    at: tuple[int, ...]
    label: int | None
    value: float | None
    shares: dict[str, float]
    neighbors: tuple[NeighborInfo, ...]
    opponents: dict[str, NeighborInfo]
    conflict: float
    novelty: float
    abstained: bool
    smoothed: bool
    version: str


def explain(predictor: Predictor, name: str, at: tuple[int, ...], *, top: int = 8) -> Explanation:
    """Return what decided pixel `at` of a held sample, strongest votes first. Raises ShapeError when `at` lies outside."""
    state, task = predictor.states[name], predictor.task
    shape = state.pyramid.spatial_shape
    if len(at) != len(shape) or any(not 0 <= a < n for a, n in zip(at, shape, strict=True)):
        raise ShapeError(f"a pixel inside {shape}", f"{at}", "choose one inside the sample")
    prediction = predictor.predict(name, box=tuple((a, a + 1) for a in at))
    here = (0,) * len(at)
    node = torch.from_numpy(state.pyramid.levels[0].nodes_of(np.asarray([at])))
    neighbors = state.live.rows(node.to(predictor.device))
    shares = votes(neighbors, predictor.tables.weights, predictor.metric.tau)
    order = torch.argsort(-shares[0], stable=True)[:top]
    order = order[neighbors.ids[0, order] >= 0]
    arguments = _describe(predictor, neighbors.ids[0, order], neighbors.distances[0, order], shares[0, order])
    conflict, novelty = float(prediction.conflict[here]), float(prediction.novelty[here])
    abstained = novelty >= UNKNOWN
    if task.kind == "regression":
        return Explanation(at, None, float(prediction.values[here]), {}, arguments, {}, conflict, novelty, abstained, False,
                           prediction.version)
    label = int(prediction.labels[here])
    distribution = {c: float(p) for c, p in zip(task.classes, prediction.probabilities[(slice(None), *here)], strict=True)}
    alone = int(calibrate(state.answers, predictor.tables.totals)[node[0]].argmax())
    return Explanation(at, label, None, distribution, arguments, _opponents(predictor, state.queries[node], label),
                       conflict, novelty, abstained, not abstained and alone != label, prediction.version)


def _opponents(predictor: Predictor, query: torch.Tensor, label: int) -> dict[str, NeighborInfo]:
    """Return the nearest example of each class other than `label` (no vote: it may not be among the voters)."""
    distances = 1 - scores(query, predictor.index.keys)[0]
    classes = predictor.tables.labels[predictor.index.ids].argmax(1)
    found = {}
    for c, class_name in enumerate(predictor.task.classes):
        of_class = (classes == c).nonzero().flatten()
        if c == label or len(of_class) == 0:
            continue
        best = of_class[distances[of_class].argmin()]
        nothing = torch.zeros(1, device=predictor.device)
        (found[class_name],) = _describe(predictor, predictor.index.ids[best][None], distances[best][None], nothing)
    return found


def _describe(predictor: Predictor, ids: torch.Tensor, distances: torch.Tensor, shares: torch.Tensor) -> tuple[NeighborInfo, ...]:
    at, memory = ids.numpy(force=True), predictor.memory
    rows = zip(at, memory.provenance(at), memory.answers(at), distances, shares, strict=True)
    return tuple(
        NeighborInfo(int(entry), p.sample_id, p.coordinates, float(answer), 1 - float(distance), float(share), p.source,
                     p.author, p.gesture, p.time)
        for entry, p, answer, distance, share in rows
    )
