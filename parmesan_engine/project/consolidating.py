"""Bring the memory within a budget, with the cost in accuracy measured first: propose, look, commit as one version.

The cost is the score of a bounded part of the examples, each answered by those of other samples, with all examples and with those
that the budget leaves, under the metric in use. That is the score on new samples, as far as the memory itself can tell. Which
examples stay, and what forgetting does afterwards: `memory.budget`, `Memory.consolidate`.

The metric stays: it was fitted when there was more to fit it from, and a fit on a small remainder is worse [measured: 0.62 for
0.72 mean IoU at a tenth of an MRI memory]. It is fitted anew once something that it saw is forgotten, as always.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from parmesan_engine.errors import EmptyMemoryError, LimitError, VersionError
from parmesan_engine.evaluation import Score
from parmesan_engine.insight.leftout import probes_of, score_of
from parmesan_engine.memory import Memory
from parmesan_engine.memory.budget import drawn
from parmesan_engine.memory.reading import Reader
from parmesan_engine.types import MemoryDelta

Progress = Callable[[float], None] | None
ID_BYTES = 8  # of an id in the table of an index; ids are never used again


@dataclass(frozen=True)
class Size:
    """entries: examples that count; index: bytes that they take in the search index; classes: examples of each class, by name."""

    entries: int
    index: int
    classes: dict[str, int]

    @property
    def bytes_per_entry(self) -> float:
        return self.index / max(self.entries, 1)


@dataclass(frozen=True)
class Room:
    """What entries take in a search index: each of them, and the table of all ids there ever were, which stays."""

    each: float
    table: int

    @classmethod
    def of(cls, index) -> "Room":
        """Return what was measured of an index that holds entries."""
        table = ID_BYTES * index.top
        return cls(index.bytes_per_entry - table / len(index), table)

    def bytes(self, entries: int) -> int:
        return math.ceil(self.each * entries) + self.table

    def holds(self, size: int) -> int:
        """Return how many entries some bytes hold."""
        return max(0, int((size - self.table) // self.each))


@dataclass(frozen=True)
class Proposal:
    """What a budget would leave of a version of the memory, and what it would cost. Nothing has been changed.

    ids: examples to take out; score: of the probes, before and after; left_out: "sample" or "stroke", what was left out with each
    probe. Where all examples are of one stroke there are no probes and score is None.
    """

    version: str
    ids: np.ndarray
    before: Size
    after: Size
    probes: int
    left_out: str
    score: tuple[Score, Score] | None


def propose(project, *, entries: int | None = None, size: int | None = None, progress: Progress = None) -> Proposal:
    """Return which examples to keep so that at most `entries` count, or that the search index takes at most `size` bytes.

    Works on a snapshot, without the project's lock; progress may raise to cancel. Raises LimitError, EmptyMemoryError, VersionError.
    """
    if (entries is None) == (size is None) or (entries or size or 0) < 1:
        raise LimitError("a budget of examples, or else of bytes, of at least 1", f"{entries} and {size}", "give one of the two")
    if not len(project):
        raise EmptyMemoryError("a project with examples", "none that count, so there is nothing to consolidate", "label a few pixels first")
    report = progress or (lambda _: None)
    report(0.0)
    predictor = project.snapshot().predictor
    memory, room = predictor.memory, Room.of(predictor.index)
    whole = _size(memory, room)
    report(0.3)
    probes = probes_of(predictor)
    first = second = probes and score_of(predictor, probes, lambda f: report(0.3 + 0.3 * f))
    ids, after = np.empty(0, np.int64), whole
    if (whole.entries > entries) if entries else (whole.index > size):
        least = np.count_nonzero(list(whole.classes.values())) or 1
        if size and room.holds(size) < least:
            raise LimitError(f"a budget of at least {room.bytes(least):,} bytes, which hold one of each class", f"{size:,}", "give it more")
        ids = _taken_out(memory, entries or room.holds(size))
        predictor.switch(memory.without(ids, ids[:0]))
        after = _size(predictor.memory, room)
        second = probes and score_of(predictor, probes, lambda f: report(0.65 + 0.35 * f))
    report(1.0)
    asked = (len(probes.labels), probes.left_out, (first, second)) if probes else (0, "", None)
    return Proposal(memory.version, ids, whole, after, *asked)


def consolidate(project, proposal: Proposal, *, author: str = "local") -> MemoryDelta:
    """Take out what a proposal names, as one version that undo takes back. Raises VersionError when the memory has moved on."""

    def choose(memory: Memory) -> np.ndarray:
        if memory.version != proposal.version:
            raise VersionError(f"the memory as it was measured, {proposal.version[:8]}", f"{memory.version[:8]}", "measure again")
        return proposal.ids

    with project.lock:
        if project.memory is None:
            raise EmptyMemoryError("a project with examples", "an empty one", "label a few pixels first")
        delta = project.memory.consolidate(choose, author=author)
        project.live.follow(delta)
        return delta


def _taken_out(memory: Reader, budget: int) -> np.ndarray:
    """Return the ids, ascending, of the entries that a budget has no room for. What is switched off stays as it is."""
    ids = memory.select()
    ids = ids[memory.weights(ids) > 0]
    classes = memory.answers(ids) if memory.task.kind == "segmentation" else np.zeros(len(ids), int)
    return ids[~drawn(memory.lots(ids), classes, budget)]


def _size(memory: Reader, room: Room) -> Size:
    classes = {}
    if memory.task.kind == "segmentation":
        counts = np.bincount(memory.answers(memory.ids), minlength=len(memory.task.classes))
        classes = {memory.task.classes[i]: int(counts[i]) for i in memory.task.in_use}
    return Size(len(memory), room.bytes(len(memory)), classes)
