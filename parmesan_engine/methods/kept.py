"""Base of methods that keep all labelled nodes and fit anew after each step: nothing is forgotten, and forgetting is exact."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from parmesan_engine.errors import UnknownNameError
from parmesan_engine.methods.labelled import LabelledNodes
from parmesan_engine.methods.method import Method, Progress, unknown
from parmesan_engine.types import FeaturePyramid, TaskSpec


class Kept(Method):
    """Keeps what it observed by task and experience; a subclass says how to fit a model to all of a task and how to ask it."""

    forgets: ClassVar[str] = "exactly"

    def fit(self, nodes: LabelledNodes, task: TaskSpec) -> Any:
        """Return a model of all labelled nodes of a task."""
        raise NotImplementedError

    def answer(self, model: Any, pyramid: FeaturePyramid, task: TaskSpec) -> np.ndarray:
        """Return (*spatial) class ids or values."""
        raise NotImplementedError

    def model_bytes(self, model: Any) -> int:
        """Return the bytes of a model beside the nodes that were kept."""
        return 0

    @cached_property
    def kept(self) -> dict[tuple[str, str], list[LabelledNodes]]:
        """What was observed, by the names of task and experience."""
        return {}

    @cached_property
    def models(self) -> dict[str, Any]:
        """The model of each task that has examples."""
        return {}

    def observe(self, lesson: LabelledNodes) -> None:
        self.kept.setdefault((self.experience.task_name, self.experience.name), []).append(lesson)

    def end_experience(self, progress: Progress = None) -> None:
        if progress:
            progress(0.0)
        self._fit(self.experience.task_name)

    def predict(self, query: FeaturePyramid, task_name: str = "") -> np.ndarray:
        name = self.chosen(task_name)
        if name not in self.models:
            return unknown(query.spatial_shape, self.tasks.get(name))
        return self.answer(self.models[name], query, self.tasks[name])

    def forget(self, experience: str) -> None:
        keys = [key for key in self.kept if key[1] == experience]
        if not keys:
            known = ", ".join(name for _, name in self.kept) or "none"
            raise UnknownNameError(f"a step that was learned ({known})", repr(experience), "check the name")
        for key in keys:
            del self.kept[key]
            self._fit(key[0])

    @property
    def bytes(self) -> int:
        return sum(one.nbytes for lessons in self.kept.values() for one in lessons) + sum(map(self.model_bytes, self.models.values()))

    def _fit(self, task_name: str) -> None:
        steps = sorted(key for key in self.kept if key[0] == task_name)  # the order in which they came does not matter
        nodes = joined(one for key in steps for one in self.kept[key])
        if nodes is None:
            self.models.pop(task_name, None)
        else:
            self.models[task_name] = self.fit(nodes, self.tasks[task_name])


def joined(lessons: Iterable[LabelledNodes]) -> LabelledNodes | None:
    """Return several lessons as one, None for none."""
    lessons = [lesson for lesson in lessons if len(lesson)]
    return replace(lessons[0], batches=[batch for lesson in lessons for batch in lesson.batches]) if lessons else None
