"""Which examples the others contradict, and which strokes they could replace: leave-one-stroke-out over the memory.

An example of class a is contradicted when its witnesses give another class b at least as surely as witnesses give b to the
examples of b, and more surely than a (confident learning, Northcutt et al., JAIR 2021). The bar is set by the memory itself,
class by class; nothing is tuned. An example of a class that no other stroke has cannot be judged.

Strokes are redundant as a set: with all of them gone, the examples that stay still give each of theirs its own class.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from parmesan_engine.errors import EmptyMemoryError
from parmesan_engine.insight.witnesses import Strokes, Testimony, exact_copy, probes_of, strokes_of, testify, testimony
from parmesan_engine.memory.consolidate import compatible
from parmesan_engine.predictor import REACH, Predictor

ROBUST = 1.4826  # median absolute deviation to standard deviation, for normal errors
FAR = 3.0  # standard deviations from which a value is contradicted
Progress = Callable[[float], None] | None


@dataclass(frozen=True)
class Heard:
    """One row per example heard. label, says: class ids or values, its own and that of the witnesses; own, other: the share they
    give to either; score: 0 where it is not contradicted, up to 1; alike: they say the same."""

    ids: np.ndarray
    stroke: np.ndarray
    label: np.ndarray
    says: np.ndarray
    own: np.ndarray
    other: np.ndarray
    score: np.ndarray
    alike: np.ndarray


@dataclass(frozen=True)
class StrokeScore:
    """entries: its examples; heard: how many were left out and asked for; contradicted: how many of those; score: their mean
    contradiction; agreement: mean share that the witnesses give to its labels; worst: the most contradicted example, with its
    label, what the witnesses say there and where it is; redundant: the others could replace it."""

    gesture: str
    sample_id: str
    source: str
    author: str
    time: float
    entries: int
    heard: int
    contradicted: int
    score: float
    agreement: float
    worst: int
    at: tuple[int, ...]
    label: float
    says: float
    redundant: bool


@dataclass(frozen=True)
class Audit:
    """strokes: the most contradicted first; heard: the rows behind them; entries, version: of the memory."""

    strokes: tuple[StrokeScore, ...]
    heard: Heard
    entries: int
    version: str

    @property
    def contradicted(self) -> np.ndarray:
        """The ids of the contradicted examples among those heard, the worst first."""
        worst = np.argsort(-self.heard.score, kind="stable")
        return self.heard.ids[worst[self.heard.score[worst] > 0]]


def audit(predictor: Predictor, progress: Progress = None) -> Audit:
    """Return what the other strokes say about each stroke of the memory. Raises EmptyMemoryError."""
    if len(predictor.index) == 0:
        raise EmptyMemoryError("a memory with examples", "an empty one", "label a few pixels first")
    strokes = strokes_of(predictor)
    probes = probes_of(strokes)
    said = testimony(predictor, strokes, probes, progress and (lambda f: progress(f / 2)))
    heard = _heard(predictor, strokes, probes, said)
    redundant = _redundant(predictor, strokes, heard, progress and (lambda f: progress(0.5 + f / 2)))
    scores = [_score(predictor, strokes, heard, number, number in redundant) for number in range(strokes.count)]
    scores.sort(key=lambda one: (-one.score, one.redundant, one.time, one.gesture))
    return Audit(tuple(scores), heard, len(strokes.ids), predictor.version)


def _heard(predictor: Predictor, strokes: Strokes, probes: np.ndarray, said: Testimony) -> Heard:
    """Judge the examples at the positions `probes` by what their witnesses said."""
    ids, stroke, near = strokes.ids[probes], strokes.stroke[probes], _nearness(said)
    labels, answers = predictor.memory.labels(ids), said.answers.numpy(force=True)
    alike = _alike(predictor, ids, said)
    if predictor.task.kind == "regression":
        says = answers[:, 0]
        own, score = _judge_values(labels[:, 0], says, said.spread.numpy(force=True), near)
        return Heard(ids, stroke, labels[:, 0], says, own, 1 - own, score, alike)
    label = labels.argmax(1)
    own = (answers * labels).sum(1) / np.square(labels).sum(1).clip(1e-12)  # of a pure label: the share of its class
    rivals = _rivals(answers, label, own)
    judged = np.isin(label, _shared_classes(strokes, predictor.memory.answers(strokes.ids)))
    score = np.where(judged & (rivals > 0).any(1), (rivals.max(1) - own) * near, 0.0).clip(0, 1)
    says = np.where(score > 0, rivals.argmax(1), answers.argmax(1))
    return Heard(ids, stroke, label, says, own, rivals.max(1), score, alike)


def _nearness(said: Testimony) -> np.ndarray:
    """Return (p,) in [0, 1]: 0 where nothing alike could testify. Witnesses from far away know little."""
    return 1 - (said.nearest / REACH).clamp(0, 1).numpy(force=True)


def _alike(predictor: Predictor, ids: np.ndarray, said: Testimony) -> np.ndarray:
    """Return the (p,) mask of the examples whose witnesses alone give them their own answer."""
    labels, answers = predictor.memory.labels(ids), said.answers.numpy(force=True)
    if predictor.task.kind == "regression":
        return (_nearness(said) > 0) & compatible(answers[:, 0], labels[:, 0], True)
    return (_nearness(said) > 0) & (answers.argmax(1) == labels.argmax(1))


def _rivals(answers: np.ndarray, label: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return the (p, classes) shares of other classes that the witnesses are sure of, 0 elsewhere."""
    present = np.unique(label)
    bar = np.full(answers.shape[1], np.inf)
    bar[present] = [answers[label == c, c].mean() for c in present]
    rivals = np.where((answers >= bar) & (answers > own[:, None]), answers, 0.0)
    rivals[np.arange(len(label)), label] = 0.0
    return rivals


