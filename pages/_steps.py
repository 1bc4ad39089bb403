"""Undo and redo as a person sees them: what was taken back, by whom it was made, and on which sample. No Streamlit in here."""

from collections import Counter
from datetime import datetime

import numpy as np

from pages._view import View, record_of
from parmesan_engine.memory import VersionRecord
from parmesan_engine.project import Project

WITNESSES = 200  # examples of a change that are looked at to tell where it was
WHAT = {"add": "painting", "remove": "a removal", "modify": "a change of examples", "set_task": "a change of classes",
        "restore": "going back to a version", "merge": "a merge", "switch": "a switch of a source",
        "consolidate": "a consolidation"}


def step(view: View, project: Project, verb: str, author: str, gesture: str = "") -> str:
    """Undo or redo the newest change, look at the sample it was on, and return what to say. Raises VersionError.

    gesture: id of the wish; one that the history knows does nothing again. After a crash a browser repeats its last wishes.
    """
    with project.lock:
        project.refresh()
        if gesture and any(record.gesture == gesture for record in project.history()):
            return f"This {verb} was done before."
        delta = (project.undo if verb == "undo" else project.redo)(author=author, gesture=gesture)
        records = {record.seq: record for record in project.history()}
    ids = np.concatenate([delta.added, delta.removed, delta.modified])
    ids = np.sort(ids)[:: max(1, len(ids) // WITNESSES)]
    name = _look_at(view, project, ids) if len(ids) else ""
    done = origin(records[max(records)], records)
    what = "erasing" if done.verb == "add" and done.removed and not done.added else WHAT.get(done.verb, done.verb)
    count = len(delta.added) + len(delta.removed) + len(delta.modified)
    about = f", {count:,} example{'' if count == 1 else 's'}" if count else ""
    when = datetime.fromtimestamp(done.time).strftime("%H:%M")
    return f"{'Undone' if verb == 'undo' else 'Redone'}: {what} by {done.author or 'engine'} at {when}{about}{name and f' on {name}'}."


def origin(record: VersionRecord, records: dict[int, VersionRecord]) -> VersionRecord:
    """Return the change that an undo, a redo, an undo of a redo and so on is about."""
    while record.undoes is not None and record.undoes in records:
        record = records[record.undoes]
    return record


def _look_at(view: View, project: Project, ids: np.ndarray) -> str:
    """Show the sample of most of some examples, with a slice that has one of them, and return its name."""
    samples = [row.sample_id for row in project.memory.provenance(ids)]
    present = {record.id for record in project.samples()}
    counts = Counter(sample for sample in samples if sample in present)
    if not counts:
        return ""
    chosen = view.sample if view.sample in counts else counts.most_common(1)[0][0]
    view.choose(chosen)
    record = record_of(project, chosen)
    at = view.crosshair(record)
    if at is not None:
        places = project.memory.coordinates(ids[np.asarray(samples) == chosen])
        if not (places == at).any():  # none lies in any of the three slices
            view.lead(record, places[len(places) // 2])
    return record.name
