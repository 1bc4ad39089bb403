"""PARMESAN as a method of the laboratory: a memory with a metric fitted from itself, as in the studio."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from parmesan_engine.errors import UnknownNameError
from parmesan_engine.memory import Memory
from parmesan_engine.methods.labelled import LabelledNodes
from parmesan_engine.methods.method import METHODS, Method, Progress, unknown
from parmesan_engine.predictor import EXACT, Predictor
from parmesan_engine.project.fitting import fit_metric, forget_last, let_go
from parmesan_engine.registry import recipe_of
from parmesan_engine.search.tuning import EXACT_UP_TO
from parmesan_engine.types import EntryBatch, FeaturePyramid, MemoryDelta

AT_ONCE = 1 << 16  # entries learned in one version: what is checked at a time


@dataclass
class Remembered:
    """The memory of one task, the encoder and the names of its features, what predicts from it (None at first), the changes that this
    has not taken up yet, the steps in it, and those that its metric has seen."""

    memory: Memory
    encoder: object
    groups: tuple[str, ...]
    predictor: Predictor | None = None
    changes: list[MemoryDelta] = field(default_factory=list)
    steps: set[str] = field(default_factory=set)
    seen: frozenset[str] = frozenset()


@METHODS.register("parmesan")
class Parmesan(Method):
    """A memory with a metric fitted from itself, transduction and message passing: what the studio does. One memory a task.

    More than a million entries are searched approximately, as the studio proposes; `note` says so. refit: fit the metric anew after each
    step; else after the first alone, what comes later is only remembered, in milliseconds, and it is fitted to all that remains when
    a step is forgotten that it has seen: nothing of that step is left, but who never learned it had fitted to one step alone.
    """

    forgets: ClassVar[str] = "exactly"
    index: ClassVar[dict] = EXACT

    def __init__(self, *, refit: bool = True) -> None:
        self.refit = refit

    @cached_property
    def memories(self) -> dict[str, Remembered]:
        """What is remembered for each task."""
        return {}

    def prepare(self) -> None:
        forget_last()  # the fit of a project or another method on the same labels would make this one look fast

    def observe(self, lesson: LabelledNodes) -> None:
        if not len(lesson):
            return
        name = self.experience.task_name
        if name not in self.memories:
            memory = Memory.create(None, channels=len(lesson.groups), task=lesson.task, encoder=recipe_of(lesson.encoder),
                                   keys=lesson.key_format)
            self.memories[name] = Remembered(memory, lesson.encoder, lesson.groups)
        self.memories[name].steps.add(self.experience.name)
        for batches in _portions(replace(batch, source=self.experience.name) for batch in lesson.batches):
            self.memories[name].changes.append(self.memories[name].memory.add(batches, author="laboratory"))

    def end_experience(self, progress: Progress = None) -> None:
        name = self.experience.task_name
        one = self.memories.get(name)
        if one is None:
            return
        if one.predictor is None or self.refit:
            self._fit(name, progress)
        self._take_up(one)

    def predict(self, query: FeaturePyramid, task_name: str = "") -> np.ndarray:
        name = self.chosen(task_name)
        one = self.memories.get(name)
        if one is None or one.predictor is None:
            return unknown(query.spatial_shape, self.tasks.get(name))
        one.predictor.set_pyramid("sample", query)
        prediction = one.predictor.predict("sample")
        one.predictor.states.clear()  # nobody looks at it while the next step is learned
        return prediction.values if prediction.labels is None else prediction.labels

    def forget(self, experience: str) -> None:
        found = {name: ids for name, one in self.memories.items() if len(ids := one.memory.select(source=experience))}
        if not found:
            raise UnknownNameError("a step that was learned", repr(experience), "check the name")
        for name, ids in found.items():
            one = self.memories[name]
            one.changes.append(one.memory.unlearn(ids, "a step of a stream", author="laboratory")[0])
            let_go(one.memory)
            one.steps.discard(experience)
            if not len(one.memory):
                del self.memories[name]
            elif self.refit or experience in one.seen:
                self._fit(name)
            else:
                self._take_up(one)

    @property
    def bytes(self) -> int:
        return sum(one.memory.bytes for one in self.memories.values())

    @property
    def note(self) -> str:
        notes = {one.predictor.index.note or "exact search" for one in self.memories.values() if one.predictor}
        return "; ".join(sorted(notes))

    def _fit(self, name: str, progress: Progress = None) -> None:
        """Fit the metric to all that is remembered, and make anew what predicts with it."""
        one, task = self.memories[name], self.tasks[name]
        metric = fit_metric(one.memory, one.groups, task, progress=progress)
        index = self.index if len(one.memory) <= EXACT_UP_TO or self.index != EXACT else {"name": "approximate"}
        one.predictor, one.seen = Predictor(one.encoder, one.memory, metric, task=task, index=index), frozenset(one.steps)
        one.changes.clear()

    def _take_up(self, one: Remembered) -> None:
        for delta in one.changes:
            one.predictor.apply(delta)
        one.changes.clear()
        if one.predictor.index_due:
            one.predictor.adopt(one.predictor.index_maker()())


@METHODS.register("hierarchical")
class Hierarchical(Parmesan):
    """As PARMESAN, but searching coarse to fine: only the children of the 16 nearest coarse nodes of the memory."""

    index: ClassVar[dict] = {"name": "hierarchical", "keywords": {"k_coarse": 16}}


def _portions(batches: Iterable[EntryBatch]) -> list[list[EntryBatch]]:
    """Return batches in groups of about AT_ONCE entries: checking a batch makes a copy of it."""
    portions, room = [[]], AT_ONCE
    for batch in batches:
        if room <= 0:
            portions.append([])
            room = AT_ONCE
        portions[-1].append(batch)
        room -= len(batch.keys)
    return portions
