"""A method whose every answer is known beforehand, for the protocol; it is registered for one test only."""

from typing import ClassVar

import numpy as np
import pytest

from parmesan_engine.errors import UnknownNameError
from parmesan_engine.methods import METHODS, Method
from parmesan_engine.methods.method import unknown


class Scripted(Method):
    """Answers, everywhere, the first class (or twice the number of steps as a value) of the step of the asked task learned last."""

    raw: ClassVar[bool] = True
    forgets: ClassVar[str] = "exactly"
    made: ClassVar[list] = []

    def __init__(self, *, seed: int = 5, budget: int = 0, gain: float = 1.0) -> None:
        self.seed, self.budget, self.gain = seed, budget, gain

    def prepare(self):
        self.said, self.learned, self.asked = [], [], []
        self.made.append(self)

    def begin_experience(self, experience):
        super().begin_experience(experience)
        self.said.append(f"begin {experience.name}")

    def observe(self, lesson):
        self.said.append(f"observe {len(lesson)}")

    def end_experience(self, progress=None):
        for share in (0.25, 1.0):
            if progress:
                progress(share)
        self.said.append("end")
        self.learned.append(self.experience)
        self.note, self.bytes = f"{len(self.learned)} steps", 100 * len(self.learned)

    def predict(self, query, task_name=""):
        self.asked.append((query.name, task_name))
        own = [e for e in self.learned if e.task_name == task_name]
        if not own:
            return unknown(query.spatial_shape, self.tasks[task_name])
        if own[-1].task.kind == "regression":
            return np.full(query.spatial_shape, 2.0 * len(own), np.float32)
        return np.full(query.spatial_shape, own[-1].classes[0], np.int16)

    def forget(self, experience):
        names = [e.name for e in self.learned]
        if experience not in names:
            raise UnknownNameError("a step", experience, "check")
        del self.learned[names.index(experience)]


@pytest.fixture
def scripted(monkeypatch):
    """The class, registered as `scripted`; `scripted.made` are the methods that were made of it."""
    monkeypatch.setitem(METHODS._classes, "scripted", Scripted)
    monkeypatch.setattr(Scripted, "registered_name", "scripted", raising=False)
    monkeypatch.setattr(Scripted, "made", [])
    return Scripted