def _judge_values(values: np.ndarray, says: np.ndarray, sigma: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (agreement, contradiction) of (p,) values: contradicted is what lies FAR from the witnesses, as this memory scatters."""
    residual, known = np.abs(values - says), near > 0
    typical = ROBUST * float(np.median(residual[known])) if known.any() else 0.0
    bar = FAR * np.hypot(sigma, typical)
    agreement = bar / (residual + bar).clip(1e-12)
    return agreement, np.where(known & (residual > bar), (1 - agreement) * near, 0.0)


def _shared_classes(strokes: Strokes, labels: np.ndarray) -> np.ndarray:
    """Return the classes that more than one stroke has examples of."""
    pairs = np.unique(np.stack([labels, strokes.stroke], 1), axis=0)
    classes, counts = np.unique(pairs[:, 0], return_counts=True)
    return classes[counts > 1]


def _redundant(predictor: Predictor, strokes: Strokes, heard: Heard, progress: Progress) -> set[int]:
    """Return strokes that can all go together: the surest first, each tested without those before it, all tested at the end."""
    rows = [np.flatnonzero(heard.stroke == number) for number in range(strokes.count)]
    sure = sorted((-float(heard.own[mine].mean()), number) for number, mine in enumerate(rows) if heard.alike[mine].all())
    index, gone = exact_copy(predictor), []

    def replaced(number: int) -> bool:
        """Whether what is left in the index gives each example of the stroke its own answer."""
        ids = heard.ids[rows[number]]
        keys, _ = predictor.index.lookup(torch.from_numpy(ids))
        return bool(_alike(predictor, ids, testify(predictor, index.search(keys, predictor.k))).all())

    def give_back(number: int) -> None:
        ids = torch.from_numpy(strokes.members(number))
        index.add(ids, *predictor.index.lookup(ids))

    for done, (_, number) in enumerate(sure):
        index.remove(torch.from_numpy(strokes.members(number)))
        if replaced(number):
            gone.append(number)
        else:
            give_back(number)
        if progress:
            progress((done + 1) / len(sure))
    while missed := [number for number in gone if not replaced(number)]:  # ends: each round gives strokes back
        for number in missed:
            gone.remove(number)
            give_back(number)
    return set(gone)


def _score(predictor: Predictor, strokes: Strokes, heard: Heard, number: int, redundant: bool) -> StrokeScore:
    rows, members = np.flatnonzero(heard.stroke == number), strokes.members(number)
    worst = rows[np.lexsort((heard.own[rows], -heard.score[rows]))[0]]
    contradicted = int((heard.score[rows] > 0).sum())
    (origin,) = predictor.memory.provenance(heard.ids[worst : worst + 1])
    return StrokeScore(origin.gesture, origin.sample_id, origin.source, origin.author, origin.time, len(members), len(rows),
                       contradicted, float(heard.score[rows].mean()), float(heard.own[rows].mean()), int(heard.ids[worst]),
                       origin.coordinates, float(heard.label[worst]), float(heard.says[worst]), redundant)
