"""The verbs that ask a project something: where to label next, what contradicts, what examples decide. None changes anything."""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from parmesan_engine.cli.measuring import positive
from parmesan_engine.cli.verbs import show_progress
from parmesan_engine.insight import StrokeScore
from parmesan_engine.project import Project, asking

LISTED = 100  # strokes and samples that are printed; the counts are of all


def add(verb: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the parsers of these verbs; `verb(name, run, text)` makes one."""
    command = verb("next", next_places, "say where a label would help most, and why")
    command.add_argument("--count", type=positive, default=8, metavar="N", help="places (default: %(default)s)")
    verb("audit", audit, "find examples that the others contradict, and strokes that they could replace")
    command = verb("reach", reach, "say what some examples decide, and what removing them would change")
    for name, text in (("gesture", "ID"), ("source", "NAME"), ("sample", "ID"), ("author", "A")):
        command.add_argument(f"--{name}", metavar=text, help="several conditions must all be met")


def next_places(options: argparse.Namespace) -> dict[str, Any]:
    """Say where to label next."""
    with Project.open(options.project, device=options.device) as project:
        found = asking.next_places(project, count=options.count, progress=show_progress("looking"))
        names = {record.id: record.name for record in project.samples()}
        return {"version": project.version, "places": [
            {"sample": names[one.sample_id], "sample_id": one.sample_id, "at": list(one.at), "reason": one.reason, "worth": one.worth,
             "conflict": one.conflict, "novelty": one.novelty} for one in found]}


def audit(options: argparse.Namespace) -> dict[str, Any]:
    """List the strokes, the most contradicted first."""
    with Project.open(options.project, device=options.device) as project:
        found = asking.audit(project, progress=show_progress("asking"))
        names = {record.id: record.name for record in project.samples()}
        return {"version": found.version, "entries": found.entries, "heard": len(found.heard.ids),
                "contradicted": len(found.contradicted), "redundant": sum(one.redundant for one in found.strokes),
                "strokes": [_stroke(one, names, project.task.classes) for one in found.strokes[:LISTED]]}


def reach(options: argparse.Namespace) -> dict[str, Any]:
    """Say what examples decide in every sample, and what would change without them."""
    with Project.open(options.project, device=options.device) as project:
        ids = asking.choose(project, gesture=options.gesture, source=options.source, sample=options.sample, author=options.author)
        found = asking.reach(project, ids, progress=show_progress("comparing"))
        names = {record.id: record.name for record in project.samples()}
        task = project.task
        return {"version": found.version, "entries": found.entries, "returning": found.returning, "refitted": found.refitted, "samples": [
            {"sample": names[one.sample_id], "share": one.share, "decided": one.decided,
             "changed": one.difference.changed / one.difference.total, "shift": one.difference.shift,
             "moves": [{"from": _name(was, task.classes), "to": _name(now, task.classes), "share": count / one.difference.total}
                       for was, now, count in one.difference.moves]} for one in found.samples[:LISTED]]}


def _stroke(one: StrokeScore, names: dict[str, str], classes: tuple[str, ...]) -> dict[str, Any]:
    row = asdict(one) | {"sample": names.get(one.sample_id, one.sample_id), "at": list(one.at)}
    return row | ({"label": _name(one.label, classes), "says": _name(one.says, classes)} if classes else {})


def _name(answer: float, classes: tuple[str, ...]) -> str:
    return classes[int(answer)] if answer >= 0 else "unknown"
