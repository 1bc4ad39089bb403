"""Figures of a memory: its versions over time, its examples as points. No Streamlit in here."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import plotly.graph_objects as go

from pages._panel import css, label_name, place
from pages._scene import VERBS
from parmesan_engine.io.palette import distinct_colors
from parmesan_engine.memory import Overview, VersionRecord
from parmesan_engine.project import Project
from parmesan_engine.project.mapping import EntryMap

COLORINGS = ("Class", "Source", "Author", "Stroke", "Sample")
COLUMNS = {"Source": "source", "Sample": "sample", "Stroke": "gesture", "Class": "label", "Author": "author"}
_COLORS = {"add": "#0e7490", "remove": "#c2410c", "unlearn": "#b91c1c", "undo": "#64748b", "redo": "#64748b", "restore": "#7e22ce",
           "modify": "#a16207", "set_task": "#4d7c0f", "merge": "#be185d", "switch": "#0f766e", "consolidate": "#4338ca",
           "create": "#94a3b8"}
OTHERS = "#94a3b8"
MOST_GROUPS = 8  # with a colour of their own; more cannot be told apart
_MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}


@dataclass(frozen=True)
class Group:
    """Points of one colour. mask: (n,) of the points of a map."""

    name: str
    color: str
    mask: np.ndarray


def timeline(records: list[VersionRecord], chosen: int | None, dark: bool) -> go.Figure:
    """Return entries over versions as steps, one dot per version in the colour of its verb, its label above. chosen: seq ringed."""
    figure, edge = go.Figure(), "#14181d" if dark else "#ffffff"
    places = list(range(1, len(records) + 1))
    steps = {"color": "#94a3b8", "width": 1.5, "shape": "hv"}
    figure.add_scatter(x=places, y=[record.entries for record in records], mode="lines", line=steps, hoverinfo="skip", showlegend=False)
    dot = 10 if len(records) <= 60 else 6
    for verb in dict.fromkeys(record.verb for record in records):
        some = [(place, record) for place, record in zip(places, records, strict=True) if record.verb == verb]
        figure.add_scatter(
            x=[place for place, _ in some], y=[record.entries for _, record in some], mode="markers", name=VERBS.get(verb, verb),
            marker={"size": dot, "color": _COLORS.get(verb, "#64748b"), "line": {"width": 1, "color": edge}},
            customdata=[record.seq for _, record in some],
            text=[_version_text(record) for _, record in some],
            hovertemplate="version %{x} · %{y:,} examples<br>%{text}<extra>" + VERBS.get(verb, verb) + "</extra>")
    for place_, record in zip(places, records, strict=True):
        if record.note:
            figure.add_annotation(x=place_, y=record.entries, text=_plain(record.note[:28]), showarrow=True, arrowhead=0, ax=0, ay=-26,
                                  xanchor="left" if place_ < len(records) / 4 else "right" if place_ > 3 * len(records) / 4 else "center",
                                  font={"size": 12}, bgcolor=edge, bordercolor="#94a3b8", borderpad=2)
        if record.seq == chosen:
            ring = {"size": dot + 8, "color": "rgba(0,0,0,0)", "line": {"width": 2, "color": "#0891b2"}}
            figure.add_scatter(x=[place_], y=[record.entries], mode="markers", marker=ring, hoverinfo="skip", showlegend=False)
    top = max((record.entries for record in records), default=0)
    figure.update_layout(
        height=250, margin=_MARGIN, legend={"orientation": "h", "y": 1.16, "x": 0}, clickmode="event+select", dragmode=False,
        xaxis={"title": "version", "tickformat": "d", "fixedrange": True, "range": [0.5, len(records) + 0.5], "zeroline": False},
        yaxis={"title": "examples", "range": [-0.08 * max(top, 1), 1.25 * max(top, 1)], "fixedrange": True, "zeroline": False})
    return figure


def _version_text(record: VersionRecord) -> str:
    who, label = _plain(record.author) or "engine", f"<br>{_plain(record.note)}" if record.note else ""
    return f"{when(record.time)} · {who}<br>+{record.added:,} −{record.removed:,} · {record.version[:8]}{label}"


def groups_of(project: Project, rows: Overview, by: str) -> list[Group]:
    """Return the points of each class, source, author, stroke or sample, the largest first; small ones beyond a few as one."""
    column = getattr(rows, COLUMNS[by]).astype(np.int64)
    codes, counts = np.unique(column, return_counts=True)
    codes = codes[np.argsort(-counts, kind="stable")]
    if by == "Class" and project.task.kind == "regression":
        return [Group("all values", OTHERS, np.ones(len(column), bool))]
    if by == "Class":
        return [Group(label_name(project, code), css(project.task.colors[code]), column == code) for code in codes.tolist()]
    samples = {record.id: record.name for record in project.samples()}
    named = [samples.get(rows.names[code], rows.names[code]) for code in codes.tolist()]
    colors = [css(color) for color in distinct_colors(MOST_GROUPS)]
    found = [Group(name or "(none)", color, column == code)
             for name, color, code in zip(named, colors, codes[:MOST_GROUPS].tolist(), strict=False)]
    rest = np.isin(column, codes[MOST_GROUPS:])
    return [*found, Group(f"{len(codes) - MOST_GROUPS} others", OTHERS, rest)] if rest.any() else found


def entry_chart(project: Project, found: EntryMap, rows: Overview, by: str, picked: np.ndarray, ringed: np.ndarray, *,
                dark: bool) -> go.Figure:
    """Return the map. rows: of the entries of the map, in its order; picked, ringed: (n,) masks of chosen points and of rings."""
    figure, texts = go.Figure(), _texts(project, rows)
    values = by == "Class" and project.task.kind == "regression"
    for group in groups_of(project, rows, by):
        at = np.flatnonzero(group.mask)
        marker = {"size": 7, "line": {"width": 0.5, "color": "#14181d" if dark else "#ffffff"}}
        marker |= {"color": rows.label[at], "colorscale": "Viridis", "showscale": True} if values else {"color": group.color}
        figure.add_scattergl(
            x=found.points[at, 0], y=found.points[at, 1], mode="markers", name=_plain(group.name), marker=marker, showlegend=not values,
            customdata=found.ids[at].tolist(), text=[texts[i] for i in at], hovertemplate="%{text}<extra></extra>",
            selectedpoints=np.flatnonzero(picked[at]).tolist() if picked.any() else None, unselected={"marker": {"opacity": 0.15}})
    if ringed.any():
        ring = {"size": 15, "color": "rgba(0,0,0,0)", "line": {"width": 2, "color": "#ffffff" if dark else "#111827"}}
        x, y = found.points[ringed].T
        figure.add_scattergl(x=x, y=y, mode="markers", marker=ring, hoverinfo="skip", showlegend=False)
    axes = {"zeroline": False, "showticklabels": False, "showgrid": True}
    figure.update_layout(
        height=470, margin=_MARGIN, dragmode="lasso", clickmode="event+select",
        legend={"orientation": "h", "y": -0.08, "x": 0, "itemsizing": "constant"},
        xaxis={"title": f"first axis, {found.shares[0]:.0%} of the spread", **axes},
        yaxis={"title": f"second axis, {found.shares[1]:.0%}", **axes})
    return figure


def when(time: float) -> str:
    return datetime.fromtimestamp(time).strftime("%d %b %H:%M:%S")


def _texts(project: Project, rows: Overview) -> list[str]:
    """Return what is said of each point when it is hovered."""
    records = {record.id: record for record in project.samples()}
    samples = [records.get(rows.names[code]) for code in rows.sample.tolist()]
    places = project.memory.coordinates(rows.ids).tolist()
    people = [f"{_plain(rows.names[a])} · {_plain(rows.names[s])}" for a, s in zip(rows.author.tolist(), rows.source.tolist(), strict=True)]
    texts = []
    for label, record, at, who in zip(rows.label.tolist(), samples, places, people, strict=True):
        where = f"{_plain(record.name if record else '')} · {place(tuple(at), record)}"
        texts.append(f"{_plain(label_name(project, label))}<br>{where}<br>{who}")
    return texts


def _plain(text: str) -> str:
    """Return text without the few tags that plotly would obey."""
    return text.replace("&", "&amp;").replace("<", "&lt;")
