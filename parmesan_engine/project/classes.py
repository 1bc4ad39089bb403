"""Changes of the list of classes, as pure functions from task to task. Nothing is retrained for any of them."""

from collections.abc import Sequence
from numbers import Integral

from parmesan_engine.errors import FormatError, UnknownNameError
from parmesan_engine.types import TaskSpec

MAX_CLASSES = 255
MAX_NAME = 60


def with_class(task: TaskSpec, name: str, color: Sequence[int]) -> TaskSpec:
    """Return the task with one class more, at the end. Raises FormatError."""
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


def _check(task: TaskSpec, index: int) -> None:
    if not 0 <= index < len(task.classes):
        raise UnknownNameError(f"a class id from 0 to {len(task.classes) - 1}", f"{index}", "add the class first")


def _name(name: str, others: Sequence[str]) -> str:
    name = " ".join(str(name).split())[:MAX_NAME]
    if not name or name in others:
        raise FormatError("a new, non-empty class name", repr(name), "choose another name")
    return name


def _color(color: Sequence[int]) -> tuple[int, int, int]:
    if len(color) != 3 or not all(isinstance(c, Integral) and 0 <= c <= 255 for c in color):
        raise FormatError("a colour as red, green, blue of 0 to 255", repr(color)[:60], "choose another colour")
    return tuple(int(c) for c in color)
