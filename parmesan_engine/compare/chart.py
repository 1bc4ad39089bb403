"""Scores against labelled pixels and against the size of the memory, as one HTML file that needs nothing else."""

import itertools
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5f6670")  # after Okabe and Ito (2008)
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
PANELS = {"per_class": "labelled pixels per class and sample", "entries": "entries in the memory"}

Row = dict[str, Any]


def write_chart(summary: list[Row], path: Path) -> None:
    """Draw the summary of `compare`: a row for each dataset, a panel against labelled pixels and one against entries. Raises OSError.

    A colour is a method, a dash its encoder, bars one standard deviation over seeds. What has no place on an axis (a method
    without a memory, every pixel labelled) is a level line.
    """
    datasets = list(dict.fromkeys(row["data"] for row in summary))
    figure = make_subplots(len(datasets), len(PANELS), horizontal_spacing=0.07, vertical_spacing=0.28 / max(len(datasets), 2),
                           subplot_titles=[f"{data}: {_unit(data, summary)}" for data in datasets for _ in PANELS])
    styles, drawn = _styles(summary), set()
    for row, data in enumerate(datasets, 1):
        mine = [one for one in summary if one["data"] == data]
        for column, axis in enumerate(PANELS, 1):
            for name, style in styles.items():
                points = _points([one for one in mine if _name(one) == name], axis)
                if points and _draw(figure, (row, column), points, axis, name, style, name not in drawn):
                    drawn.add(name)
            figure.update_xaxes(type="log", title_text=PANELS[axis], row=row, col=column)
    figure.update_layout(template="plotly_white", height=140 + 340 * len(datasets), title="Equal labels, held-back samples",
                         legend={"orientation": "h", "y": -0.12})
    figure.write_html(path, include_plotlyjs=True)


def _points(rows: list[Row], axis: str) -> list[Row]:
    """Return what one line shows: shares of the most labels against entries, all of each number of labels against labels."""
    if axis == "per_class":
        return [row for row in rows if row["share"] == 1]
    most = max((_labels(row) for row in rows), default=0)
    return [row for row in rows if _labels(row) == most]


def _draw(figure: go.Figure, place: tuple[int, int], points: list[Row], axis: str, name: str, style: Row, legend: bool) -> bool:
    """Draw one line, and levels; return whether there was a line, which the legend can name."""
    measure = _measure(points[0])
    placed = [p for p in points if (p["per_class"] != "all" if axis == "per_class" else p["encoder"] != "pixels")]
    on_axis, level = sorted(placed, key=lambda p: p[axis]), [p for p in points if p not in placed]
    if on_axis:
        figure.add_trace(go.Scatter(
            x=[p[axis] for p in on_axis], y=[p[measure] for p in on_axis], name=name, legendgroup=name, showlegend=legend,
            mode="lines+markers", line={**style, "width": 2}, error_y={"array": [p[f"{measure}_std"] for p in on_axis], "thickness": 1},
            hovertemplate=f"{name}<br>%{{x:,}}: %{{y:.3f}}<extra></extra>"), row=place[0], col=place[1])
    for point in level:
        figure.add_hline(y=point[measure], line={**style, "width": 1.5}, row=place[0], col=place[1], exclude_empty_subplots=False,
                         annotation_text=f"{name}, {point['per_class']}", annotation_font_size=10)
    return bool(on_axis)


def _styles(summary: list[Row]) -> dict[str, Row]:
    """Return {name of a line: its colour and dash}."""
    colors = dict(zip(dict.fromkeys(row["method"] for row in summary), itertools.cycle(COLORS), strict=False))
    dashes = dict(zip(dict.fromkeys(row["encoder"] for row in summary), itertools.cycle(DASHES), strict=False))
    return {_name(row): {"color": colors[row["method"]], "dash": dashes[row["encoder"]]} for row in summary}


def _name(row: Row) -> str:
    return row["method"] if row["encoder"] == "pixels" else f"{row['method']}, {row['encoder']}"


def _labels(row: Row) -> float:
    return float("inf") if row["per_class"] == "all" else row["per_class"]


def _measure(row: Row) -> str:
    return "miou" if "miou" in row else "rmse"


def _unit(data: str, summary: list[Row]) -> str:
    measure = _measure(next(row for row in summary if row["data"] == data))
    return "mean intersection over union" if measure == "miou" else "RMSE, less is better"
