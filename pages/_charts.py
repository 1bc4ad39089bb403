"""Scores as plotly figures. No Streamlit in here; colours of classes are the project's, all others the theme's."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from PIL import Image

from pages._panel import css
from parmesan_engine.project.curve import Point
from parmesan_engine.types import TaskSpec

TEAL, RUST, SLATE = "#0e7490", "#c2410c", "#94a3b8"
_MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}
_LEGEND = {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}
LONGEST = 18  # letters of a class name on an axis


@dataclass(frozen=True)
class Theme:
    """What the figures need to know of the theme."""

    dark: bool

    @property
    def paper(self) -> str:
        return "#14181d" if self.dark else "#ffffff"

    @property
    def ink(self) -> str:
        return "#e6eaee" if self.dark else "#17202a"

    @property
    def scale(self) -> list[list]:
        """From the paper to the accent: nothing is nothing to see."""
        return [[0, "#1e242b" if self.dark else "#f3f5f7"], [1, "#0891b2" if self.dark else TEAL]]


def class_scores(task: TaskSpec, iou: dict[str, float | None], dice: dict[str, float | None], theme: Theme) -> go.Figure:
    """Return IoU as bars in the class colours and Dice as marks on them, one row per class seen."""
    seen = [name for name in task.classes if iou[name] is not None]
    colors = dict(zip(task.classes, task.colors, strict=True))
    figure = go.Figure()
    figure.add_bar(y=seen, x=[iou[name] for name in seen], orientation="h", name="IoU", showlegend=False,
                   marker={"color": [css(colors[name]) for name in seen], "line": {"width": 1, "color": SLATE}},
                   text=[f"{iou[name]:.3f}" for name in seen], textposition="inside", insidetextanchor="start",
                   insidetextfont={"color": [_on(colors[name]) for name in seen]}, hovertemplate="%{y}: IoU %{x:.4f}<extra></extra>")
    figure.add_scatter(y=seen, x=[dice[name] for name in seen], mode="markers", name="Dice",
                       marker={"symbol": "diamond", "size": 10, "color": theme.ink, "line": {"width": 1, "color": theme.paper}},
                       hovertemplate="%{y}: Dice %{x:.4f}<extra></extra>")
    figure.update_layout(height=_height(len(seen), 30), margin=_MARGIN, legend=_LEGEND, bargap=0.25,
                         xaxis={"range": [0, 1.02], "title": "IoU (bar), Dice (diamond)"}, showlegend=False,
                         yaxis={**_names(seen), "autorange": "reversed"})
    return figure


def confusion(task: TaskSpec, counts: np.ndarray, theme: Theme) -> go.Figure:
    """Return the confusion matrix: of each class of the truth, the shares predicted as each class, with counts on hover."""
    rows = np.flatnonzero(counts.sum(1) > 0)
    columns = np.flatnonzero((counts.sum(0) > 0) | np.isin(np.arange(counts.shape[1]), rows))
    names = [*task.classes, "unknown"]
    shown = counts[np.ix_(rows, columns)]
    shares = shown / np.maximum(counts[rows].sum(1, keepdims=True), 1)
    across, down = [names[c] for c in columns], [names[r] for r in rows]
    text = [[f"{100 * share:.0f}" if share >= 0.005 else "" for share in row] for row in shares]
    figure = go.Figure(go.Heatmap(
        z=shares, x=across, y=down, customdata=shown, text=text, texttemplate="%{text}", zmin=0, zmax=1, colorscale=theme.scale,
        xgap=2, ygap=2, showscale=False,
        hovertemplate="truth %{y}<br>predicted %{x}<br>%{z:.2%}, %{customdata:,} pixels<extra></extra>"))
    figure.update_layout(height=_height(len(rows), 30) + 20, margin=_MARGIN,
                         xaxis={**_names(across), "title": "predicted, in percent of the truth", "showgrid": False, "side": "bottom"},
                         yaxis={**_names(down), "title": "truth", "showgrid": False, "autorange": "reversed"})
    return figure


def reliability(bins: np.ndarray, theme: Theme) -> go.Figure:
    """Return the share that is right over the confidence, beside the diagonal where both are equal; bars are wide as their bin."""
    count, sure, right = bins.T
    some = count > 0
    width = 1 / len(bins)
    middle = (np.arange(len(bins)) + 0.5) * width
    share, confidence = right[some] / count[some], sure[some] / count[some]
    weight = count[some] / count.sum()
    figure = go.Figure()
    figure.add_bar(x=middle[some], y=share, width=width * 0.92, name="right", marker={"color": TEAL, "opacity": 0.85},
                   customdata=np.stack([confidence, count[some], weight], 1),
                   hovertemplate="confidence %{customdata[0]:.3f}<br>right %{y:.3f}<br>%{customdata[1]:,.0f} pixels, "
                                 "%{customdata[2]:.1%}<extra></extra>")
    figure.add_scatter(x=confidence, y=share, mode="markers", name="mean confidence", hoverinfo="skip", cliponaxis=False,
                       marker={"size": 5 + 20 * np.sqrt(weight), "color": RUST, "line": {"width": 1, "color": theme.paper}})
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", name="as sure as right", hoverinfo="skip",
                       line={"color": SLATE, "dash": "dash", "width": 1.5})
    figure.update_layout(height=300, margin={**_MARGIN, "r": 16}, legend=_LEGEND,
                         xaxis={"range": [0, 1], "title": "confidence of the prediction"},
                         yaxis={"range": [0, 1.02], "title": "share that is right"})
    return figure


def agreement(pairs: np.ndarray, unit: str, theme: Theme) -> go.Figure:
    """Return predicted over true values, beside the diagonal where both are equal. pairs: (n, 2) of truth and prediction."""
    ends = [float(pairs.min()), float(pairs.max())] if len(pairs) else [0.0, 1.0]
    figure = go.Figure()
    figure.add_scattergl(x=pairs[:, 0], y=pairs[:, 1], mode="markers", name="pixels", marker={"size": 4, "color": TEAL, "opacity": 0.35},
                         hovertemplate="truth %{x:.4g}, predicted %{y:.4g} " + unit + "<extra></extra>")
    figure.add_scatter(x=ends, y=ends, mode="lines", name="equal", hoverinfo="skip", line={"color": SLATE, "dash": "dash", "width": 1.5})
    suffix = f", {unit}" if unit else ""
    figure.update_layout(height=400, margin=_MARGIN, legend=_LEGEND, xaxis={"title": f"truth{suffix}"},
                         yaxis={"title": f"predicted{suffix}"})
    return figure


def curve(points: Sequence[Point], measures: dict[str, str], theme: Theme) -> go.Figure:
    """Return scores over the number of examples, one line per measure. measures: key of `Score.result` -> its name for people."""
    figure = go.Figure()
    sizes = [point.record.entries for point in points]
    for (key, name), color in zip(measures.items(), (TEAL, RUST, "#7e22ce"), strict=False):
        values = [point.report.total.result()[key] for point in points]
        notes = [[point.record.version[:8], point.record.author or "engine"] for point in points]
        figure.add_scatter(x=sizes, y=values, mode="lines+markers", name=name, customdata=notes, line={"color": color, "width": 2},
                           marker={"size": 8, "color": color, "line": {"width": 1, "color": theme.paper}},
                           hovertemplate=f"{name} %{{y:.4f}}<br>%{{x:,}} examples<br>version %{{customdata[0]}} by %{{customdata[1]}}"
                                         "<extra></extra>")
    spread = bool(sizes) and max(sizes) > 20 * min(sizes)
    figure.update_layout(height=320, margin=_MARGIN, legend=_LEGEND, showlegend=len(measures) > 1,
                         xaxis={"title": "examples in the memory", "type": "log" if spread else "linear"},
                         yaxis={"title": " · ".join(measures.values()), "rangemode": "tozero"})
    return figure


def picture(pixels: np.ndarray, aspect: float) -> go.Figure:
    """Return a picture (h, w, 3) to zoom and to move. aspect: height of a pixel by its width."""
    return _planar(go.Image(source=_png(pixels), hoverinfo="skip"), pixels.shape[:2], aspect)


def value_map(truth: np.ndarray, predicted: np.ndarray, view: str, unit: str, aspect: float, theme: Theme) -> go.Figure:
    """Return (h, w) values: the signed error, blue where too low and red where too high, or the truth or the prediction alone."""
    known = truth[np.isfinite(truth)]
    if view == "Errors":
        shown = predicted - truth
        far = float(np.percentile(np.abs(shown[np.isfinite(shown)]), 99)) if np.isfinite(shown).any() else 1.0
        limits = {"zmin": -far or -1.0, "zmax": far or 1.0, "colorscale": [[0, "#2563eb"], [0.5, theme.paper], [1, "#dc2626"]]}
    else:
        shown = predicted if view == "Prediction" else truth
        low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
        limits = {"zmin": low, "zmax": high, "colorscale": "Viridis"}
    heat = go.Heatmap(z=shown.astype(np.float32), colorbar={"title": unit or "value", "thickness": 12}, hoverongaps=False, **limits,
                      hovertemplate="x %{x}, y %{y}: %{z:.4g} " + unit + "<extra></extra>")
    return _planar(heat, shown.shape, aspect).update_layout(plot_bgcolor=SLATE)  # what is not known is no value


def _planar(trace, shape: tuple[int, int], aspect: float) -> go.Figure:
    height, width = shape
    figure = go.Figure(trace)
    tall = 480 if height * aspect > 0.3 * width else 240
    figure.update_layout(height=tall, margin={"l": 0, "r": 0, "t": 0, "b": 0}, dragmode="pan", plot_bgcolor="rgba(0,0,0,0)",
                         xaxis={"visible": False, "range": [-0.5, width - 0.5], "constrain": "domain"},
                         yaxis={"visible": False, "range": [height - 0.5, -0.5], "scaleanchor": "x", "scaleratio": aspect,
                                "constrain": "domain"})
    return figure


def _png(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=4)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _height(rows: int, each: int) -> int:
    return max(150, 70 + each * rows)


def _names(names: Sequence[str]) -> dict:
    """Return axis settings that cut long names; hovering still shows all of them."""
    return {"type": "category", "tickmode": "array", "tickvals": list(names),
            "ticktext": [name if len(name) <= LONGEST else name[: LONGEST - 1] + "…" for name in names]}


def _on(color: tuple[int, int, int]) -> str:
    """Return black or white, whichever is read better on a colour."""
    red, green, blue = color
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "#ffffff"
