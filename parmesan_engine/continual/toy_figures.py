"""Two experiments of papers on points of a plane (see `methods.toys`), as figures that show in one look what memories promise."""

from functools import cache
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from parmesan_engine.io.palette import distinct_colors
from parmesan_engine.methods.toys import adaptation_toy, bottleneck_toy

TIMES = (0, 2, 5, 10, 20)  # numbers of gradient steps that get a line
STYLES = (("#94a3b8", "dot", "circle"), ("#56b4e9", "dash", "square"), ("#e69f00", "dashdot", "diamond"), ("#0072b2", "solid", "star"),
          ("#882255", "longdash", "triangle-up"))
ABOUT = {
    "dkvb": "Eight classes of points are learned two at a time. Colour: what a method answers in the plane after each step. The discrete "
            "key-value bottleneck keeps all steps, for it changes only the values near the new points; a linear probe keeps the last.",
    "mbpa": "A linear head has learned the same four steps and forgotten the first. Memory-based parameter adaptation fits it, for each "
            "answer anew, to the nearest remembered points: a few neighbours and gradient steps bring the first step back.",
}


@cache
def toy_figures() -> tuple[tuple[str, str], ...]:
    """Return for each experiment a sentence, and its figure as JSON: computed once, in a second or two."""
    return (ABOUT["dkvb"], bottleneck(bottleneck_toy()).to_json()), (ABOUT["mbpa"], adaptation(adaptation_toy()).to_json())


def bottleneck(toy: dict[str, Any]) -> go.Figure:
    """Return a row of maps for each method, a column for each step. toy: what `bottleneck_toy` returns."""
    names, count = ("dkvb", "linear probe"), len(toy["points"])
    titles = [f"{name}, step {step + 1}: {toy[name]['accuracy'][step, : step + 1].mean():.0%} of all so far"
              for name in names for step in range(count)]
    figure = make_subplots(len(names), count, subplot_titles=titles, horizontal_spacing=0.02, vertical_spacing=0.1)
    for row, name in enumerate(names, 1):
        for step in range(count):
            _map(figure, toy[name]["maps"][step], toy, step + 1, row, step + 1)
    return _square(figure, 560)


def adaptation(toy: dict[str, Any]) -> go.Figure:
    """Return the maps before and after adaptation, and the accuracy on the first step. toy: what `adaptation_toy` returns."""
    figure = make_subplots(1, 3, subplot_titles=["the head after four steps", "adapted to 8 neighbours by 20 steps", "accuracy on step 1"],
                           horizontal_spacing=0.06)
    for column, name in enumerate(("head", "adapted"), 1):
        _map(figure, toy["maps"][name], toy, len(toy["points"]), 1, column)
    for times, (color, dash, symbol) in zip(TIMES, STYLES, strict=True):
        figure.add_scatter(x=toy["neighbours"], y=toy["first"][:, toy["steps"].index(times)], mode="lines+markers", row=1, col=3,
                           name=f"{times} gradient steps", line={"color": color, "dash": dash}, marker={"symbol": symbol, "size": 9})
    figure.add_hline(y=toy["learned"], line={"color": "#5f6670", "dash": "dot"}, row=1, col=3, annotation_text="just after learning it",
                     annotation_position="bottom right")
    _square(figure, 360)
    figure.update_xaxes(visible=True, range=None, type="log", dtick="L8", title="neighbours", tickvals=toy["neighbours"], constrain="range",
                        row=1, col=3)
    return figure.update_yaxes(visible=True, range=[-0.05, 1.05], scaleanchor=False, row=1, col=3)


def _map(figure: go.Figure, answers: np.ndarray, toy: dict[str, Any], steps: int, row: int, column: int) -> None:
    """Draw what is answered in the plane, and the points of the first `steps` steps on it. answers: (n, n) classes."""
    classes = int(max(c.max() for c in toy["classes"])) + 1
    colors = [f"rgb{color}" for color in distinct_colors(classes)]
    scale = [[(at + side) / classes, color] for at, color in enumerate(colors) for side in (0, 1)]
    line = (np.arange(len(answers)) + 0.5) / len(answers)
    figure.add_heatmap(x=line, y=line, z=answers, zmin=-0.5, zmax=classes - 0.5, colorscale=scale, showscale=False, opacity=0.55, row=row,
                       col=column, hovertemplate="class %{z}<extra></extra>")
    at, known = np.concatenate(toy["points"][:steps]), np.concatenate(toy["classes"][:steps])
    figure.add_scatter(x=at[:, 0], y=at[:, 1], mode="markers", row=row, col=column, showlegend=False, hoverinfo="skip",
                       marker={"color": [colors[c] for c in known], "size": 4, "line": {"width": 0.5, "color": "#17202a"}})


def _square(figure: go.Figure, height: int) -> go.Figure:
    """Give every panel the unit square without ticks."""
    for number, axis in enumerate(figure.select_xaxes(), 1):
        axis.update(visible=False, range=[0, 1], constrain="domain")
        figure.layout[f"yaxis{number if number > 1 else ''}"].update(visible=False, range=[0, 1], constrain="domain",
                                                                     scaleanchor=f"x{number if number > 1 else ''}")
    figure.update_annotations(font_size=12)
    return figure.update_layout(height=height, margin={"l": 8, "r": 8, "t": 40, "b": 8}, legend={"y": 0.5, "x": 1.01})
