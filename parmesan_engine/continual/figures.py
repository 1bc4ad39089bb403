"""Figures of an outcome. A colour is a kind of method, dash and marker its variant; names stand at the right, level with the scores."""

import inspect
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from parmesan_engine.continual import measures
from parmesan_engine.continual.outcome import Outcome
from parmesan_engine.methods import METHODS

OURS = "parmesan"
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
GLYPHS = {"circle": "●", "square": "■", "diamond": "◆", "triangle-up": "▲", "triangle-down": "▼", "star": "★"}
SYMBOLS = tuple(GLYPHS)
# Okabe and Ito (2008) without yellow, which is lost on white, then indigo, olive and wine of Paul Tol's muted scheme (2021): told apart
# also by colour-blind eyes. More than these cannot be told apart by anyone.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#332288", "#999933", "#882255", "#5f6670")
REST = "#94a3b8"
SCALE = [[0, "#f3f5f7"], [1, "#0e7490"]]  # nothing is nothing to see
COSTS = {"absorb_seconds": "seconds to absorb a step", "bytes": "bytes kept after the last step", "query_ms": "milliseconds a sample"}
ALSO = {"absorb_seconds": "absorb_seconds_with_encoding"}  # drawn hollow beside it
ABOUT = {
    "curves": "After each step (left to right): the mean score on all steps learned so far; bars are one standard deviation over seeds.",
    "one": "The score on one step alone, after it and after each later step: a line that falls is forgetting.",
    "matrices": "Rows: after which step; columns: scored on which step. Right of the diagonal: scored before it was learned.",
    "absorb_seconds": "Score after the last step against the seconds to absorb one (log): filled without, hollow with encoding its "
                      "samples. Up and left is better.",
    "bytes": "Score after the last step against all bytes that are kept between steps (log). Up and left is better.",
    "query_ms": "Score after the last step against the milliseconds to answer one sample, encoding excluded (log). Up and left is better.",
}
LONGEST = 16  # letters of the name of a step on an axis


def label(method: str) -> str:
    """Return what people call a recipe: its strategy without the keyword, and named also where it is the default.

    >>> label("unet:strategy=ewc,minutes=1.0")
    'unet ewc, minutes=1.0'
    """
    name, _, rest = method.partition(":")
    usual = inspect.signature(METHODS.get(name)).parameters.get("strategy") if name in METHODS.names() else None
    if usual is not None and "strategy=" not in rest:
        rest = ",".join([f"strategy={usual.default}", *filter(None, [rest])])
    return f"{name} {rest}".strip().replace("strategy=", "").replace(",", ", ")


def ours(method: str) -> bool:
    """Return whether a recipe, or what people call it, is a variant of PARMESAN."""
    return re.split("[: ]", method)[0] == OURS


