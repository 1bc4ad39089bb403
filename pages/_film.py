"""What the strip of samples shows, and what a click on it does. No Streamlit in here; pictures and the state of the work are passed in."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pages._desk import Desk
from pages._panel import css
from pages._view import record_of
from pages.components.messages import Ledger, is_count, parse_log
from parmesan_engine.errors import FormatError, ParmesanError, UnknownNameError
from parmesan_engine.project import Project, SampleRecord
from parmesan_engine.project.precompute import Survey
from parmesan_engine.project.verified import Mark, unverify_sample, verified, verify_sample

PAGE = 24  # samples on the strip at a time
LEAST_SHARE = 0.004  # thinner than a pixel of the bar


@dataclass
class Strip:
    """What one browser session sees of the strip.

    page: None follows the chosen sample; paused: no work in the background; order: ids as they were sorted when that was asked for,
    None for the order in which they came. It stays as it was then: a card must not move away under the hand.
    """

    project: str = ""
    page: int | None = None
    paused: bool = False
    order: list[str] | None = None
    client: str = ""
    chosen: str | None = None
    ledger: Ledger = field(default_factory=Ledger)


def take_picks(state: Strip, desk: Desk, project: Project, survey: Survey, value: Any) -> bool:
    """Carry out what was clicked on the strip; return whether the page must be drawn anew. `value` is untrusted."""
    log = parse_log(value)
    if log is None:
        return False
    with desk.lock:
        state.client, before, failed = log.client, desk.sample, False
        for op in state.ledger.new_ops(log):
            desk.error, desk.takes = None, desk.takes + 1
            try:
                _act(state, desk, project, survey, op)
            except ParmesanError as error:  # belongs to this one click; the others still count
                desk.error, failed = error, True
        if desk.sample != before:
            desk.jumps += 1
        return failed or desk.sample != before


def _act(state: Strip, desk: Desk, project: Project, survey: Survey, op: dict[str, Any]) -> None:
    if op.get("project") != desk.project:
        raise UnknownNameError("a sample of the open project", "one of another project", "click again")
    if op["kind"] == "pick":
        desk.choose(record_of(project, op.get("sample")).id)
        state.chosen = desk.sample  # chosen on this page of the strip: the page stays
    elif op["kind"] == "page":
        state.page = op["page"] if is_count(op.get("page")) else None
    elif op["kind"] == "pause":
        state.paused = op.get("on") is True
    elif op["kind"] == "order":
        state.order, state.page = (by_doubt(project, survey), 0) if op.get("on") is True else (None, None)
    elif op["kind"] == "verify":
        record = record_of(project, op.get("sample"))
        if op.get("on") is True:
            verify_sample(project.path, record.id, author=desk.author, version=project.version)
        else:
            unverify_sample(project.path, record.id)
    else:
        raise FormatError("pick, page, pause, order or verify", repr(op["kind"])[:40], "reload the page")


def by_doubt(project: Project, survey: Survey) -> list[str]:
    """Return the ids of the samples, the most doubtful first, those of which nothing is known last."""
    known = {record.id: survey.standing(record.id) for record in project.samples()}
    return sorted(known, key=lambda i: -known[i].doubt if known[i] else 1.0)


def _in_order(records: list[SampleRecord], order: list[str] | None) -> list[SampleRecord]:
    """Return the samples as they were sorted; those that came since are last."""
    places = {sample_id: place for place, sample_id in enumerate(order or [])}
    return sorted(records, key=lambda record: places.get(record.id, len(places)))


def film(state: Strip, desk: Desk, project: Project, survey: Survey, work: str, picture: Callable[[str], str]) -> dict[str, Any]:
    """Return what the strip shows, as JSON."""
    records, examples = _in_order(project.samples(), state.order), survey.examples()
    known = verified(project.path)
    marks = {record.id: known[record.id] for record in records if record.id in known}
    pages = max(1, -(-len(records) // PAGE))
    at = next((i for i, record in enumerate(records) if record.id == desk.sample), 0)
    page = min(at // PAGE if state.page is None else state.page, pages - 1)
    behind = set(survey.behind([record.id for record in records]))
    shown = records[page * PAGE : (page + 1) * PAGE]
    labelled = sum(1 for record in records if examples.get(record.id))
    tally = [f"{labelled} labelled", f"{len(marks)} checked"] if len(records) > 1 else []
    waiting = f"{len(behind)} to prepare" if behind and not work else ""
    return {
        "client": state.client, "acked": state.ledger.handled.get(state.client, 0), "project": desk.project, "chosen": desk.sample,
        "total": len(records), "page": page, "pages": pages, "tally": " · ".join(tally), "work": work or waiting,
        "paused": state.paused, "sorted": state.order is not None, "busy": bool(work or behind),
        "marks": {i: _who(mark) for i, mark in marks.items()},
        "samples": [_card(record, project, survey, record.id not in behind, marks.get(record.id), examples.get(record.id, 0),
                          picture(record.id)) for record in shown],
    }


def _card(record: SampleRecord, project: Project, survey: Survey, fresh: bool, mark: Mark | None, examples: int,
          picture: str) -> dict[str, Any]:
    standing, ready = survey.standing(record.id), project.features is not None and project.features.ready(record.id)
    state = "verified" if mark else "labelled" if examples else "ready" if ready else "untouched"
    said = {"ready": "prepared", "verified": "checked"}.get(state, "untouched")
    if examples:
        said = f"{examples:,} example{'s' if examples != 1 else ''}"
    name = f"{record.name} · {record.frame + 1}" if record.series else record.name
    note = [f"Checked by {_who(mark)}"] if mark else []
    if standing is not None and standing.middle is not None:
        note.append(f"Median {standing.middle:.4g} {project.task.unit}")
    size = " × ".join(str(n) for n in record.spatial_shape)
    return {
        "id": record.id, "name": name, "picture": picture, "state": state, "state_text": said, "note": "\n".join([size, *note]),
        "fresh": fresh, "doubt": round(standing.doubt, 4) if standing else None,
        "shares": _shares(project, standing.fractions) if standing else [],
        "verified": {"now": mark.version == project.version} if mark else None,
    }


def _shares(project: Project, fractions: tuple[float, ...]) -> list[dict[str, Any]]:
    """Return the classes of a bar, in their own order, then what is unknown; values have no colours of their own."""
    names = [*project.task.classes, "unknown"] if project.task.kind == "segmentation" else ["known", "unknown"]
    colors = [css(color) for color in project.task.colors] if project.task.kind == "segmentation" else ["#94a3b8"]
    known = fractions[:-1][: len(names) - 1]  # classes may have come, or been undone, since it was found
    fractions = (*known, *[0.0] * (len(names) - 1 - len(known)), fractions[-1])
    return [{"name": name, "share": round(share, 4), "color": color}
            for name, share, color in zip(names, fractions, [*colors, ""], strict=True) if share >= LEAST_SHARE]


def _who(mark: Mark) -> str:
    return f"{mark.author}, {datetime.fromtimestamp(mark.time).strftime('%d %b %H:%M')}"
