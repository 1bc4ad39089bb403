"""Time against the size of the memory, log-log, as one HTML file that needs nothing else. The only room beside pages that draws."""

import itertools
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

SHOWN_K = 8
RIVALS = {"faiss_flat_ms": ("Faiss IndexFlat, as installed", "#9aa0a8"), "faiss_best_ms": ("Faiss IndexFlat, best kernel", "#5f6670"),
          "gemm_ms": ("matrix product alone", "#d5a021")}
COLORS = ("#0072b2", "#009e73", "#cc79a7", "#d55e00", "#56b4e9")  # after Okabe and Ito (2008)


def write_chart(cases: list[dict[str, Any]], path: Path) -> None:
    """Write one panel per kind of features (rows) and width of keys (columns), for SHOWN_K neighbours. Raises OSError."""
    cases = [case for case in cases if case["k"] == SHOWN_K]
    kinds, widths = list(dict.fromkeys(c["features"] for c in cases)), sorted({c["d"] for c in cases})
    names = list(dict.fromkeys(_name(case) for case in cases))
    figure = make_subplots(len(kinds), len(widths), shared_xaxes=True, shared_yaxes=True, vertical_spacing=0.08, horizontal_spacing=0.03,
                           subplot_titles=[f"{kind}, {width} values a key" for kind in kinds for width in widths])
    drawn: set[str] = set()
    for row, kind in enumerate(kinds, 1):
        for column, width in enumerate(widths, 1):
            panel = [case for case in cases if (case["features"], case["d"]) == (kind, width)]
            plain = [case for case in panel if _name(case) == "exact"]
            for key, (name, color) in RIVALS.items():
                _line(figure, (row, column), plain, key, name, color, drawn)
            for name, color in zip(names, itertools.cycle(COLORS), strict=False):
                _line(figure, (row, column), [case for case in panel if _name(case) == name], "ours_ms", name, color, drawn)
    figure.update_xaxes(type="log", title_text="entries", row=len(kinds))
    figure.update_yaxes(type="log", title_text="ms for 1,000 queries", col=1)
    figure.update_layout(template="plotly_white", height=120 + 320 * len(kinds), legend={"orientation": "h", "y": -0.15},
                         title=f"Search time against the size of the memory, {SHOWN_K} neighbours")
    figure.write_html(path, include_plotlyjs=True)


def _line(figure: go.Figure, place: tuple[int, int], cases: list[dict[str, Any]], key: str, name: str, color: str, drawn: set[str]) -> None:
    if not cases:
        return
    ours = key == "ours_ms"
    figure.add_trace(go.Scatter(x=[c["n"] for c in cases], y=[1000 * c[key] / c["q"] for c in cases], name=name, legendgroup=name,
                                showlegend=name not in drawn, mode="lines+markers",
                                line={"color": color, "width": 3 if ours else 1.5, "dash": "solid" if ours else "dot"}),
                     row=place[0], col=place[1])
    drawn.add(name)


def _name(case: dict[str, Any]) -> str:
    return ", ".join(filter(None, (case["index"], case["variant"])))
