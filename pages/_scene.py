"""From a project and a desk to the scene that the canvas shows. No Streamlit in here; caches are passed in."""

import io
import time
import zlib
from datetime import datetime
from typing import Any

import numpy as np
from PIL import Image

from pages._desk import Desk
from pages.components.canvas import Part, Scene
from parmesan_engine import render
from parmesan_engine.errors import VersionError
from parmesan_engine.memory import VersionRecord
from parmesan_engine.memory.history import UndoStack
from parmesan_engine.project import Project, SampleRecord
from parmesan_engine.types import Prediction, Sample

LOSSLESS_PIXELS = 2**20  # larger pictures travel as JPEG: at 100 % its traces cannot be seen, and it is a fifth of the size
NOTHING = 255
HISTORY = 300  # versions that the slider offers
VERBS = {"add": "painted", "remove": "removed", "modify": "changed", "unlearn": "unlearned", "undo": "undo", "redo": "redo",
         "restore": "restored", "create": "new memory", "set_task": "classes"}


def build_scene(desk: Desk, project: Project, record: SampleRecord, sample: Sample, prediction: Prediction | None) -> Scene:
    """Return all that the canvas shows of one sample."""
    plane = desk.plane_of(record.id, record.spatial_shape)
    at = "" if plane is None else f"-{plane[0]}-{plane[1]}"
    height, width = (1, *record.spatial_shape)[-2:] if plane is None else _rest(record.spatial_shape, plane[0])
    header = {
        "client": desk.client, "acked": desk.ledger.handled.get(desk.client, 0), "viewed": desk.viewed,
        "project": desk.project, "sample": record.id, "dims": 1 if record.spatial_dims == 1 else 2, "width": width, "height": height,
        "aspect": _aspect(record, plane), "task": _task(project, prediction), "version": project.version,
        "plane": None if plane is None else {"axis": plane[0], "index": plane[1], "sizes": list(record.spatial_shape)},
        "marks": _marks(desk, record, plane), "message": "", "engine_ms": desk.milliseconds,
        **_history(desk, project), **_status(desk, project, prediction),
    }
    if record.spatial_dims == 1:
        step = record.spacing[0] if record.spacing else 1
        header["signal"] = {"channels": record.channels, "step": step, "unit": record.unit if record.spacing else "samples"}
        image = Part(record.id, lambda: _signal_blob(sample))
    else:
        lossless = width * height <= LOSSLESS_PIXELS
        image = Part(record.id + at, lambda: _picture_blob(sample, plane, lossless), {"mime": f"image/{'png' if lossless else 'jpeg'}"})
    return Scene(header, image, _maps(desk, project, record, plane, prediction, at))


def _maps(desk: Desk, project: Project, record: SampleRecord, plane: tuple[int, int] | None, prediction: Prediction | None,
          at: str) -> dict[str, Part]:
    def cut(array: np.ndarray) -> np.ndarray:
        return array if plane is None else array.take(plane[1], axis=plane[0])

    state = f"{record.id}{at}-{project.version[:12]}"
    maps = {}
    if desk.seq is None:  # what was painted is known of the present only
        maps["painted"] = Part(state, lambda: _codes_blob(cut(project.painted(record.id))))
    if prediction is None:
        return maps
    state = f"{record.id}{at}-{prediction.version[:12]}-{str(prediction.metric)[:12]}"
    if prediction.labels is not None:
        maps["prediction"] = Part(state, lambda: _codes_blob(cut(prediction.labels)))
    else:
        low, high = value_range(project, prediction)
        maps["prediction"] = Part(state, lambda: _share_blob((cut(prediction.values) - low) / (high - low), 254))
    if desk.layer in ("conflict", "novelty"):  # only what is looked at travels
        doubt = getattr(prediction, desk.layer)
        maps[desk.layer] = Part(state, lambda: _share_blob(cut(doubt), 31))
    return maps


def value_range(project: Project, prediction: Prediction | None) -> tuple[float, float]:
    """Return the values drawn in the first and last colour: the task's own, else those predicted."""
    if project.task.display_range:
        return project.task.display_range
    known = prediction.values[np.isfinite(prediction.values)] if prediction is not None else np.empty(0)
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    return low, high if high > low else low + 1.0


