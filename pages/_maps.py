"""The maps over a picture: what each is called, what state it shows, and its codes for a plane or the whole. No Streamlit in here."""

import numpy as np

from pages._blobs import DOUBT_STEPS, PREDICTION_STEPS, codes_blob, share_blob
from pages._desk import Desk, past_version, predict
from pages._layers import CHANGE, REACH, layer, layer_id, offered
from parmesan_engine.errors import UnknownNameError
from parmesan_engine.project import Project, SampleRecord, searching
from parmesan_engine.types import Prediction

DOUBTS = ("conflict", "novelty")
Plane = tuple[int, int] | None  # (axis, index) of a volume


def map_states(desk: Desk, project: Project, record: SampleRecord) -> dict[str, str]:
    """Return the maps that can be shown now: name -> what they depend on. Only the layer that is looked at is among them."""
    states = {}
    if desk.seq is None:  # what was painted is known of the present only
        states["painted"] = project.version[:12] or "empty"
    prediction = predict(desk, project) if record.id == desk.sample else None
    if prediction is None:
        return states
    state = f"{prediction.version[:12]}-{str(prediction.metric)[:12]}-{searching.mark(project)}"
    states["prediction"] = state
    if desk.layer in DOUBTS:
        states[desk.layer] = state
    elif desk.layer in offered(desk, project, record):
        states[desk.layer] = layer_id(desk, project, record, desk.layer)
    return states


def draw_map(desk: Desk, project: Project, record: SampleRecord, name: str, plane: Plane) -> bytes:
    """Return the codes of a map that `map_states` has named. Raises UnknownNameError."""
    box = box_of(record, plane)
    if name == "painted":
        return codes_blob(project.painted(record.id, box=box))
    if name in (CHANGE, REACH):
        share = layer(desk, project, record, name, box)
        return share_blob(np.zeros(_shape(record, plane)) if share is None else share, DOUBT_STEPS)
    whole = predict(desk, project)
    part = whole if plane is None else project.predict(record.id, version=past_version(desk, project), box=box)
    if name in DOUBTS:
        return share_blob(getattr(part, name), DOUBT_STEPS)
    if name != "prediction":
        raise UnknownNameError("a map of this sample", repr(name)[:40], "reload the page")
    if part.labels is not None:
        return codes_blob(part.labels)
    low, high = value_range(project, whole)
    return share_blob((part.values - low) / (high - low), PREDICTION_STEPS)


def value_range(project: Project, prediction: Prediction | None) -> tuple[float, float]:
    """Return the values drawn in the first and last colour: the task's own, else those predicted."""
    if project.task.display_range:
        return project.task.display_range
    known = prediction.values[np.isfinite(prediction.values)] if prediction is not None else np.empty(0)
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    return low, high if high > low else low + 1.0


def box_of(record: SampleRecord, plane: Plane) -> tuple[tuple[int, int], ...] | None:
    """Return a plane as (start, stop) along each axis; None for the whole of what is no volume."""
    if plane is None:
        return None
    axis, index = plane
    return tuple((index, index + 1) if i == axis else (0, n) for i, n in enumerate(record.spatial_shape))


def _shape(record: SampleRecord, plane: Plane) -> tuple[int, ...]:
    return record.spatial_shape if plane is None else tuple(n for i, n in enumerate(record.spatial_shape) if i != plane[0])
