"""What an example, its stroke or its source decides: choosing one, and what is said of it beside the picture. No Streamlit in here."""

from typing import Any

import numpy as np

from pages._asked import Chosen
from pages._layers import reaching
from pages._view import View
from parmesan_engine.errors import FormatError, UnknownNameError
from parmesan_engine.insight import StrokeScore
from parmesan_engine.project import Project, SampleRecord, asking, searching
from parmesan_engine.types import Provenance

ACTS = ("reach", "review", "close")
SCOPES = ("example", "gesture", "source")


def act(view: View, project: Project, op: dict[str, Any]) -> None:
    """Carry out one of ACTS; `op` has a checked entry. Raises FormatError, UnknownNameError."""
    if op["kind"] == "close":
        view.asked.chosen = None
        return
    choose(view, project, op["entry"], op.get("scope"))
    view.asked.leave = op["kind"] == "review"


def choose(view: View, project: Project, entry: int, scope: Any) -> None:
    """Show what an example, its stroke or all from its source decides. Raises FormatError, UnknownNameError."""
    if scope not in SCOPES:
        raise FormatError("an example, a stroke or a source", repr(scope)[:40], "reload the page")
    (origin,) = project.memory.provenance([entry])
    ids = np.asarray([entry]) if scope == "example" else asking.choose(project, **{scope: getattr(origin, scope)})
    view.asked.chosen = Chosen(view.project, f"{scope} {entry}", title(project, origin, scope, len(ids)), ids, entry, scope)
    view.asked.shown += 1


def choose_strokes(view: View, project: Project, strokes: list[StrokeScore]) -> None:
    """Show what strokes of an audit decide, one or several together."""
    ids = np.concatenate([project.memory.select(gesture=one.gesture, sample=one.sample_id) for one in strokes])
    first = strokes[0]
    (origin,) = project.memory.provenance([first.worst])
    name = title(project, origin, "gesture", len(ids)) if len(strokes) == 1 else f"{len(strokes):,} strokes ({len(ids):,} examples)"
    key = " ".join(f"{one.gesture}/{one.sample_id}" for one in strokes)
    view.asked.chosen = Chosen(view.project, key, name, ids, first.worst, "gesture")


def title(project: Project, origin: Provenance, scope: str, count: int) -> str:
    """Return what some examples are, in words."""
    name = next((record.name for record in project.samples() if record.id == origin.sample_id), "a sample that is gone")
    many = f"{count:,} example{'s' if count != 1 else ''}"
    if scope == "source":
        return f"All from {origin.source} ({many})"
    who = f" of {origin.author}" if origin.author else ""
    return f"One example{who} in {name}" if scope == "example" else f"Stroke{who} in {name} ({many})"


def block(view: View, project: Project, record: SampleRecord | None) -> dict[str, Any] | None:
    """Return what is said of the chosen examples beside the picture as JSON, None when none are chosen or none are left."""
    if record is None or view.seq is not None or not reaching(view, project):
        return None
    chosen, asked = view.asked.chosen, view.asked
    key = (chosen.key, record.id, project.version, project.metric_state()["id"], searching.mark(project))
    if asked.counted is None or asked.counted[0] != key:
        asked.counted = (key, asking.reach_share(project, record.id, chosen.ids))
    share, decided = asked.counted[1]
    (origin,) = project.memory.provenance([chosen.entry])
    scopes = [scope for scope in SCOPES if scope == "example" or getattr(origin, scope)]
    return {"title": chosen.title, "share": round(share, 4), "decided": round(decided, 4), "entry": chosen.entry, "scope": chosen.scope,
            "scopes": scopes, "sample": record.name}


def still_there(view: View, project: Project) -> np.ndarray:
    """Return the ids of the chosen examples that are still in the memory. Raises UnknownNameError when none are."""
    if not reaching(view, project):
        raise UnknownNameError("examples that are in the memory", "some that were removed meanwhile", "choose others")
    ids = view.asked.chosen.ids
    return ids[project.memory.is_stored(ids)]
