"""From a project and a desk to the scene that the canvas shows. No Streamlit in here; caches are passed in."""

import time
from datetime import datetime
from typing import Any

import numpy as np

from pages._blobs import signal_blob
from pages._desk import Desk
from pages._layers import REACH, offered
from pages._maps import DOUBTS, draw_map, map_states, value_range
from pages._planes import admit, picture_facts, signal_facts
from pages._view import frames_of
from pages.components.canvas import Part, Scene
from parmesan_engine import render
from parmesan_engine.errors import VersionError
from parmesan_engine.memory import VersionRecord
from parmesan_engine.memory.history import UndoStack
from parmesan_engine.project import Project, SampleRecord
from parmesan_engine.types import Prediction, Sample

HISTORY = 300  # versions that the slider offers
VERBS = {"add": "painted", "remove": "removed", "modify": "changed", "unlearn": "unlearned", "undo": "undo", "redo": "redo",
         "restore": "restored", "create": "new memory", "set_task": "classes", "merge": "merged",
         "switch": "switched", "consolidate": "consolidated"}


def build_scene(desk: Desk, project: Project, record: SampleRecord, sample: Sample, prediction: Prediction | None) -> Scene:
    """Return all that the canvas shows of one sample. Pictures, and the maps of volumes, are fetched by address (`_planes`)."""
    at = desk.crosshair(record)
    start = f"{admit(desk)}{record.id}/"
    height, width = (1, *record.spatial_shape)[-2:]
    steps, layers = _steps(record), offered(desk, project, record)
    header = {
        "client": desk.client, "acked": desk.ledger.handled.get(desk.client, 0), "viewed": desk.viewed,
        "project": desk.project, "sample": record.id, "dims": record.spatial_dims, "width": width, "height": height,
        "aspect": steps, "task": _task(project, prediction), "version": project.version,
        "volume": None if at is None else {"at": list(at), "led": desk.led, "sizes": list(record.spatial_shape),
                                           "spacing": list(record.spacing or ()), "unit": record.unit},
        "layers": ["prediction", *DOUBTS, *layers], "asked": desk.asked.shown if REACH in layers else 0,
        "marks": _marks(desk, record), "message": "", "engine_ms": desk.milliseconds,
        **_history(desk, project), **_status(desk, project, prediction), "frames": [one.id for one in frames_of(project, record)],
    }
    if record.spatial_dims == 1:
        header["signal"] = signal_facts(project, record)
        image = Part(record.id, lambda: signal_blob(sample.array))
    else:
        image = Part(record.id, None, {"address": f"{start}picture/", **picture_facts(project, record)})
    return Scene(header, image, _maps(desk, project, record, start))


def _maps(desk: Desk, project: Project, record: SampleRecord, start: str) -> dict[str, Part]:
    def part(name: str, state: str) -> Part:
        if record.spatial_dims == 3:
            return Part(state, None, {"address": f"{start}{name}/{state}/"})
        return Part(f"{record.id}-{state}", lambda: draw_map(desk, project, record, name, None))

    return {name: part(name, state) for name, state in map_states(desk, project, record).items()}


def _task(project: Project, prediction: Prediction | None) -> dict[str, Any]:
    task = project.task
    shown = {"kind": task.kind, "classes": list(task.classes), "colors": [list(color) for color in task.colors], "unit": task.unit,
             **project.class_view()}
    if task.kind == "regression":
        palette = render.values_rgb(np.linspace(0, 1, 255)[None], (0, 1))[0]
        shown |= {"range": list(value_range(project, prediction)), "palette": palette.tolist()}
    return shown


def _steps(record: SampleRecord) -> list[float]:
    """Return the shown size of a pixel along each axis, the smallest 1: unequal spacing must not distort the picture."""
    if not record.spacing or record.spatial_dims == 1:
        return [1.0] * record.spatial_dims
    return [round(step / min(record.spacing), 4) for step in record.spacing]


def _marks(desk: Desk, record: SampleRecord) -> list[dict[str, Any]]:
    at = desk.clicked.get(record.id)
    return [] if at is None else [{"at": list(at), "main": True, "color": [255, 255, 255]}]


def _history(desk: Desk, project: Project) -> dict[str, Any]:
    everything = project.history()
    records = everything[-HISTORY:]
    position = next((i for i, record in enumerate(records) if record.seq == desk.seq), len(records) - 1)
    listed = [{"id": str(record.seq), "text": describe(record, i + 1, len(records))} for i, record in enumerate(records)]
    past = f"Version {position + 1} of {len(records)}, read only" if desk.seq is not None else None
    return {"versions": {"position": max(position, 0), "list": listed}, "past": past, **_can(everything)}


def _can(records: list[VersionRecord]) -> dict[str, bool]:
    """Return whether there is something to undo and to redo."""
    stack, can = UndoStack(), {}
    for record in records:
        stack.push(record)
    for name, step in (("undo", stack.to_undo), ("redo", stack.to_redo)):
        try:
            can[name] = step() >= 0
        except VersionError:
            can[name] = False
    return can


def describe(record: VersionRecord, number: int, count: int) -> str:
    """Return one line of the history in words."""
    moment = datetime.fromtimestamp(record.time)
    when = moment.strftime("%H:%M" if time.time() - record.time < 86_400 else "%d %b %H:%M")
    erased = record.verb == "add" and record.removed and not record.added
    verb = "erased" if erased else VERBS.get(record.verb, record.verb)
    return f"{number} of {count} · {verb} · {record.entries:,} examples · {record.author or 'engine'} {when}"


def _status(desk: Desk, project: Project, prediction: Prediction | None) -> dict[str, Any]:
    metric = project.metric_state()
    version = prediction.version if prediction else project.version
    entries = prediction.entries if prediction else len(project)
    status = [{"text": "", "code": version[:8]}, {"strong": f"{entries:,}", "text": "example" if entries == 1 else "examples"}]
    if desk.milliseconds is not None and desk.seq is None:
        took = f"{desk.milliseconds:.0f} ms" if desk.milliseconds < 1000 else f"{desk.milliseconds / 1000:.1f} s"
        status.append({"strong": took, "text": "engine"})
        if desk.changed:
            status.append({"strong": f"{desk.changed:,}", "text": "places voted again"})
    refit = None
    if prediction is not None and metric["fitted_on"]:
        new = metric["entries_now"] - metric["entries_then"]
        since = f"; {new:,} new since" if new > 0 else f"; {-new:,} gone since" if new < 0 else ""
        status.append({"text": f"metric fitted on {metric['entries_then']:,}{since}"})
        refit = "Refit" if metric["stale"] else None
    notes = list(prediction.fallbacks) if prediction else ["Paint a few pixels of two classes: the prediction appears at once."]
    return {"status": status, "refit": refit, "notes": notes, "said": {"id": desk.takes, "text": desk.said}}
