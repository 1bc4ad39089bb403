"""Tables of what a memory holds, grouped, and of its versions. No Streamlit in here."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from pages._figures import COLUMNS, when
from pages._scene import VERBS
from parmesan_engine.memory import Overview, VersionRecord
from parmesan_engine.project import Project
from parmesan_engine.project.sampling import evenly

GROUPS = ("Source", "Sample", "Stroke", "Class", "Author")
GALLERY = 20


@dataclass(frozen=True)
class Row:
    """One line of a table. code: its code in the overview's column; title: for people; key: what `forget` needs."""

    code: int
    title: str
    key: str
    count: int
    classes: str
    last: datetime


def rows_of(overview: Overview, group: str, project: Project) -> list[Row]:
    """Return one row per distinct value of a column, the newest first."""
    column = getattr(overview, COLUMNS[group]).astype(np.int64)
    codes, inverse, counts = np.unique(column, return_inverse=True, return_counts=True)
    last = np.full(len(codes), -np.inf)
    np.maximum.at(last, inverse, overview.time)
    samples = {record.id: record.name for record in project.samples()}
    rows = []
    for i, code in enumerate(codes.tolist()):
        key = str(code) if group == "Class" else overview.names[code]
        inside = _class_words(overview.label[inverse == i], project)
        title = {"Sample": samples.get(key, key), "Class": _class_name(code, project)}.get(group, key) or "(none)"
        rows.append(Row(code, title, key, int(counts[i]), inside, datetime.fromtimestamp(last[i])))
    return sorted(rows, key=lambda row: (row.last, row.count), reverse=True)


def ids_of(overview: Overview, group: str, row: Row) -> np.ndarray:
    """Return the ids of the entries of a row."""
    return overview.ids[getattr(overview, COLUMNS[group]).astype(np.int64) == row.code]


def forget_arguments(overview: Overview, group: str, row: Row) -> dict[str, Any]:
    """Return the keywords with which `Project.forget` takes back a row."""
    names = {"Source": "source", "Sample": "sample", "Stroke": "gesture", "Author": "author"}
    return {names[group]: row.key} if group in names else {"ids": ids_of(overview, group, row)}


def shown_ids(project: Project, overview: Overview, group: str, row: Row, *, purge: bool) -> np.ndarray:
    """Return the ids that a row stands for now, held-back entries too: what a button takes must not grow after it was drawn.

    purge: also those that only older versions hold.
    """
    if group == "Class":
        return ids_of(overview, group, row)
    return project.memory.select(**forget_arguments(overview, group, row), removed=purge)


def gallery_of(overview: Overview, group: str, row: Row) -> np.ndarray:
    """Return up to GALLERY entry ids spread evenly over a row."""
    return evenly(ids_of(overview, group, row), GALLERY)


def version_rows(records: list[VersionRecord]) -> list[dict[str, Any]]:
    """Return the versions for a table, the newest first."""
    return [{"#": number, "label": record.note, "what": VERBS.get(record.verb, record.verb), "examples": record.entries,
             "author": record.author or "engine", "time": when(record.time), "version": record.version[:8]}
            for number, record in reversed(list(enumerate(records, 1)))]


def size(count: int) -> str:
    """Return a number of bytes for people."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} bytes"


def _class_name(label: float, project: Project) -> str:
    classes = project.task.classes
    return classes[int(label)] if 0 <= label < len(classes) else f"{label:g} {project.task.unit}".strip()


def _class_words(labels: np.ndarray, project: Project) -> str:
    if project.task.kind == "regression":
        return f"{labels.min():.4g} to {labels.max():.4g} {project.task.unit}"
    found, counts = np.unique(labels.astype(int), return_counts=True)
    return ", ".join(f"{_class_name(c, project)} {n:,}" for c, n in zip(found.tolist(), counts.tolist(), strict=True))
