"""Layers that answer a question: what the last correction changed, and what chosen examples decide. No Streamlit in here."""

import hashlib

import numpy as np

from pages._view import View
from parmesan_engine.errors import EmptyMemoryError
from parmesan_engine.project import Project, SampleRecord, asking, searching
from parmesan_engine.resample import Box

CHANGE, REACH = "change", "reach"


def offered(view: View, project: Project, record: SampleRecord) -> list[str]:
    """Return the layers that have something to show of a sample now."""
    if len(project) == 0 and view.seq is None:
        return []
    return [CHANGE] + ([REACH] if view.seq is None and reaching(view, project) else [])


def reaching(view: View, project: Project) -> bool:
    """Whether examples are chosen whose reach can be shown: of this project, and still there."""
    chosen = view.asked.chosen
    if chosen is None or chosen.project != view.project or project.memory is None:
        return False
    return bool(np.isin(chosen.ids, project.memory.ids).any())


def layer_id(view: View, project: Project, record: SampleRecord, name: str) -> str:
    """Return a word that names what the layer shows: equal words, equal arrays. It may stand in an address."""
    chosen = view.asked.chosen
    of = chosen.key if name == REACH and chosen else f"{view.seq} {len(project.history())}"
    words = f"{of} {project.version} {project.metric_state()['id']} {searching.mark(project)}"
    return hashlib.blake2b(words.encode(), digest_size=8).hexdigest()


def layer(view: View, project: Project, record: SampleRecord, name: str, box: Box | None) -> np.ndarray | None:
    """Return (*spatial) float32 in [0, 1], of a box if given; None where there is nothing to show."""
    if name not in offered(view, project, record):
        return None
    try:
        if name == REACH:
            return asking.reach_map(project, record.id, view.asked.chosen.ids, box=box)
        return asking.last_change(project, record.id, seq=view.seq, box=box).map
    except EmptyMemoryError:
        return None
