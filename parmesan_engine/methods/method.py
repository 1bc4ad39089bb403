"""What every method of the laboratory is: it learns experiences one after the other and answers for new samples. Knows no protocol.

    method.begin_experience(Experience("city", "classes", task, (0, 1, 2)))
    method.observe(lesson)                   # any number of times: labelled nodes, or samples where `raw`
    method.end_experience()                  # trains, fits
    method.predict(pyramid)                  # (*spatial) class ids or values
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from parmesan_engine.errors import FormatError, UnknownNameError
from parmesan_engine.methods.labelled import LabelledNodes, LabelledSamples
from parmesan_engine.registry import Registry
from parmesan_engine.resample import to_pixels
from parmesan_engine.transduction import largest
from parmesan_engine.types import FeaturePyramid, Sample, TaskSpec

METHODS = Registry("method")
ONLY = "all"  # name of the one experience of those that learn everything at once
Lesson = LabelledNodes | LabelledSamples
Progress = Callable[[float], None] | None


@dataclass(frozen=True)
class Experience:
    """One step of a stream as a method is told of it.

    name: unique in the stream; task_name: what is predicted, in a word; task: its classes, those of other steps too, so that numbers
    never change; classes: those labelled in this step, none for values.
    """

    name: str
    task_name: str
    task: TaskSpec
    classes: tuple[int, ...] = ()


class Method:
    """Base of all methods. raw: learns `LabelledSamples` and predicts a `Sample`; else `LabelledNodes` and a `FeaturePyramid`.

    forgets: "exactly" (as if a step had never been learned), "about", or "" (it cannot). note: what a reader of its score should
    know. bytes: all that it keeps between steps: memory, parameters, buffers, teachers.
    """

    raw: ClassVar[bool] = False
    forgets: ClassVar[str] = ""
    note: str = ""
    bytes: int = 0
    experience: Experience | None = None

    @cached_property
    def tasks(self) -> dict[str, TaskSpec]:
        """The tasks that were begun, by name; the one begun last is last."""
        return {}

    def prepare(self) -> None:
        """Load what a process loads once, such as a library, and drop what it remembers of other methods: a stopwatch starts after it."""

    def begin_experience(self, experience: Experience) -> None:
        """Take note of what comes. Subclasses that need more call this first."""
        self.experience = experience
        self.tasks.pop(experience.task_name, None)
        self.tasks[experience.task_name] = experience.task

    def observe(self, lesson: Lesson) -> None:
        """Take up labelled nodes or samples of the experience that was begun."""
        raise NotImplementedError

    def end_experience(self, progress: Progress = None) -> None:
        """Learn what was observed. progress: called with the share done; may raise to stop, which leaves the method as it can answer."""
        raise NotImplementedError

    def predict(self, query: FeaturePyramid | Sample, task_name: str = "") -> np.ndarray:
        """Return (*spatial) int16 class ids, -1 for unknown, or float32 values, NaN for unknown. task_name: "" for the last one begun."""
        raise NotImplementedError

    def forget(self, experience: str) -> None:
        """Forget an experience by its name. Raises FormatError where the method cannot, UnknownNameError for another name."""
        raise FormatError("a method that can take a step back", f"{self.registered_name}, whose weights mix all steps",
                          "train it again without the step")

    def chosen(self, task_name: str) -> str:
        """Return the name of a task: of the last one begun for "", itself else. Raises UnknownNameError for one never begun."""
        if task_name and task_name not in self.tasks:
            raise UnknownNameError(f"a task that was begun ({', '.join(self.tasks) or 'none'})", repr(task_name), "learn it first")
        return task_name or next(reversed(self.tasks), "")


def learn_at_once(method: Method, lesson: Lesson, progress: Progress = None) -> None:
    """Teach a method one lesson as its only experience."""
    method.begin_experience(Experience(ONLY, lesson.task.kind, lesson.task))
    method.observe(lesson)
    method.end_experience(progress)


def unknown(shape: tuple[int, ...], task: TaskSpec | None) -> np.ndarray:
    """Return (*shape) answers of one who knows nothing: -1, or NaN for values."""
    return np.full(shape, np.nan, np.float32) if task is not None and task.kind == "regression" else np.full(shape, -1, np.int16)


def answer_of(rows: np.ndarray, pyramid: FeaturePyramid, task: TaskSpec) -> np.ndarray:
    """Return (*spatial) class ids or values from (nodes, L) shares or values."""
    full = to_pixels(torch.from_numpy(np.ascontiguousarray(rows, np.float32)), pyramid.levels[0], pyramid.spatial_shape)
    return largest(full).numpy() if task.kind == "segmentation" else full[0].numpy()