def styles(methods: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return {method: color, dash, symbol, width}: one colour for each registered name, one dash and marker for each of its variants.

    A method has its colour whatever else is drawn, so that it keeps it from figure to figure.
    """
    named = dict.fromkeys([*METHODS.names(), *(method.partition(":")[0] for method in methods)])
    kinds = sorted(named, key=lambda kind: kind != OURS)
    found, variants = {}, dict.fromkeys(kinds, 0)
    for method in methods:
        kind = method.partition(":")[0]
        at, variant = kinds.index(kind), variants[kind]
        variants[kind] += 1
        round_ = variant + max(0, at - len(COLORS)) // len(SYMBOLS)  # those without a colour of their own differ at least by this
        found[method] = {"color": COLORS[at] if at < len(COLORS) else REST, "dash": DASHES[round_ % len(DASHES)],
                         "symbol": SYMBOLS[(at + variant) % len(SYMBOLS)], "width": 4 if ours(method) else 1.8}
    return found


def stations(outcome: Outcome) -> list[str]:
    """Return the names of the steps, and of what was unlearned after them."""
    return outcome.steps + list(dict.fromkeys(record.name for record in outcome.records if record.step == len(outcome.steps)))[:1]


def curves(outcome: Outcome, of: int | None = None) -> go.Figure:
    """Return scores after each step, a line per method; what was unlearned at the end is one step more.

    of: scored on this experience; None: the mean over all that were learned, and not unlearned, so far.
    """
    names, figure, ends = stations(outcome), go.Figure(), {}
    for method, style in styles(outcome.methods).items():
        seeds = sorted({record.seed for record in outcome.of(method)})
        lines = np.asarray([_line(outcome, method, seed, of, len(names)) for seed in seeds])
        known = np.flatnonzero(np.isfinite(lines).any(0))
        if not len(known):
            continue
        middle, spread = np.nanmean(lines[:, known], 0), np.nanstd(lines[:, known], 0)
        ends[method] = float(middle[-1])
        figure.add_scatter(x=known, y=middle, mode="lines+markers", name=label(method), showlegend=False,
                           error_y={"array": spread, "thickness": 1, "width": 3} if spread.any() else None,
                           line={"color": style["color"], "dash": style["dash"], "width": style["width"]},
                           marker={"symbol": style["symbol"], "size": 9}, customdata=[names[step] for step in known],
                           hovertemplate=f"{label(method)}<br>after %{{customdata}}: %{{y:.3f}}<extra></extra>")
    _name(figure, outcome, ends)
    return figure.update_layout(yaxis={"title": "score on " + ("all steps so far" if of is None else outcome.steps[of])},
                                xaxis={"title": "after step", "tickmode": "array", "tickvals": list(range(len(names))),
                                       "ticktext": [_short(name) for name in names], "range": [-0.15, len(names) - 0.85]})


def matrices(outcome: Outcome, methods: Sequence[str] = (), columns: int = 4) -> go.Figure:
    """Return the result matrix of each method as a heat map: row i, column j is the score on experience j after step i."""
    methods, names = methods or outcome.methods, _told_apart(outcome.steps)
    columns = max(min(columns, len(methods)), 1)
    rows, tall = max(math.ceil(len(methods) / columns), 1), 50 + 28 * max(len(names), 3)
    figure = make_subplots(rows, columns, subplot_titles=[label(method) for method in methods], horizontal_spacing=0.03,
                           shared_xaxes="all", shared_yaxes="all", vertical_spacing=40 / (tall * rows))
    for place, method in enumerate(methods):
        cells = outcome.matrix(method)
        text = [[f"{cell:.2f}" if math.isfinite(cell) else "" for cell in row] for row in cells]
        figure.add_heatmap(z=cells, x=names, y=names, zmin=0, zmax=1, colorscale=SCALE, showscale=False, xgap=2, ygap=2, text=text,
                           texttemplate="%{text}", hoverongaps=False, row=place // columns + 1, col=place % columns + 1,
                           hovertemplate=f"{label(method)}<br>after %{{y}}, on %{{x}}: %{{z:.3f}}<extra></extra>")
    figure.update_xaxes(showgrid=False, type="category", fixedrange=True)
    figure.update_yaxes(showgrid=False, type="category", autorange="reversed", fixedrange=True)
    return figure.update_layout(height=tall * rows + 40, margin={"l": 8, "r": 8, "t": 30, "b": 8})


def cost(outcome: Outcome, what: str) -> go.Figure:
    """Return the average score against a cost of `COSTS`, which is logarithmic, of the methods that have gone through all steps."""
    summary, look, figure, ends = outcome.summary(), styles(outcome.methods), go.Figure(), {}
    for method, row in summary.items():
        if row["average"] is None:
            continue
        ends[method], style = row["average"], look[method]
        places = [max(row[key], 1e-5) for key in (what, ALSO.get(what)) if key]
        figure.add_scatter(x=places, y=[row["average"]] * len(places), mode="lines+markers", name=label(method), showlegend=False,
                           line={"color": style["color"], "dash": style["dash"], "width": 1.5},
                           marker={"symbol": [style["symbol"], f"{style['symbol']}-open"][: len(places)], "color": style["color"],
                                   "line": {"width": 2, "color": style["color"]}, "size": 15 if style["width"] > 2 else 11},
                           hovertemplate=f"{label(method)}<br>{COSTS[what]}: %{{x:.3g}}, score %{{y:.3f}}<extra></extra>")
    _name(figure, outcome, ends)
    return figure.update_layout(xaxis={"title": COSTS[what], "type": "log", "dtick": 1, "exponentformat": "SI"},
                                yaxis={"title": "score after the last step"})


def _line(outcome: Outcome, method: str, seed: int, of: int | None, length: int) -> list[float]:
    """Return (length,) scores of one seed, NaN where there is none (yet)."""
    line, names = [math.nan] * length, outcome.steps
    for record in outcome.of(method, seed):
        scores = np.array([math.nan if score is None else score for score in record.scores])
        kept = [at for at in range(min(record.step + 1, len(names))) if record.name != f"without {names[at]}"]
        line[record.step] = measures.mean(scores[kept]) if of is None else float(scores[of])
    return line


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def _told_apart(names: Sequence[str]) -> list[str]:
    """Return short names, numbered where two would be the same: plotly would draw them in one place.

    >>> _told_apart(["a street at night, 1", "a street at night, 2", "a field"])
    ['1 a street at n…', '2 a street at n…', 'a field']
    """
    short = [_short(name) for name in names]
    return [_short(f"{at} {name}") if short.count(one) > 1 else one for at, (name, one) in enumerate(zip(names, short, strict=True), 1)]


def _name(figure: go.Figure, outcome: Outcome, ends: dict[str, float]) -> None:
    """Write the name of each method at the right, at the height of its end as far as there is room."""
    height = max(340, 90 + 19 * len(ends))
    shown = [value for trace in figure.data for value in trace.y] or [0.0, 1.0]
    low, high = min(shown) - 0.04, max(shown) + 0.04
    order = sorted(ends, key=ends.get, reverse=True)[::-1]  # of equal ones the first stands above
    places = _apart([ends[method] for method in order], 18 / (height - 80) * (high - low), high)
    look, names = styles(outcome.methods), {method: label(method) for method in order}
    for method, at in zip(order, places, strict=True):
        name = f"<b>{names[method]}</b>" if look[method]["width"] > 2 else names[method]
        figure.add_annotation(x=1.01, xref="paper", y=at, xanchor="left", showarrow=False, align="left",
                              text=f'<span style="color:{look[method]["color"]}">{GLYPHS[look[method]["symbol"]]}</span> {name}')
    wide = 30 + 7 * max(map(len, names.values()), default=0)
    figure.update_layout(height=height, margin={"l": 8, "r": wide, "t": 8, "b": 8}, yaxis={"range": [min([low, *places]), high]})


def _apart(values: Sequence[float], gap: float, top: float) -> list[float]:
    """Return ascending values moved as little as needed to stand at least `gap` apart, the last one not above `top`.

    >>> _apart([0.5, 0.5, 0.9], 0.1, 1.0)
    [0.5, 0.6, 0.9]
    """
    places: list[float] = []
    for value in values:
        places.append(max(value, places[-1] + gap) if places else value)
    for index in range(len(places) - 1, -1, -1):
        limit = top if index == len(places) - 1 else places[index + 1] - gap
        places[index] = min(places[index], limit)
    return places
