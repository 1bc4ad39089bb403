"""Lesson 1: what a memory is."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from PIL import Image

from pages._charts import TEAL
from pages._lessons.lesson import FONT, PLAIN, Lesson, enlarged, formula, keys, moved, percent, theme
from pages._panel import css
from parmesan_engine.lessons import strokes

MOST_ROWS, GAP = 92, 10
TEXT = """A **memory** is a table. Each row is an *example*: what a place looks like (its features $h$) and what somebody called it (its
label $y$). To learn is to add rows; nothing is trained. To answer, find the row that looks most alike and say its label; if nothing looks
alike, say *unknown* (no colour).

Label one heartbeat, stroke by stroke. What happens to the three others?"""
NOW = (
    "An empty memory guesses nothing: every place is **unknown**.",
    "One stroke, and it is found in **every** beat. It knows only this one word, so it says it wherever something looks a little alike.",
    "A second word, and much of what was called QRS complex is taken back, in all beats at once: a nearer example has spoken.",
    "T waves are found. But **P waves are called baseline**: it has never seen one, and names what looks most alike of all it knows.",
    "Now it knows P waves, all four of them. But the flat line before each beat is called P wave: it has never seen that line.",
    "One stroke on one flat line **corrects the flat lines of all beats**. Nothing was trained again; a few rows were added.",
    "Six strokes in one beat, and {right} of the recording is right, three beats of which nobody has touched.",
)


def control() -> int:
    count = st.slider("Strokes in the memory", 0, strokes.COUNT, 0, key="strokes", bind="query-params")
    answer, scene = strokes.after(count), strokes.scene()
    rows, label = len(answer.rows), int(answer.labels[scene.asked])
    inside = rf"(h_1,y_1),\dots,(h_{{{moved(rows)}}},y_{{{moved(rows)}}})" if rows else r"\;"
    name = scene.task.classes[label] if label >= 0 else "unknown"
    far = rf"\qquad\text{{for }} d={moved(f'{1 - answer.witness.similarity:.2f}')}" if answer.witness else ""
    formula(rf"\mathcal M &= \{{{inside}\}}", r"\hat y(\mathsf ?) &= y_{j^*},\quad j^*=\arg\min_j\, d(h_{\mathsf ?},h_j)",
            rf"&= \text{{{name}}}{far}" + (r"\ge 0.5" if answer.witness and label < 0 else ""))
    return count


def draw(count: int) -> None:
    trace, table = st.columns([4, 1], gap="medium")
    with trace, st.container(key="heartbeat-box"):  # as high as the screen allows
        st.plotly_chart(_figure(count), config=PLAIN, key="heartbeat", height="stretch")
    with table:
        keys(strokes.scene().task)
        st.image(_table(count), width="stretch")
        answer = strokes.after(count)
        took = f"; the last stroke took {1000 * answer.seconds:.1f} ms to learn" if count else ""
        st.caption(f"The memory: {len(answer.rows)} rows{took}. Left the label, right the features.")


def now(count: int) -> str:
    right = float((strokes.after(count).labels == strokes.scene().truth).mean())
    return NOW[count].format(right=percent(right))


def _figure(count: int) -> go.Figure:
    """Return the trace with the answer behind it, the truth below, and an arc from the place asked about to its nearest example."""
    scene, answer, ink = strokes.scene(), strokes.after(count), theme().ink
    step, values = scene.sample.spacing[0], scene.sample.array[0]
    low, high = float(values.min()), float(values.max())
    deep, x = 0.14 * (high - low), scene.asked * step
    level = high - 0.6 * deep
    shapes = _bands(answer.labels, low - deep, high + deep, 0.4) + _bands(scene.truth, low - 2.2 * deep, low - 1.4 * deep, 0.9)
    shapes += [{"type": "rect", "x0": stroke.start * step, "x1": stroke.stop * step, "y0": low - deep, "y1": low - 0.45 * deep,
                "fillcolor": css(scene.task.colors[stroke.label]), "line": {"width": 1.5, "color": ink}}
               for stroke in scene.strokes[:count]]
    shapes.append({"type": "line", "x0": x, "x1": x, "y0": low - deep, "y1": level, "line": {"color": TEAL, "width": 2, "dash": "dot"}})
    words = [{"x": x, "y": high + 0.2 * deep, "text": "<b>?</b>", "showarrow": False, "font": {"size": 26, "color": TEAL}},
             {"x": 0, "y": low - 1.8 * deep, "text": "truth ", "showarrow": False, "xanchor": "right"}]
    if answer.witness is not None:
        at = answer.witness.at[0]
        to = at * step
        shapes.append({"type": "path", "path": f"M {x} {level} Q {(x + to) / 2} {high + 1.6 * deep} {to} {level}",
                       "line": {"color": TEAL, "width": 3}})
        words.append({"x": to, "y": float(values[at]), "ax": to, "ay": level, "axref": "x", "ayref": "y", "text": "", "arrowhead": 2,
                      "arrowsize": 1.2, "arrowwidth": 3, "arrowcolor": TEAL})
    trace = go.Scatter(x=np.arange(len(values)) * step, y=values, mode="lines", line={"color": ink, "width": 2})
    return go.Figure(trace, {  # all at once: one by one, plotly checks everything again each time
        "margin": {"l": 55, "r": 8, "t": 8, "b": 8}, "font": {"size": FONT}, "shapes": shapes, "annotations": words,
        "xaxis": {"tickfont": {"size": FONT}, "range": [0, len(values) * step], "title": "seconds", "showgrid": False, "zeroline": False},
        "yaxis": {"visible": False, "range": [low - 2.3 * deep, high + deep]}})


def _bands(labels: np.ndarray, bottom: float, top: float, opacity: float) -> list[dict]:
    """Return rectangles in the colours of (t,) labels, one for each run of equal ones."""
    step, edges = strokes.scene().sample.spacing[0], np.flatnonzero(np.diff(labels)) + 1
    colors = list(map(css, strokes.scene().task.colors))
    return [{"type": "rect", "x0": start * step, "x1": stop * step, "y0": bottom, "y1": top, "fillcolor": colors[labels[start]],
             "opacity": opacity, "layer": "below", "line": {"width": 0}}
            for start, stop in zip([0, *edges], [*edges, len(labels)], strict=True) if labels[start] >= 0]


def _table(count: int) -> Image.Image:
    """Return the memory as a picture: one line per row, the colour of its label, then its features from low to high."""
    scene, answer = strokes.scene(), strokes.after(count)
    mean, spread = (f(strokes.after(strokes.COUNT).rows, axis=0) for f in (np.mean, np.std))
    pixels = np.full((MOST_ROWS, GAP + len(mean), 3), 30 if theme().dark else 243, np.uint8)
    pixels[: len(answer.rows), GAP:] = np.clip(128 + 64 * (answer.rows - mean) / spread, 0, 255)[..., None]
    pixels[: len(answer.rows), : GAP - 2] = np.asarray(scene.task.colors)[answer.said][:, None]
    return enlarged(pixels)


LESSON = Lesson("What a memory is", TEXT, control, draw, now)
