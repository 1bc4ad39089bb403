"""Base of methods that absorb each step into parameters on frozen features and then let the step's lessons go."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import torch

from parmesan_engine.errors import UnknownNameError
from parmesan_engine.methods.kept import joined
from parmesan_engine.methods.labelled import LabelledNodes
from parmesan_engine.methods.method import Experience, Method, Progress, answer_of, unknown
from parmesan_engine.types import FeaturePyramid, TaskSpec


@dataclass(frozen=True)
class Scaling:
    """Mean and deviation of each column, taken once and kept: what was learned with them would not fit others.

    A column of one value has a deviation of 1: another value met later would be enormous in units of nothing.
    """

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray) -> Self:
        scale = rows.std(0)
        return cls(rows.mean(0), np.where(scale > 1e-6, scale, 1).astype(np.float32))

    def apply(self, rows: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray((rows - self.mean) / self.scale, np.float32))

    @property
    def nbytes(self) -> int:
        return self.mean.nbytes + self.scale.nbytes


@dataclass
class Absorbed:
    """What is known of one task. values: how its values were standardised, None for classes; seen: of each step, (L,) bool classes."""

    model: Any
    values: Scaling | None
    seen: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def classes(self) -> torch.Tensor:
        """The ids of the classes that the steps still known had labels of."""
        return torch.from_numpy(np.logical_or.reduce(list(self.seen.values())).nonzero()[0])


class Absorbing(Method):
    """Features are standardised by those of the first step [ours]: later ones cannot be waited for, and what is stored must stay true.

    A subclass says how a model takes up a step, answers and drops a step. Only classes that had labels are answered.
    """

    forgets: ClassVar[str] = "about"

    def absorb(self, model: Any, features: torch.Tensor, labels: torch.Tensor, classes: torch.Tensor, task: TaskSpec,
               progress: Progress) -> Any:
        """Return a model that has taken up (n, D) features and their (n, L) labels as well; the one given (None at first) stays as it is.

        classes: ids of all classes seen so far, these included.
        """
        raise NotImplementedError

    def answers(self, model: Any, features: torch.Tensor, classes: torch.Tensor, grid: tuple[int, ...], task: TaskSpec) -> torch.Tensor:
        """Return (n, len(classes)) logits, or (n, 1) standardised values, of the nodes of a grid."""
        raise NotImplementedError

    def without(self, model: Any, experience: str) -> Any:
        """Return the model without what can be found of a step, None where nothing is left."""
        raise NotImplementedError

    def model_bytes(self, model: Any) -> int:
        """Return the bytes of the model of one task."""
        raise NotImplementedError

    @cached_property
    def lessons(self) -> list[LabelledNodes]:
        """What was observed of the current experience."""
        return []

    @cached_property
    def known(self) -> dict[str, Absorbed]:
        """What was absorbed, by the name of the task."""
        return {}

    scaling: Scaling | None = None  # of the features

    def begin_experience(self, experience: Experience) -> None:
        super().begin_experience(experience)
        self.lessons.clear()

    def observe(self, lesson: LabelledNodes) -> None:
        self.lessons.append(lesson)

    def end_experience(self, progress: Progress = None) -> None:
        nodes, name, task = joined(self.lessons), self.experience.task_name, self.experience.task
        if nodes is None:
            return
        scaling = self.scaling or Scaling.of(nodes.keys)
        labels, old, classify = nodes.labels, self.known.get(name), task.kind == "segmentation"
        values = None if classify else old.values if old else Scaling.of(labels)
        rows = values.apply(labels) if values else torch.from_numpy(labels)
        new = Absorbed(old and old.model, values, dict(old.seen) if old else {})
        new.seen[self.experience.name] = new.seen.get(self.experience.name, False) | (values is not None) | (labels > 0).any(0)
        new.model = self.absorb(new.model, scaling.apply(nodes.keys), rows, new.classes, task, progress)
        self.scaling, self.known[name] = scaling, new
        self.lessons.clear()

    def predict(self, query: FeaturePyramid, task_name: str = "") -> np.ndarray:
        name = self.chosen(task_name)
        task = self.tasks.get(name)
        if name not in self.known:
            return unknown(query.spatial_shape, task)
        it, level = self.known[name], query.levels[0]
        found = self.answers(it.model, self.scaling.apply(level.keys.numpy(force=True)), it.classes, level.grid, task)
        if it.values:
            return answer_of(found.numpy() * it.values.scale + it.values.mean, query, task)
        rows = torch.zeros(len(found), task.label_dim)
        rows[:, it.classes] = found.softmax(1)
        return answer_of(rows.numpy(), query, task)

    def forget(self, experience: str) -> None:
        names = [name for name, it in self.known.items() if experience in it.seen]
        if not names:
            learned = ", ".join(dict.fromkeys(step for it in self.known.values() for step in it.seen)) or "none"
            raise UnknownNameError(f"a step that was learned ({learned})", repr(experience), "check the name")
        for name in names:
            it = self.known[name]
            it.model = self.without(it.model, experience)
            del it.seen[experience]
            if it.model is None or not it.seen:
                del self.known[name]

    @property
    def bytes(self) -> int:
        used = sum(self.model_bytes(it.model) + (it.values.nbytes if it.values else 0) for it in self.known.values())
        return used + (self.scaling.nbytes if self.scaling else 0)