def _task(project: Project, prediction: Prediction | None) -> dict[str, Any]:
    task = project.task
    shown = {"kind": task.kind, "classes": list(task.classes), "colors": [list(color) for color in task.colors], "unit": task.unit}
    if task.kind == "regression":
        palette = render.values_rgb(np.linspace(0, 1, 255)[None], (0, 1))[0]
        shown |= {"range": list(value_range(project, prediction)), "palette": palette.tolist()}
    return shown


def _rest(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return tuple(n for i, n in enumerate(shape) if i != axis)


def _aspect(record: SampleRecord, plane: tuple[int, int] | None) -> list[float]:
    """Return the shown width and height of a pixel, the smaller one 1: unequal spacing must not distort the picture."""
    if not record.spacing or record.spatial_dims == 1:
        return [1, 1]
    high, wide = record.spacing if plane is None else _rest(record.spacing, plane[0])
    return [round(wide / min(high, wide), 4), round(high / min(high, wide), 4)]


def _marks(desk: Desk, record: SampleRecord, plane: tuple[int, int] | None) -> list[dict[str, Any]]:
    at = desk.clicked.get(record.id)
    if at is None or (plane is not None and at[plane[0]] != plane[1]):
        return []
    place = at if plane is None else _rest(at, plane[0])
    return [{"at": [place[-1], place[-2] if len(place) > 1 else 0], "main": True, "color": [255, 255, 255]}]


def _history(desk: Desk, project: Project) -> dict[str, Any]:
    everything = project.history()
    records = everything[-HISTORY:]
    position = next((i for i, record in enumerate(records) if record.seq == desk.seq), len(records) - 1)
    listed = [{"id": str(record.seq), "text": describe(record, i + 1, len(records))} for i, record in enumerate(records)]
    past = f"Version {position + 1} of {len(records)}, read only" if desk.seq is not None else None
    return {"versions": {"position": max(position, 0), "list": listed}, "past": past, **_steps(everything)}


def _steps(records: list[VersionRecord]) -> dict[str, bool]:
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
            status.append({"strong": f"{desk.changed:,}", "text": "pixels looked at again"})
    refit = None
    if prediction is not None and metric["fitted_on"]:
        new = metric["entries_now"] - metric["entries_then"]
        since = f"; {new:,} new since" if new > 0 else f"; {-new:,} gone since" if new < 0 else ""
        status.append({"text": f"metric fitted on {metric['entries_then']:,}{since}"})
        refit = "Refit" if metric["stale"] else None
    notes = list(prediction.fallbacks) if prediction else ["Paint a few pixels of two classes: the prediction appears at once."]
    return {"status": status, "refit": refit, "notes": notes, "said": {"id": desk.takes, "text": desk.said}}


def _picture_blob(sample: Sample, plane: tuple[int, int] | None, lossless: bool) -> bytes:
    rgb = render.to_rgb(sample) if plane is None else render.to_rgb(sample, *plane)
    grey = (rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 1] == rgb[..., 2]).all()
    image = Image.fromarray(np.ascontiguousarray(rgb[..., 0]) if grey else rgb)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1) if lossless else image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def _signal_blob(sample: Sample) -> bytes:
    """Return (channels, length) little-endian uint16, each channel over its own range."""
    array = np.asarray(sample.array, np.float64)
    low, high = array.min(axis=1, keepdims=True), array.max(axis=1, keepdims=True)
    scaled = (array - low) / np.where(high > low, high - low, 1)
    return zlib.compress(np.rint(65535 * scaled).astype("<u2").tobytes(), 1)


def _codes_blob(labels: np.ndarray) -> bytes:
    """Return class ids as uint8, 255 where there is none (negative)."""
    return zlib.compress(np.where(labels < 0, NOTHING, np.minimum(labels, 254)).astype(np.uint8).tobytes(), 1)


def _share_blob(share: np.ndarray, steps: int) -> bytes:
    """Return values of [0, 1] as uint8 codes 0 to 254 in `steps` steps (fewer compress better); 255 where NaN."""
    known = np.clip(np.nan_to_num(share), 0, 1)
    codes = np.rint(np.rint(known * steps) * (254 / steps)).astype(np.uint8)
    return zlib.compress(np.where(np.isnan(share), NOTHING, codes).astype(np.uint8).tobytes(), 1)
