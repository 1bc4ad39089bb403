"""One gesture is one version: decided for the newest version that any process has made, inside the transaction that commits it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from parmesan_engine.memory import Memory
from parmesan_engine.types import EntryBatch, MemoryDelta, TaskSpec


@dataclass(frozen=True)
class Lesson:
    """What a gesture puts in, the ids of the examples that it takes out, what the user should know, and the task that it needs."""

    batches: list[EntryBatch]
    replaced: np.ndarray
    notes: tuple[str, ...] = ()
    task: TaskSpec | None = None  # None: the present one


@dataclass(frozen=True)
class GestureResult:
    """What one gesture did. delta: None when it touched nothing new; seconds: engine time; notes: what the user should know."""

    gesture: str
    delta: MemoryDelta | None
    entries_added: int
    entries_removed: int
    seconds: float
    notes: tuple[str, ...] = ()


def commit(project, decide: Callable[[Memory], Lesson], *, gesture: str, author: str, start: float) -> GestureResult:
    """Commit what `decide` finds for the newest version; a gesture id that is known already does nothing again.

    decide: called inside the transaction, so that no other process changes what it has seen. start: time.perf_counter().
    """
    lessons = []

    def choose(memory: Memory) -> tuple[list[EntryBatch], np.ndarray, TaskSpec]:
        known = any(record.gesture == gesture for record in memory.history())
        lesson = Lesson([], np.empty(0, np.int64), ("this gesture was stored before",)) if known else decide(memory)
        if not known and not lesson.batches and not len(lesson.replaced):
            lesson = Lesson([], lesson.replaced, (*lesson.notes, "nothing to change here"))
        lessons.append(lesson)
        return lesson.batches, lesson.replaced, lesson.task or memory.task

    with project.lock:
        delta = project.memory.learn(choose, author=author, gesture=gesture)
        project.live.follow(delta)
    lesson, added = lessons[0], sum(len(batch.keys) for batch in lessons[0].batches)
    changed = delta if added or len(lesson.replaced) else None
    return GestureResult(gesture, changed, added, len(lesson.replaced), time.perf_counter() - start, lesson.notes)
