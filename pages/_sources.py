"""The sources of a memory with a switch each, and what the prediction is with those that are on."""

import base64
import html
import io

import numpy as np
import streamlit as st
from PIL import Image

from pages import _state
from pages._desk import Desk
from pages._figures import when
from pages._panel import css, label_name
from pages._widgets import plain
from parmesan_engine import render
from parmesan_engine.project import Project
from parmesan_engine.project.sources import Source, sources
from parmesan_engine.types import Prediction, Sample

WIDTH = 720  # pixels of the picture at most
SIGNAL_HEIGHT = 160
TINT = 0.5  # of the prediction's colour over the picture


def source_switches(desk: Desk, project: Project) -> None:
    """Draw a switch for each source; beside them the open sample as it is predicted now."""
    found = sources(project.memory)
    if not found:
        st.caption("The memory is empty: paint on the Annotate page.")
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.caption("A source that is off stays in the memory, but counts for nothing, as if it had never been learned.")
        for number, source in enumerate(found):
            _row(desk, project, source, number)
    with right:
        _effect(desk, project)


def _row(desk: Desk, project: Project, source: Source, number: int) -> None:
    with st.container(border=True, key=f"source-{number}"):
        left, right = st.columns([2, 3], vertical_alignment="center")
        key = f"switch-{desk.project}-{project.version}-{len(project.history())}-{number}"
        left.toggle(plain(source.name) or "(none)", value=source.on, key=key, on_change=lambda: _take(desk.project, key, source))
        count = f"{source.examples:,} example{'s' if source.examples != 1 else ''}"
        if source.on and source.off:
            count += f", {source.off:,} of them off"
        samples = f"{source.samples:,} sample{'s' if source.samples != 1 else ''}"
        words = " · ".join([count, samples, ", ".join(source.authors), when(source.last)])
        right.html(f'<div class="source-words">{html.escape(words)}</div>')


def _take(project: str, key: str, source: Source) -> None:
    """Ask for what the switch says now; a switch that left the page is told to have changed though it has not."""
    if _state.picked(key) is (not source.on):
        _state.ask("switch", project, (source.name, not source.on))


def _effect(desk: Desk, project: Project) -> None:
    record = next((record for record in project.samples() if record.id == desk.sample), None) or next(iter(project.samples()), None)
    if record is None:
        return
    st.html(f'<div class="chosen"><b>Now</b> {html.escape(record.name)}</div>')
    if not len(project):
        st.caption("All sources are off: nothing is predicted.")
        return
    at = desk.crosshair(record)  # of a volume the slice that is looked at, never the whole
    box = None if at is None else ((at[0], at[0] + 1), *((0, n) for n in record.spatial_shape[1:]))
    with st.spinner("Predicting with the sources that are on"):
        prediction = project.predict(record.id, box=box)
    picture = overlay(project.read_sample(record.id), prediction, at and at[0])
    st.html(f'<img class="effect" src="{_url(picture)}" alt="The prediction with the sources that are on">')
    st.html(_shares(project, prediction))


def overlay(sample: Sample, prediction: Prediction, depth: int | None = None) -> np.ndarray:
    """Return the picture (h, w, 3) uint8 of a sample tinted by its prediction. depth: the slice across z of a volume.

    The prediction of a volume holds that slice alone.
    """
    step = max(1, -(-sample.spatial_shape[-1] // WIDTH)) if sample.spatial_dims == 1 else 1
    size = {"height": SIGNAL_HEIGHT, "x_step": step}
    ground = render.to_rgb(sample, 0, depth, **size).astype(np.float32)
    if prediction.labels is not None:
        codes = render.plane_of(prediction.labels, 0, 0, **size)
        colors = np.array([*prediction.task.colors, (0, 0, 0)], np.float32)[codes]
        known = codes >= 0
    else:
        values = render.plane_of(prediction.values, 0, 0, **size)
        colors, known = render.values_rgb(values).astype(np.float32), np.isfinite(values)
    tint = np.where(known, TINT, 0.0)[..., None]
    picture = (ground * (1 - tint) + colors * tint + 0.5).astype(np.uint8)
    every = max(1, -(-picture.shape[1] // WIDTH))
    return picture[::every, ::every] if sample.spatial_dims > 1 else picture


def _shares(project: Project, prediction: Prediction) -> str:
    if prediction.labels is None:
        known = prediction.values[np.isfinite(prediction.values)]
        return f"<small>mean {label_name(project, float(known.mean()))}</small>" if known.size else ""
    codes, counts = np.unique(prediction.labels, return_counts=True)
    parts = []
    for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
        color = css(project.task.colors[code]) if code >= 0 else "#64748b"
        name = html.escape(label_name(project, code))
        parts.append(f'<span><i style="background:{color}"></i>{name} {count / prediction.labels.size:.1%}</span>')
    return f'<div class="shares">{"".join(parts)}</div>'


def _url(picture: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "WEBP", quality=88, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
