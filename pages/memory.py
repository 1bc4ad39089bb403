"""Memory: what is in it, where it came from, how to switch it off, take it back, branch and merge it, and keep it small."""

import html
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import streamlit as st

from pages import _ledger, _state
from pages._desk import Desk
from pages._explorer import explorer
from pages._gallery import gallery
from pages._receipts import receipt_box, receipts
from pages._search import searching, use
from pages._sidebar import sidebar
from pages._size import key_of, sizes
from pages._sources import source_switches
from pages._steps import step
from pages._versions import versions
from pages._widgets import border, plain, show_error
from parmesan_engine.errors import ParmesanError
from parmesan_engine.memory import Overview
from parmesan_engine.project import Project
from parmesan_engine.project.branching import tag
from parmesan_engine.project.consolidating import Proposal, consolidate
from parmesan_engine.project.following import glance
from parmesan_engine.project.sources import contradictions, switch

SECTIONS = ("Examples", "Sources", "Map", "Versions", "Size", "Receipts")
_HELP = "The examples stop counting at once; undo brings them back"


def page(desk: Desk, project: Project) -> None:
    if project.memory is None:
        st.info("This project has no samples yet. Add one on the Annotate page.", icon=":material/database:")
        return
    project.refresh()  # what other processes have committed
    _carry_out(desk, project)
    desk.seen = glance(project, fits=False)  # what one did oneself is no news
    overview, records = project.memory.columns(), project.history()
    _numbers(project, overview, len(records))
    _said(desk)
    section = st.segmented_control("Section", SECTIONS, default="Examples", key="section", label_visibility="collapsed") or "Examples"
    if section == "Examples":
        _examples(desk, project, overview)
    elif section == "Sources":
        source_switches(desk, project)
    elif section == "Map":
        explorer(desk, project, overview)
    elif section == "Versions":
        versions(desk, project, records)
    elif section == "Size":
        sizes(desk, project)
        searching(desk, project)
    else:
        receipts(project)


def _carry_out(desk: Desk, project: Project) -> None:
    """Do what was asked for. Each button says what it meant when it was drawn: others may have painted since."""
    verb, where, what = _state.asked() or ("", "", None)
    if not verb or where != desk.project:
        return
    verbs: dict[str, Callable[[], Any]] = {
        "remove": lambda: _state.put("receipt", project.forget(**what, purge=False, by=desk.author)),
        "confirm": lambda: _confirm(desk.project, *what),
        "unlearn": lambda: _unlearn(desk, project, what),
        "restore": lambda: project.restore(what, author=desk.author),
        "switch": lambda: _switch(desk, project, *what),
        "tag": lambda: tag(project, *what),
        "search": lambda: use(desk.project, project, what),
        "consolidate": lambda: _consolidate(desk, project, what),
        "branch": lambda: _branch(desk, *what),
        "undo": lambda: st.toast(plain(step(desk, project, "undo", desk.author)), icon=":material/undo:"),
        "redo": lambda: st.toast(plain(step(desk, project, "redo", desk.author)), icon=":material/redo:")}
    try:
        desk.error = None
        if verb not in ("remove", "confirm", "unlearn"):
            _state.drop("receipt")
        verbs[verb]()
    except ParmesanError as error:
        desk.error = error


def _unlearn(desk: Desk, project: Project, what: dict[str, Any]) -> None:
    _state.put("receipt", project.forget(**what, purge=True, by=desk.author))
    _state.entry_map.clear()  # older maps hold points of what was unlearned


def _switch(desk: Desk, project: Project, source: str, on: bool) -> None:
    """Switch a source, and say so when it then stands against what was painted over it while it was off."""
    switch(project, source, on, author=desk.author)
    count = contradictions(project.memory, source) if on else 0
    if count:
        st.toast(f"{count:,} place{'s have' if count > 1 else ' has'} examples of different answers now: painting leaves alone what is "
                 "switched off. Take out what is wrong, on this page or on Review.", icon=":material/rule:", duration="long")


def _consolidate(desk: Desk, project: Project, proposal: Proposal) -> None:
    removed = consolidate(project, proposal, author=desk.author).removed
    _state.jobs().drop(key_of(desk.project))
    st.toast(f"{len(removed):,} examples were taken out; undo brings them back.", icon=":material/compress:")


