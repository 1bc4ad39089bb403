"""Changes of the list of classes, as pure functions from task to task, and moving examples between classes.

Nothing is retrained for any of them: features and metric stay, only labels change. A class id is never used again for
something else, so a class whose examples were merged away is retired, not deleted.
"""

from collections.abc import Callable, Sequence
from numbers import Integral

import numpy as np

from parmesan_engine.errors import EmptyMemoryError, FormatError, UnknownNameError
from parmesan_engine.memory import Memory
from parmesan_engine.memory.memory import Relabelling
from parmesan_engine.types import MemoryDelta, TaskSpec

MAX_CLASSES = 255
MAX_NAME = 60


def with_class(task: TaskSpec, name: str, color: Sequence[int]) -> TaskSpec:
    """Return the task with one class more, at the end; a retired class of that name is taken back instead. Raises FormatError."""
    old = next((i for i in task.retired if task.classes[i] == _plain(name)), None)
    if old is not None:
        back = task.replace(retired=tuple(i for i in task.retired if i != old), heirs=tuple(p for p in task.heirs if p[0] != old))
        return recolored(back, old, color)
    if len(task.classes) >= MAX_CLASSES:
        raise FormatError(f"at most {MAX_CLASSES} classes", "one more", "rename one that is not used")
    return task.replace(classes=(*task.classes, _name(name, task.classes)), colors=(*task.colors, _color(color)))


def renamed(task: TaskSpec, index: int, name: str) -> TaskSpec:
    """Return the task with another name for a class. Raises UnknownNameError, FormatError."""
    _check(task, index)
    classes = list(task.classes)
    classes[index] = _name(name, classes[:index] + classes[index + 1 :])
    return task.replace(classes=tuple(classes))


def recolored(task: TaskSpec, index: int, color: Sequence[int]) -> TaskSpec:
    """Return the task with another colour for a class. Raises UnknownNameError, FormatError."""
    _check(task, index)
    colors = list(task.colors)
    colors[index] = _color(color)
    return task.replace(colors=tuple(colors))


def merged(task: TaskSpec, emptied: int, into: int) -> TaskSpec:
    """Return the task with class `emptied` retired. Raises UnknownNameError, FormatError."""
    _check(task, emptied)
    _check(task, into)
    if emptied == into:
        raise FormatError("two different classes to merge", f"{task.classes[into]!r} twice", "choose another class")
    return task.replace(retired=tuple(sorted({*task.retired, emptied})), heirs=(*task.heirs, (emptied, into)))


def merge_classes(project, emptied: int, into: int, *, author: str = "local") -> MemoryDelta:
    """Make every example of one class an example of another, as one version, and retire the emptied class.

    Examples that could still come back are moved too. Raises UnknownNameError, EmptyMemoryError before the first sample, and
    FormatError while one of the two is locked.
    """
    def choose(memory: Memory) -> Relabelling:
        task = merged(memory.task, emptied, into)
        ids = memory.select(removed=True)
        labels = memory.labels(ids)
        ids, labels = ids[labels[:, emptied] > 0], labels[labels[:, emptied] > 0]
        labels[:, into] += labels[:, emptied]
        labels[:, emptied] = 0
        return ids, labels, task

    _check_unlocked(project, (emptied, into))
    return _relabel(project, choose, author)


def split_class(project, gestures: Sequence[str], name: str, color: Sequence[int], *, author: str = "local") -> int:
    """Make the examples of some gestures a class of their own, as one version, and return the id of the class.

    Raises UnknownNameError when a gesture has no examples, EmptyMemoryError before the first sample, and FormatError for a bad
    name or while a class that would lose examples is locked.
    """
    def choose(memory: Memory) -> Relabelling:
        task = with_class(memory.task, name, color)
        if not gestures or not all(len(memory.select(gesture=gesture)) for gesture in gestures):
            raise UnknownNameError("strokes that have examples", f"{len(gestures)} chosen, without or with none", "choose strokes again")
        ids = np.unique(np.concatenate([memory.select(gesture=gesture, removed=True) for gesture in gestures]))
        _check_unlocked(project, memory.answers(ids))
        return ids, np.eye(task.label_dim, dtype=np.float32)[np.full(len(ids), class_id(task, name))], task

    _relabel(project, choose, author)
    return class_id(project.task, name)


def class_id(task: TaskSpec, name: str) -> int:
    """Return the id of the class in use with this name. Raises UnknownNameError."""
    for index in task.in_use:
        if task.classes[index] == _plain(name):
            return index
    raise UnknownNameError("the name of a class in use", repr(name)[:60], "choose one of the list")


def _relabel(project, choose: Callable[[Memory], Relabelling], author: str) -> MemoryDelta:
    with project.lock:
        if project.memory is None:
            raise EmptyMemoryError("a project with a sample", "an empty project", "import a sample first")
        delta = project.memory.relabel(choose, author=author)
        project.live.follow(delta)
        return delta


def _check_unlocked(project, classes: Sequence[int]) -> None:
    locked = [project.task.classes[i] for i in project.class_view()["locked"] if i in classes]
    if locked:
        raise FormatError("classes that are not locked", ", ".join(locked), "unlock first")


def _check(task: TaskSpec, index: int) -> None:
    if index not in task.in_use:
        got = f"{index}, which is retired" if index in task.retired else f"{index}"
        raise UnknownNameError(f"a class id from 0 to {len(task.classes) - 1}", got, "add the class first")


def _name(name: str, others: Sequence[str]) -> str:
    name = _plain(name)
    if not name or name in others:
        raise FormatError("a new, non-empty class name", repr(name), "choose another name")
    return name


def _plain(name: str) -> str:
    return " ".join(str(name).split())[:MAX_NAME]


def _color(color: Sequence[int]) -> tuple[int, int, int]:
    if len(color) != 3 or not all(isinstance(c, Integral) and 0 <= c <= 255 for c in color):
        raise FormatError("a colour as red, green, blue of 0 to 255", repr(color)[:60], "choose another colour")
    return tuple(int(c) for c in color)
