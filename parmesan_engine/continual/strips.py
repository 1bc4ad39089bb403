"""The same held-back sample after every step, by every method, as a piece of HTML that needs nothing else: page and report show it."""

import base64
import html
import io
from typing import Any

import numpy as np
from PIL import Image

from parmesan_engine import render
from parmesan_engine.continual.figures import label, ours, stations
from parmesan_engine.continual.outcome import Outcome, Picture
from parmesan_engine.io.palette import Color

UNKNOWN = (110, 110, 110)  # as `render.values_rgb` shows what is not known
STYLE = """
.strip { display: flex; gap: 14px; align-items: flex-start; overflow-x: auto; font-size: 0.85rem; line-height: 1.25; }
.strip figure { margin: 0 0 8px; } .strip figcaption { font-weight: 600; margin-bottom: 2px; }
.strip .given { flex: 0 0 176px; } .strip .given img { width: 176px; }
.strip table { border-collapse: collapse; } .strip th { text-align: left; font-weight: 600; padding: 0 6px 4px 0; max-width: 150px; }
.strip td { padding: 0 6px 6px 0; vertical-align: top; } .strip td img { width: 104px; display: block; }
.strip img { image-rendering: pixelated; border-radius: 4px; } .strip .ours { border-left: 3px solid #0072b2; padding-left: 6px; }
.strip small { opacity: 0.75; } .strip .swatch { display: inline-block; margin-right: 10px; white-space: nowrap; }
.strip .swatch::before { content: ""; display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 4px;
  background: var(--swatch); }
"""


def strip(outcome: Outcome, which: int, methods: tuple[str, ...] = ()) -> str:
    """Return picture and truth of a sample of `Outcome.strip`, and a table: a row per method (default: all), a column per step.

    Only the first seed is shown; below each answer stands the score on the experience that the sample belongs to.
    """
    picture, seed = outcome.strip[which], outcome.run["seeds"][0]
    task, at = outcome.stream["tasks"][picture.task], outcome.steps.index(picture.experience)
    limits = _limits(task, picture)
    rows, heads = [], [f"<th>{'after ' * (at < len(outcome.steps))}{html.escape(name)}</th>" for at, name in enumerate(stations(outcome))]
    for method in methods or outcome.methods:
        records = {record.step: record for record in outcome.of(method, seed) if len(record.answers) > which}
        cells = [_cell(records.get(step), which, at, task, limits) for step in range(len(heads))]
        mark = ' class="ours"' if ours(method) else ""
        rows.append(f"<tr><th{mark}>{html.escape(label(method))}</th>{''.join(cells)}</tr>")
    given = "".join(f"<figure><figcaption>{name}</figcaption>{_image(pixels, name)}</figure>" for name, pixels in
                    (("sample", picture.picture), ("truth", _answer(picture.truth, task, limits))))
    return (f'<div class="strip"><div class="given">{given}{_legend(task, limits)}</div>'
            f"<table><tr><th></th>{''.join(heads)}</tr>{''.join(rows)}</table></div>")


def _cell(record: Any, which: int, at: int, task: dict[str, Any], limits: tuple[float, float]) -> str:
    """Return one answer with its score; an empty cell where there is none yet."""
    if record is None:
        return "<td></td>"
    score = "not scored" if record.scores[at] is None else f"{record.scores[at]:.3f}"
    text = f"{label(record.method)}, after {record.name}: {score}"
    return f"<td>{_image(_answer(record.answers[which], task, limits), text)}<small>{score}</small></td>"


def _limits(task: dict[str, Any], picture: Picture) -> tuple[float, float]:
    """Return the values that are shown darkest and brightest."""
    if task["display_range"]:
        return tuple(task["display_range"])
    known = picture.truth[np.isfinite(picture.truth)].astype(float)
    return (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)


def _answer(answer: np.ndarray, task: dict[str, Any], limits: tuple[float, float]) -> np.ndarray:
    """Return (h, w, 3) uint8: classes in their colours, or values from violet to yellow; unknown is grey."""
    if task["kind"] == "regression":
        return render.values_rgb(answer.astype(np.float32), limits)
    return np.asarray([*task["colors"], UNKNOWN], np.uint8)[answer]


def _image(pixels: np.ndarray, text: str) -> str:
    """Return an <img> that holds its picture (h, w, 3)."""
    buffer, image = io.BytesIO(), Image.fromarray(np.ascontiguousarray(pixels))
    few = image.getcolors(256) is not None
    (image.convert("P", palette=Image.Palette.ADAPTIVE) if few else image).save(buffer, "PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<img src="data:image/png;base64,{data}" alt="{html.escape(text)}" title="{html.escape(text)}">'


def _legend(task: dict[str, Any], limits: tuple[float, float]) -> str:
    """Return what the colours mean."""
    if task["kind"] == "regression":
        ends = [tuple(int(c) for c in color) for color in render.values_rgb(np.array([0.0, 1.0]), (0.0, 1.0))]
        named = [(f"{limit:.4g} {task['unit']}".strip(), color) for limit, color in zip(limits, ends, strict=True)]
    else:
        named = list(zip(task["classes"], task["colors"], strict=True))
    return "".join(_swatch(name, color) for name, color in [*named, ("unknown", UNKNOWN)])


def _swatch(name: str, color: Color) -> str:
    return f'<span class="swatch" style="--swatch:rgb{tuple(color)}">{html.escape(name)}</span>'
