"""Memory: what is in it, where it came from, and how to take it back."""

import html
import json
from dataclasses import replace

import streamlit as st

from pages import _ledger, _state
from pages._desk import Desk
from pages._panel import label_color, label_name, place
from pages._sidebar import sidebar
from pages._widgets import border, show_error
from parmesan_engine.errors import ParmesanError
from parmesan_engine.memory import Overview
from parmesan_engine.project import Project

_HELP = "The examples stop counting at once; undo brings them back"


def page(desk: Desk, project: Project) -> None:
    memory = project.memory
    if memory is None:
        st.info("This project has no samples yet. Add one on the Annotate page.", icon=":material/database:")
        return
    project.refresh()  # what other processes have committed
    _carry_out(desk, project)
    overview, records = memory.columns(), project.history()
    _numbers(project, overview, len(records))
    _said(desk)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        group = st.segmented_control("Examples by", _ledger.GROUPS, default="Stroke", key="group", label_visibility="collapsed") or "Stroke"
        rows = _ledger.rows_of(overview, group, project)
        row = _table(rows, group, project)
    with right:
        if row is None:
            st.caption("The memory is empty: paint on the Annotate page.")
        else:
            _chosen(desk, project, overview, group, row)
    _versions(desk, project, records)


def _carry_out(desk: Desk, project: Project) -> None:
    """Do what was asked for. Each button says what it meant when it was drawn: others may have painted since."""
    for name, verb in (("remove", lambda what: _forget(desk, project, what, purge=False)),
                       ("unlearn", lambda what: _forget(desk, project, what, purge=True)),
                       ("restore", lambda version: _change(desk, lambda: project.restore(version, author=desk.author)))):
        where, what = _state.picked(name) or ("", None)
        _state.drop(name)
        if what is not None and where == desk.project:
            verb(what)


def _numbers(project: Project, overview: Overview, versions: int) -> None:
    numbers = {"Examples": f"{len(overview.ids):,}", "Samples labelled": f"{len(set(overview.sample.tolist())):,}",
               "Strokes": f"{len(set(overview.gesture.tolist())):,}", "Versions": f"{versions:,}",
               "Size on disk": _ledger.size(project.memory.bytes), "Version": project.version[:8]}
    for column, (name, text) in zip(st.columns(len(numbers), gap="small"), numbers.items(), strict=True):
        column.metric(name, text)


def _said(desk: Desk) -> None:
    """Show the outcome of the last action: an error, or the receipt."""
    if desk.error is not None:
        show_error(desk.error)
    receipt = _state.picked("receipt")
    if receipt:
        with st.container(border=True, key="receipt"):
            _receipt(receipt)


def _receipt(receipt: dict) -> None:
    purged = receipt["purged"]
    outcome = "Undo brings them back."
    if purged:
        outcome = "Nothing of them is left in the store." if receipt["verified"] else "The store could not be verified: run verify."
    lines = {"Selector": "selector", "Digest of what went": "removed_digest", "Version before": "version_before",
             "Version after": "version_after"}  # fmt: skip
    known = {name: html.escape(str(receipt[key])) for name, key in lines.items() if key in receipt}
    rows = "".join(f"<dt>{name}</dt><dd><code>{text}</code></dd>" for name, text in known.items())
    head = f"<b>{'Unlearned' if purged else 'Removed'} {receipt['entries_removed']:,} examples.</b> {outcome}"
    st.html(f'<div class="receipt">{head}<dl>{rows}</dl></div>')
    with st.container(horizontal=True):
        if purged:
            st.download_button("Save the receipt", json.dumps(receipt, default=str, indent=1), "receipt.json", "application/json",
                               icon=":material/download:", on_click="ignore")
        if st.button("Close"):
            _state.drop("receipt")
            st.rerun()


def _table(rows: list[_ledger.Row], group: str, project: Project) -> _ledger.Row | None:
    """Draw the table and return the ticked row, the newest when none is."""
    if not rows:
        return None
    most = max(row.count for row in rows)
    table = [{group: row.title, "Examples": row.count, "Holds": row.classes, "Last": row.last} for row in rows]
    event = st.dataframe(
        table, hide_index=True, on_select="rerun", selection_mode="single-row", key=f"rows-{group}-{project.version}", height=300,
        column_config={"Examples": st.column_config.ProgressColumn(format="%d", min_value=0, max_value=most, width="small"),
                       "Last": st.column_config.DatetimeColumn(format="D MMM HH:mm:ss", width="small")})
    picked = event["selection"]["rows"]
    if picked and picked[0] < len(rows):
        return rows[picked[0]]
    return replace(rows[0], title=f"{rows[0].title} (the newest; tick a row for another)")  # so that there is something to see


