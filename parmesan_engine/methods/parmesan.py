"""PARMESAN as a method of the laboratory: a memory with a metric fitted from itself, as in the studio."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from parmesan_engine.errors import UnknownNameError
from parmesan_engine.memory import Memory
from parmesan_engine.methods.labelled import LabelledNodes
from parmesan_engine.methods.method import METHODS, Method, Progress, unknown
from parmesan_engine.predictor import EXACT, Predictor
from parmesan_engine.project.fitting import fit_metric, let_go
from parmesan_engine.registry import recipe_of
from parmesan_engine.search.tuning import EXACT_UP_TO
from parmesan_engine.types import EntryBatch, FeaturePyramid

AT_ONCE = 1 << 16  # entries learned in one version: what is checked at a time


@dataclass
class Remembered:
    """The memory of one task, the encoder and the names of its features, and what predicts from it (None while it is empty)."""

    memory: Memory
    encoder: object
    groups: tuple[str, ...]
    predictor: Predictor | None = None


@METHODS.register("parmesan")
class Parmesan(Method):
    """A memory with a metric fitted from itself, transduction and message passing: what the studio does. One memory a task.

    More than a million entries are searched approximately, as the studio proposes; `note` says so.
    """

    forgets: ClassVar[str] = "exactly"
    index: ClassVar[dict] = EXACT

    @cached_property
    def memories(self) -> dict[str, Remembered]:
        """What is remembered for each task."""
        return {}

    def observe(self, lesson: LabelledNodes) -> None:
        name = self.experience.task_name
        if name not in self.memories:
            memory = Memory.create(None, channels=len(lesson.groups), task=lesson.task, encoder=recipe_of(lesson.encoder),
                                   keys=lesson.key_format)
            self.memories[name] = Remembered(memory, lesson.encoder, lesson.groups)
        for batches in _portions(replace(batch, source=self.experience.name) for batch in lesson.batches):
            self.memories[name].memory.add(batches, author="laboratory")

    def end_experience(self, progress: Progress = None) -> None:
        self._fit(self.experience.task_name, progress)

    def predict(self, query: FeaturePyramid, task_name: str = "") -> np.ndarray:
        name = self.chosen(task_name)
        one = self.memories.get(name)
        if one is None or one.predictor is None:
            return unknown(query.spatial_shape, self.tasks.get(name))
        one.predictor.set_pyramid("sample", query)
        prediction = one.predictor.predict("sample")
        return prediction.values if prediction.labels is None else prediction.labels

    def forget(self, experience: str) -> None:
        found = {name: ids for name, one in self.memories.items() if len(ids := one.memory.select(source=experience))}
        if not found:
            raise UnknownNameError("a step that was learned", repr(experience), "check the name")
        for name, ids in found.items():
            self.memories[name].memory.unlearn(ids, "a step of a stream", author="laboratory")
            let_go(self.memories[name].memory)
            self._fit(name, None)

    @property
    def bytes(self) -> int:
        return sum(one.memory.bytes for one in self.memories.values())

    @property
    def note(self) -> str:
        notes = {one.predictor.index.note or "exact search" for one in self.memories.values() if one.predictor}
        return "; ".join(sorted(notes))

    def _fit(self, name: str, progress: Progress) -> None:
        one, task = self.memories.get(name), self.tasks[name]
        if one is None or not len(one.memory):
            self.memories.pop(name, None)
            return
        metric = fit_metric(one.memory, one.groups, task, progress=progress)
        index = self.index if len(one.memory) <= EXACT_UP_TO or self.index != EXACT else {"name": "approximate"}
        one.predictor = Predictor(one.encoder, one.memory, metric, task=task, index=index)
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
