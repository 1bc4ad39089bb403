"""The versions of a memory: a timeline with labels, restore, branch, and merging another project."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from pages import _jobs, _ledger, _state
from pages._desk import Desk
from pages._figures import timeline
from parmesan_engine.jobs import Job
from parmesan_engine.memory import VersionRecord
from parmesan_engine.memory.history import MAX_TAG
from parmesan_engine.project import Project
from parmesan_engine.project.merging import merge

_CHART, _CHOSEN = "timeline", "version-chosen"


def versions(desk: Desk, project: Project, records: list[VersionRecord]) -> None:
    """Draw the timeline and the table; the version chosen in either can be labelled, restored, or made a project."""
    where, seq = _state.picked(_CHOSEN) or ("", None)
    record = next((one for one in records if where == desk.project and one.seq == seq), None)
    st.plotly_chart(timeline(records, record and record.seq, st.context.theme.type == "dark"), key=_CHART, selection_mode="points",
                    on_select=lambda: _take_dot(desk.project), config={"displayModeBar": False})
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _table(desk.project, records)
    with right:
        _chosen(desk, project, record, records)
        with st.container(horizontal=True):
            st.button("Undo", icon=":material/undo:", on_click=_state.ask, args=("undo", desk.project, True))
            st.button("Redo", icon=":material/redo:", on_click=_state.ask, args=("redo", desk.project, True))
        _merge(desk, project)


def _take_dot(project: str) -> None:
    """Choose the version of the dot that was clicked. A chart drawn anew reports an empty choice: that means nothing."""
    points = (_state.picked(_CHART) or {"selection": {"points": []}})["selection"]["points"]
    found = [point.get("customdata") for point in points]
    found = [one[0] if isinstance(one, list) and one else one for one in found]
    if seqs := [one for one in found if type(one) is int]:
        _state.put(_CHOSEN, (project, seqs[0]))


def _take_row(project: str, key: str, seqs: list[int]) -> None:
    event = _state.picked(key)
    rows = event["selection"]["rows"] if event else []
    if rows and rows[0] < len(seqs):
        _state.put(_CHOSEN, (project, seqs[rows[0]]))


def _table(project: str, records: list[VersionRecord]) -> None:
    key, seqs = f"versions-{project}-{len(records)}", [record.seq for record in reversed(records)]
    st.dataframe(
        _ledger.version_rows(records), hide_index=True, key=key, selection_mode="single-row", height=300,
        on_select=lambda: _take_row(project, key, seqs),
        column_config={"#": st.column_config.NumberColumn(width=40), "label": st.column_config.TextColumn(width=120),
                       "what": st.column_config.TextColumn(width=75), "examples": st.column_config.NumberColumn(width=70)})


def _chosen(desk: Desk, project: Project, record: VersionRecord | None, records: list[VersionRecord]) -> None:
    if record is None:
        st.caption("Click a dot or tick a row to name a version, to go back to it, or to make it a project of its own.")
        return
    number = records.index(record) + 1
    st.markdown(f"**Version {number}** `{record.version[:12]}`")
    with st.form(f"label-{record.seq}-{record.note}", border=False):
        left, right = st.columns([3, 1], vertical_alignment="bottom")
        text = left.text_input("Label", record.note, max_chars=MAX_TAG, placeholder="for example: first reviewed draft")
        if right.form_submit_button("Save", width="stretch"):
            _state.ask("tag", desk.project, (record.seq, text))
            st.rerun()
    with st.container(horizontal=True):
        st.button("Restore", icon=":material/history:", disabled=record is records[-1], on_click=_state.ask,
                  args=("restore", desk.project, record.version), help="Make its content the newest version; undo takes it back")
        with st.popover("Branch…", icon=":material/call_split:"):  # no tooltip: it would close the box at once
            st.caption("A new project with the memory as it was then")
            suggestion = f"{desk.project}-{record.version[:6]}"
            name = st.text_input("Name of the new project", suggestion, max_chars=60, key=f"branch-{desk.project}-{record.seq}")
            if st.button("Make the project", type="primary"):
                _state.ask("branch", desk.project, (record.seq, name))
                st.rerun()


def _merge(desk: Desk, project: Project) -> None:
    shelf, key = _state.shelf(), f"merge {desk.project}"
    with st.expander("Merge another project", icon=":material/call_merge:"):
        others = [name for name in shelf.names() if name != desk.project]
        if not others:
            st.caption("There is no other project.")
            return
        other = st.selectbox("Project", others, format_func=shelf.title, key="merge-other",
                             help="Its samples, examples and classes come here as one version; undo takes the examples out again")
        if st.button("Merge", icon=":material/call_merge:"):
            _jobs.start(key, _work(project, lambda: shelf.project(other), desk.author), text=f"Merging {shelf.title(other)}")
        job = _jobs.watch(key)
        if job is not None and job.state == "done":
            st.success(said(job.result), icon=":material/check:")


def _work(project: Project, other: Callable[[], Project], author: str) -> Callable[[Job], dict[str, Any]]:
    return lambda job: merge(project, other(), author=author, progress=job.report)


def said(result: dict[str, Any]) -> str:
    """Return in words what a merge brought."""
    if not result["entries_added"]:
        return "Nothing new: all its examples are here already."
    words = [f"{result['entries_added']:,} examples", f"{result['samples_added']:,} samples"]
    if result["classes_added"]:
        words.append("classes " + ", ".join(result["classes_added"]))
    renamed = [here for there, here in result["sources"].items() if here != there]
    return "Merged " + ", ".join(words) + "." + (f" Sources of a name that was taken: {', '.join(renamed)}." if renamed else "")