def _chosen(desk: Desk, project: Project, overview: Overview, group: str, row: _ledger.Row) -> None:
    st.html(f'<div class="chosen"><b>{row.count:,} example{"s" if row.count != 1 else ""}</b> {html.escape(row.title)}</div>')
    with st.container(horizontal=True):
        st.button("Remove", icon=":material/delete:", help=_HELP, on_click=_state.put,
                  args=("remove", (desk.project, {"ids": _ledger.shown_ids(project, overview, group, row, purge=False)})))
        if st.button("Unlearn…", icon=":material/delete_forever:", help="Gone for good, from the history and the files too"):
            _confirm((desk.project, {"ids": _ledger.shown_ids(project, overview, group, row, purge=True)}), row)
    ids = _ledger.gallery_of(overview, group, row)
    known = {record.id: record for record in project.samples()}
    cards = []
    for origin, label in zip(project.memory.provenance(ids), _labels(project, ids), strict=True):
        record = known.get(origin.sample_id)
        if record is None:
            continue
        picture = _state.thumbnail(desk.project, record.id, tuple(origin.coordinates))
        text = html.escape(f"{label_name(project, label)} · {record.name} · {place(origin.coordinates, record)} · {origin.author}")
        cards.append(f'<img src="{picture}" alt="{text}" title="{text}" style="--swatch:{label_color(project, label, None)}">')
    st.html(f'<div class="gallery">{"".join(cards)}</div>')
    if row.count > len(ids):
        st.caption(f"{len(ids)} of {row.count:,}, evenly chosen")


def _labels(project: Project, ids) -> list[float]:
    labels = project.memory.labels(ids)
    return (labels.argmax(axis=1) if project.task.kind == "segmentation" else labels[:, 0]).tolist()


def _forget(desk: Desk, project: Project, what: dict, *, purge: bool) -> None:
    try:
        _state.put("receipt", project.forget(**what, purge=purge, by=desk.author))
        desk.error = None
    except ParmesanError as error:
        desk.error = error
    st.rerun()


@st.dialog("Unlearn for good?", icon=":material/delete_forever:")
def _confirm(what: tuple[str, dict], row: _ledger.Row) -> None:
    st.write(f"{row.count:,} examples will be erased from the memory, from every past version and from the files. "
             "Afterwards the memory is as if they had never been learned. This cannot be undone.")
    st.text(row.title)
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep them"):
            st.rerun()
        if st.button("Unlearn", type="primary", on_click=_state.put, args=("unlearn", what)):  # the page does it, in its border box
            st.rerun()


def _versions(desk: Desk, project: Project, records: list) -> None:
    st.markdown("**Versions**")
    left, right = st.columns([3, 2], gap="medium")
    left.plotly_chart(_ledger.timeline(records, st.context.theme.type == "dark"), config={"displayModeBar": False}, key="timeline")
    with right:
        event = st.dataframe(_ledger.version_rows(records), hide_index=True, on_select="rerun", selection_mode="single-row", height=190,
                             key=f"versions-{len(records)}", column_order=("#", "what", "examples", "author", "time", "version"),
                             column_config={"#": st.column_config.NumberColumn(width=40),
                                            "examples": st.column_config.NumberColumn(width=70)})
        picked = event["selection"]["rows"]
        record = records[len(records) - 1 - picked[0]] if picked and picked[0] < len(records) else None
        with st.container(horizontal=True):
            st.button("Restore the chosen version", icon=":material/history:", disabled=record is None or record is records[-1],
                      on_click=_state.put, args=("restore", (desk.project, record.version if record else None)))
            if st.button("Undo", icon=":material/undo:"):
                _change(desk, lambda: project.undo(author=desk.author))
            if st.button("Redo", icon=":material/redo:"):
                _change(desk, lambda: project.redo(author=desk.author))


def _change(desk: Desk, verb) -> None:
    try:
        verb()
        desk.error = None
        _state.drop("receipt")
    except ParmesanError as error:
        desk.error = error
    st.rerun()


with border():
    here = _state.desk()
    page(here, sidebar(here, samples=False))
