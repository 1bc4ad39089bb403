"""How a project shows its classes: their order, which are locked against painting, which are not drawn.

Kept in project.json and read anew each time, so that all processes agree. It is no part of the memory: no version, no undo.
"""

from collections.abc import Iterable
from numbers import Integral

from parmesan_engine.errors import UnknownNameError
from parmesan_engine.project.description import read_description, update_description
from parmesan_engine.types import TaskSpec

PARTS = ("order", "locked", "hidden")


def class_view(project) -> dict[str, list[int]]:
    """Return {"order", "locked", "hidden"}: lists of class ids. order has every class in use once, retired ones are in none."""
    kept = read_description(project.path).get("class_view", {})
    return cleaned({name: kept.get(name, []) for name in PARTS}, project.task)


def set_class_view(project, **changes: Iterable[int]) -> dict[str, list[int]]:
    """Replace one or more of order, locked and hidden; return the whole. Classes that order leaves out come last.

    Raises UnknownNameError for a class that does not exist.
    """
    task = project.task
    for name, ids in changes.items():
        changes[name] = ids = list(ids)
        if name not in PARTS or not all(isinstance(i, Integral) and i in task.in_use for i in ids):
            raise UnknownNameError(f"{', '.join(PARTS)} as ids of classes in use", f"{name} {ids}"[:60], "choose among the classes")
    with project.lock:
        whole = cleaned(class_view(project) | changes, task)
        update_description(project.path, class_view=whole)
    return whole


def cleaned(view: dict[str, list[int]], task: TaskSpec) -> dict[str, list[int]]:
    """Return the view without classes that are not in use, each id once, order completed."""
    used = task.in_use
    order = [i for i in dict.fromkeys(view["order"]) if i in used]
    whole = {"order": order + [i for i in used if i not in order]}
    return whole | {name: sorted({int(i) for i in view[name]} & set(used)) for name in ("locked", "hidden")}
