"""Names of files to groups of them, and the classes of several datasets to those of one. Pure."""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from parmesan_engine.errors import FormatError, LimitError
from parmesan_engine.io.palette import distinct_colors
from parmesan_engine.types import TaskSpec

MOST_GROUPS = 24  # steps of one stream; more groups are hardly what was meant
LONGEST_PATTERN, MOST_REPEATS = 60, 2  # more, or a repeat of a repeat, may search one name for longer than anybody lives
HELD_BACK = 4  # where a group has nothing in the split to score on, every fourth part of it is held back


def group_of(name: str, pattern: str = "") -> str:
    """Return the group of a file: what the pattern finds in its name (its first parentheses, if any), "" where it finds nothing.

    Without a pattern: up to the first "_", in a name without one the letters before the first digit.

    >>> group_of("0006R0_f00930"), group_of("frame000585"), group_of("rec005_V2", "_(.*)")
    ('0006R0', 'frame', 'V2')
    """
    if not pattern:
        return name.split("_")[0] if "_" in name else re.match(r"\D*", name)[0]
    found = re.search(pattern, name)
    return "" if found is None else next((part for part in found.groups() if part is not None), found[0])


def grouped(names: Iterable[str], pattern: str = "") -> dict[str, list[str]]:
    """Return {group: its names}, both in alphabetical order; those in whose names none is found are the group "".

    Raises FormatError for a pattern that is none, LimitError for a slow one.
    """
    try:
        re.compile(pattern)
    except re.error as error:
        raise FormatError("a regular expression that finds the group in a file's name", f"{pattern!r}: {error}", "as ^[A-Z]+") from error
    if len(pattern) > LONGEST_PATTERN or re.search(r"\)[*+{]", pattern) or len(re.findall(r"[*+{]", pattern)) > MOST_REPEATS:
        raise LimitError(f"a pattern of {LONGEST_PATTERN} characters and {MOST_REPEATS} of *, + and {{ at most, none of them after )",
                         repr(pattern), "shorten it, as ^[A-Z]+")
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(group_of(name, pattern), []).append(name)
    return dict(sorted(groups.items()))


Names = tuple[list[str], list[str]]  # to learn from, and to score on


def split_groups(learned: Sequence[str], scored: Sequence[str], pattern: str = "") -> tuple[dict[str, Names], list[str]]:
    """Return the names of each group, and notes.

    A group with nothing to score on in its own split keeps the last quarter of its names for that: neighbours in a video look alike, so
    they are not drawn from between. Raises FormatError where there are not several groups.
    """
    groups, held, notes, parts = grouped(learned, pattern), grouped(scored, pattern), [], {}
    if nameless := [*groups.pop("", []), *held.pop("", [])]:
        notes.append(f"Left out, for no group is found in their names: {len(nameless)} samples, such as {nameless[0]}.")
    for name, members in groups.items():
        if name in held:
            parts[name] = (members, held[name])
        elif (count := len(members) // HELD_BACK) > 0:
            parts[name] = (members[:-count], members[-count:])
            notes.append(f"{name} has nothing to score on in its own split: the last {count} of its {len(members)} samples are held back.")
        else:
            notes.append(f"{name} is left out: of its {len(members)} samples none can be held back.")
    if not 2 <= len(parts) <= MOST_GROUPS:
        shown = ", ".join(list(groups)[:5]) + (", ..." if len(groups) > 5 else "")
        got = f"{len(parts)} of {len(groups)} ({shown})"
        raise FormatError(f"2 to {MOST_GROUPS} groups of samples that can be learned and scored", got,
                          "give a regular expression that finds the group in a file's name, as ^[A-Z]+, or several datasets")
    if extra := sorted(set(held) - set(groups)):
        notes.append(f"Not learned and not scored, for there is nothing to learn from: {', '.join(extra)}.")
    return parts, notes


def united(tasks: Sequence[TaskSpec]) -> tuple[TaskSpec, list[np.ndarray]]:
    """Return one task with the classes of all, one for each name, and for each task the new id of each of its classes, -1 after them.

    So `ids[labels]` are labels of the united task. Colours are the datasets' own where no two classes share one. Raises FormatError for
    tasks of different kinds or units.
    """
    kinds = {(task.kind, task.unit) for task in tasks}
    if len(kinds) > 1:
        words = ", ".join(sorted(" in ".join(filter(None, kind)) for kind in kinds))
        raise FormatError("datasets of one kind and unit", words, "choose others, or task steps")
    if tasks[0].kind == "regression":
        return tasks[0], [np.zeros(0, np.int16) for _ in tasks]
    colors: dict[str, tuple[int, int, int]] = {}
    for task in tasks:
        for name, color in zip(task.classes, task.colors, strict=True):
            colors.setdefault(name, color)
    own = tuple(colors.values())
    names = list(colors)
    task = TaskSpec("segmentation", tuple(names), own if len(set(own)) == len(own) else distinct_colors(len(own)))
    return task, [np.array([*(names.index(c) for c in one.classes), -1], np.int16) for one in tasks]
