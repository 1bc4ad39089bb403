"""The map of the Memory page: examples as points, near where they are alike. Points show their pictures, pictures their points."""

import hashlib
import html
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

from pages import _state
from pages._desk import Desk
from pages._figures import COLORINGS, entry_chart, groups_of
from pages._panel import label_name, place
from pages._widgets import plain
from parmesan_engine.memory import Overview
from parmesan_engine.project import Project
from parmesan_engine.project.sampling import evenly

PICTURES = 60  # rows of the table
_CHART, _PICKED = "entry-map", "entry-map-picked"


def explorer(desk: Desk, project: Project, overview: Overview) -> None:
    """Draw the map, and beside it the pictures of the points that were chosen (of some, when none were)."""
    if not len(overview.ids):
        st.caption("The memory is empty: paint on the Annotate page.")
        return
    found = _state.entry_map(desk.project, project.version, project.metric_state()["id"])
    there = np.isin(found.ids, overview.ids)  # others may have painted or erased since the overview was taken
    found = replace(found, ids=found.ids[there], points=found.points[there])
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html("Colour by", width="content")
        by = st.segmented_control("Colour by", COLORINGS, default="Class", key="map-by", label_visibility="collapsed") or "Class"
        rows = _part(overview, np.searchsorted(overview.ids, found.ids))
        with st.popover("Choose…", icon=":material/select_all:", help="All points of one colour, without drawing around them"):
            for number, group in enumerate(groups_of(project, rows, by)):
                st.button(f"{plain(group.name)} ({group.mask.sum():,})", key=f"map-group-{by}-{number}", width="stretch",
                          on_click=_state.put, args=(_PICKED, (desk.project, found.ids[group.mask].tolist())))
    picked = np.isin(found.ids, _picked(desk.project))
    shown = _shown(found.ids, picked)
    table = f"map-rows-{desk.project}-{hashlib.sha256(shown.tobytes()).hexdigest()[:12]}"
    chosen = _chosen(table, shown)
    ringed = np.isin(rows.gesture, rows.gesture[np.isin(found.ids, chosen)])
    left, right = st.columns([3, 2], gap="medium")
    with left:
        figure = entry_chart(project, found, rows, by, picked, ringed, dark=st.context.theme.type == "dark")
        st.plotly_chart(figure, key=_CHART, on_select=lambda: _take_points(desk.project), config={"displaylogo": False, "scrollZoom": True})
        st.caption(f"{len(found.ids):,} of {found.entries:,} examples. Near means alike to the metric. Draw around points to see them.")
    with right:
        _head(desk, found.ids[picked], project, chosen)
        _table(desk, project, shown, table)
        pool = int(picked.sum()) or len(found.ids)
        few = f"{len(shown)} of {pool:,}, evenly chosen. " if len(shown) < pool else ""
        st.caption(few + "A ticked row rings its whole stroke on the map.")


def _part(overview: Overview, at: np.ndarray) -> Overview:
    """Return some rows of an overview."""
    names = ("ids", "sample", "source", "author", "gesture", "label", "weight", "time")
    return Overview(**{name: getattr(overview, name)[at] for name in names}, names=overview.names)


def _picked(project: str) -> np.ndarray:
    where, ids = _state.picked(_PICKED) or ("", [])
    return np.array(ids if where == project else [], np.int64)


def _take_points(project: str) -> None:
    """Keep what was chosen on the chart: it is drawn anew with every change, forgets, and then reports an empty choice."""
    if ids := entry_ids(_state.picked(_CHART)):
        _state.put(_PICKED, (project, ids))


def entry_ids(event: Any) -> list[int]:
    """Return the entries of a selection on the chart, ascending. `event` comes from the browser; what is no number is left out."""
    points = event["selection"]["points"] if event else []
    found = {one for point in points for one in np.atleast_1d(point.get("customdata")).tolist() if type(one) is int}
    return sorted(found)


def _shown(ids: np.ndarray, picked: np.ndarray) -> np.ndarray:
    """Return the ids of the pictures: of the chosen points, or of all, evenly spread when there are too many."""
    pool = ids[picked] if picked.any() else ids
    return evenly(pool, PICTURES)


def _chosen(table: str, shown: np.ndarray) -> np.ndarray:
    """Return the ids of the ticked rows; the table is drawn later than the map that rings them."""
    event = _state.picked(table)
    rows = [row for row in event["selection"]["rows"] if row < len(shown)] if event else []
    return shown[rows]


def _head(desk: Desk, picked: np.ndarray, project: Project, chosen: np.ndarray) -> None:
    title = f"<b>{len(picked):,} chosen</b>" if len(picked) else "<b>Examples</b> none chosen: some of all"
    st.html(f'<div class="chosen">{title}</div>')
    with st.container(horizontal=True):
        if st.button("Show in its picture", icon=":material/my_location:", disabled=len(chosen) != 1, help="Tick one row"):
            _show(desk, project, int(chosen[0]))
        st.button("Remove", icon=":material/delete:", disabled=not len(picked), key="map-remove", on_click=_state.ask,
                  args=("remove", desk.project, {"ids": picked}), help="The chosen examples stop counting; undo brings them back")
        st.button("Let go", icon=":material/deselect:", disabled=not len(picked), on_click=_state.drop, args=(_PICKED,))


def _show(desk: Desk, project: Project, entry: int) -> None:
    (origin,) = project.memory.provenance(np.array([entry]))
    desk.goto(project.store.record(origin.sample_id), origin.coordinates)
    desk.jumps += 1
    st.switch_page("annotate.py")


def _table(desk: Desk, project: Project, shown: np.ndarray, key: str) -> None:
    records = {record.id: record for record in project.samples()}
    rows = []
    for origin, label in zip(project.memory.provenance(shown), project.memory.answers(shown).tolist(), strict=True):
        record = records.get(origin.sample_id)
        picture = _state.thumbnail(desk.project, record.id, tuple(origin.coordinates)) if record else None
        rows.append({"Picture": picture, "Label": label_name(project, label), "Sample": html.unescape(record.name) if record else "",
                     "Place": place(origin.coordinates, record), "Source": origin.source, "Author": origin.author})
    st.dataframe(rows, hide_index=True, on_select="rerun", selection_mode="multi-row", key=key, height=400, row_height=56,
                 column_config={"Picture": st.column_config.ImageColumn(width=70)})