def _branch(desk: Desk, version: int, name: str) -> None:
    """Make a project of a version and open it; the sidebar is drawn anew."""
    with st.spinner("Copying the samples and the memory"):
        made = _state.shelf().branch(desk.project, version, name)
    desk.project, desk.seq, desk.jumps = made, None, desk.jumps + 1
    st.rerun()


def _numbers(project: Project, overview: Overview, count: int) -> None:
    off = project.memory.stored - len(overview.ids)
    numbers = {"Examples": f"{len(overview.ids):,}" + (f" of {project.memory.stored:,}" if off else ""),
               "Samples labelled": f"{len(set(overview.sample.tolist())):,}", "Strokes": f"{len(set(overview.gesture.tolist())):,}",
               "Versions": f"{count:,}", "Size on disk": _ledger.size(project.memory.bytes), "Version": project.version[:8]}
    for column, (name, text) in zip(st.columns(len(numbers), gap="small"), numbers.items(), strict=True):
        column.metric(name, text)


def _said(desk: Desk) -> None:
    """Show the outcome of the last action: an error, or the receipt."""
    if desk.error is not None:
        show_error(desk.error)
    receipt = _state.picked("receipt")
    if receipt:
        receipt_box(receipt)


def _examples(desk: Desk, project: Project, overview: Overview) -> None:
    left, right = st.columns([3, 2], gap="medium")
    with left:
        group = st.segmented_control("Examples by", _ledger.GROUPS, default="Stroke", key="group", label_visibility="collapsed") or "Stroke"
        row = _table(_ledger.rows_of(overview, group, project), group, project)
    with right:
        if row is None:
            st.caption("The memory is empty: paint on the Annotate page.")
        else:
            _chosen(desk, project, overview, group, row)
        with st.container(horizontal=True):
            st.button("Undo", icon=":material/undo:", on_click=_state.ask, args=("undo", desk.project, True))
            st.button("Redo", icon=":material/redo:", on_click=_state.ask, args=("redo", desk.project, True))


def _table(rows: list[_ledger.Row], group: str, project: Project) -> _ledger.Row | None:
    """Draw the table and return the ticked row, the newest when none is."""
    if not rows:
        return None
    most = max(row.count for row in rows)
    table = [{group: row.title, "Examples": row.count, "Holds": row.classes, "Last": row.last} for row in rows]
    event = st.dataframe(
        table, hide_index=True, on_select="rerun", selection_mode="single-row", key=f"rows-{group}-{project.version}", height=430,
        column_config={"Examples": st.column_config.ProgressColumn(format="%d", min_value=0, max_value=most, width="small"),
                       "Last": st.column_config.DatetimeColumn(format="D MMM HH:mm:ss", width="small")})
    picked = event["selection"]["rows"]
    if picked and picked[0] < len(rows):
        return rows[picked[0]]
    return replace(rows[0], title=f"{rows[0].title} (the newest; tick a row for another)")  # so that there is something to see


def _chosen(desk: Desk, project: Project, overview: Overview, group: str, row: _ledger.Row) -> None:
    st.html(f'<div class="chosen"><b>{row.count:,} example{"s" if row.count != 1 else ""}</b> {html.escape(row.title)}</div>')
    with st.container(horizontal=True):
        ids = _ledger.shown_ids(project, overview, group, row, purge=False)
        st.button("Remove", icon=":material/delete:", help=_HELP, on_click=_state.ask, args=("remove", desk.project, {"ids": ids}))
        ids = _ledger.shown_ids(project, overview, group, row, purge=True)
        st.button("Unlearn…", icon=":material/delete_forever:", help="Gone for good, from the history and the files too",
                  on_click=_state.ask, args=("confirm", desk.project, ({"ids": ids}, row)))
    ids = _ledger.gallery_of(overview, group, row)
    gallery(desk, project, ids)
    if row.count > len(ids):
        st.caption(f"{len(ids)} of {row.count:,}, evenly chosen")


@st.dialog("Unlearn for good?", icon=":material/delete_forever:")
def _confirm(where: str, what: dict[str, Any], row: _ledger.Row) -> None:
    st.write(f"{row.count:,} examples will be erased from the memory, from every past version and from the files. "
             "Afterwards the memory is as if they had never been learned. This cannot be undone.")
    st.text(row.title)
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep them"):
            st.rerun()
        if st.button("Unlearn", type="primary", on_click=_state.ask, args=("unlearn", where, what)):  # the page does it, in its border box
            st.rerun()


with border():
    here = _state.desk()
    page(here, sidebar(here, samples=False))
