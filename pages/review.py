"""Review: examples that the others contradict, strokes that they could replace, where to label next, and what a removal would change."""

import html
from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st

from pages import _jobs, _reach, _review, _state
from pages._desk import Desk
from pages._gallery import gallery
from pages._sidebar import sidebar
from pages._view import record_of
from pages._widgets import border, show_error
from parmesan_engine.errors import ParmesanError
from parmesan_engine.insight import Audit
from parmesan_engine.jobs import Job
from parmesan_engine.project import Project, asking
from parmesan_engine.project.sampling import evenly

LISTS = {"Contradicted": "Strokes whose examples look like another class to all other strokes: label errors, or rare cases worth keeping.",
         "Replaceable": "Strokes that can all go: the others alone give each of their examples its own class.",
         "Label next": "Places whose label would answer most of the doubt that is left."}
FIRST = "Contradicted"
ROW, WIDE_ROW, TABLE = 64, 96, 420  # pixels


def page(desk: Desk, project: Project) -> None:
    desk.asked.leave = False
    if len(project) == 0:
        st.info("There are no examples to review yet. Paint a few on the Annotate page.", icon=":material/rule:")
        return
    project.refresh()  # what other processes have committed
    if desk.error is not None:
        show_error(desk.error)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        listed = st.segmented_control("List", list(LISTS), default=FIRST, key="list", label_visibility="collapsed") or FIRST
        st.caption(LISTS[listed])
        if listed == "Label next":
            _places(desk, project)
        else:
            _strokes(desk, project, listed)
    with right:
        _chosen(desk, project)


def _strokes(desk: Desk, project: Project, listed: str) -> None:
    audit = _audit(desk, project)
    if audit is None:
        return
    doubted = listed == "Contradicted"
    strokes = [one for one in (_review.contradicted(audit, desk.asked.right) if doubted else _review.replaceable(audit))
               if len(project.memory.select(gesture=one.gesture, sample=one.sample_id))]
    heard = f"{len(audit.heard.ids):,} of {audit.entries:,} examples were asked about"
    if not strokes:
        st.success(f"None. {heard}.", icon=":material/check:")
        return
    rows = _review.stroke_rows(project, strokes, lambda sample, at: _state.thumbnail(desk.project, sample, at), doubted=doubted)
    _table(rows, f"{listed} {audit.version} {len(strokes)}", {
        "Contradicted": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1, width=110),
        "When": st.column_config.DatetimeColumn(format="D MMM HH:mm", width="small")},
        on_pick=lambda row: _reach.choose_strokes(desk, project, strokes[row : row + 1]))
    st.caption(f"{_review.shown(len(strokes))}; {heard}.")
    if not doubted and len(strokes) > 1:
        st.button(f"Look at all {len(strokes):,} together", icon=":material/select_all:", on_click=_reach.choose_strokes,
                  args=(desk, project, strokes))


def _audit(desk: Desk, project: Project) -> Audit | None:
    """Return the newest audit of the project; one of an older version while the next one is being made."""
    found = _known(f"audit {desk.project}", project, "Asking every stroke about the others",
                   lambda job: asking.audit(project, progress=job.report))
    known = desk.asked.audits.get(desk.project)
    if found is not None:
        known = desk.asked.audits[desk.project] = found
    elif known is not None:
        st.caption("The memory has changed since this list was made; a new one is on its way.")
    return known


def _places(desk: Desk, project: Project) -> None:
    found = _known(f"places {desk.project}", project, "Looking where a label would help",
                   lambda job: asking.next_places(project, count=_review.PLACES, progress=job.report))
    if found is None:
        return
    there = {record.id for record in project.samples()}
    places = [one for one in found if one.sample_id in there]
    if not places:
        st.success("Every place is labelled.", icon=":material/check:")
        return
    rows = _review.place_rows(project, places, lambda sample, at: _state.thumbnail(desk.project, sample, at))
    most = max(one.worth for one in places)
    picked = _table(rows, f"places {project.version}", {
        "In the same doubt": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=most, width=150,
                                                             help="Share of its sample that is in doubt and alike")})
    if st.button("Go there", icon=":material/draw:", type="primary", disabled=picked is None, help="Tick a row first"):
        _go(desk, project, places[picked].sample_id, places[picked].at)


def _known(key: str, project: Project, text: str, work: Callable[[Job], Any]) -> Any:
    """Return what `work` finds at the present version, None while it is under way or when it was cancelled."""
    version, job = project.version, _state.jobs().get(key)
    if job is None or (job.state == "done" and job.result[0] != version):
        _jobs.start(key, lambda job: (version, work(job)), text=text)
    job = _jobs.watch(key)
    if job.state in ("cancelled", "failed") and st.button("Look again", icon=":material/refresh:"):
        _state.jobs().drop(key)
        st.rerun()
    return job.result[1] if job.state == "done" and job.result[0] == version else None


def _table(rows: list[dict], key: str, columns: dict, on_pick: Callable[[int], None] | None = None) -> int | None:
    """Draw a table with a picture per row; return the ticked row. on_pick: called once when a row is ticked."""

    def ticked() -> int | None:
        picked = (_state.picked(key) or {"selection": {"rows": []}})["selection"]["rows"]
        return picked[0] if picked and picked[0] < len(rows) else None

    def tell() -> None:
        if ticked() is not None:
            on_pick(ticked())

    st.dataframe(rows, hide_index=True, on_select=tell if on_pick else "rerun", selection_mode="single-row", key=key, row_height=ROW,
                 height=_height(len(rows), ROW), column_config={"Place": st.column_config.ImageColumn(width=ROW + 12), **columns})
    return ticked()


def _height(rows: int, row: int) -> int:
    return min(TABLE, 40 + row * rows)


def _chosen(desk: Desk, project: Project) -> None:
    """Draw what was picked: its examples, what can be done with it, and what removing it would change."""
    if not _reach.reaching(desk, project):
        st.caption("Tick a row to see its examples and what removing it would change.")
        return
    chosen, ids = desk.asked.chosen, _reach.still_there(desk, project)
    st.html(f'<div class="chosen"><b>{html.escape(chosen.title)}</b></div>')
    audit = desk.asked.audits.get(desk.project)
    worst = _review.worst_of(audit, ids) if audit is not None else ids[:0]
    gallery(desk, project, evenly(worst if len(worst) else ids, _review.GALLERY))
    (origin,) = project.memory.provenance([chosen.entry])
    with st.container(horizontal=True):
        if st.button("Show in the picture", icon=":material/draw:", help="Where it is, and all that it decides"):
            desk.asked.shown += 1
            _go(desk, project, origin.sample_id, tuple(origin.coordinates))
        if len(worst) and st.button("It is right", icon=":material/check:", help="Take it off the list of this session"):
            desk.asked.right.add((origin.gesture, origin.sample_id))
            desk.asked.chosen = None
            st.rerun()
    _consequences(desk, project, ids)
    with st.container(horizontal=True):
        if st.button(f"Remove all {len(ids):,}" if len(ids) > 1 else "Remove it", icon=":material/delete:", type="primary",
                     help="Undo brings it back"):
            _remove(desk, project, ids)
        if 0 < len(worst) < len(ids) and st.button(f"Remove the {len(worst):,} contradicted", icon=":material/delete:",
                                                   help="Undo brings them back"):
            _remove(desk, project, worst)


def _consequences(desk: Desk, project: Project, ids: np.ndarray) -> None:
    """Offer to work out what removing would change, in every sample, and show it."""
    key, what = _jobs.own("reach"), (desk.asked.chosen.key, project.version)
    if st.button("What would removing it change?", icon=":material/difference:", help="Worked out for every sample; nothing is removed"):
        _state.jobs().drop(key)
        _jobs.start(key, lambda job: (what, asking.reach(project, ids, progress=job.report)), text="Predicting without it")
    job = _jobs.watch(key)
    if job is None or job.state != "done" or job.result[0] != what:
        return
    found = job.result[1]
    st.write(_review.summary(found))
    st.dataframe(_review.reach_rows(project, found), hide_index=True, row_height=WIDE_ROW, height=_height(len(found.samples), WIDE_ROW),
                 column_config={"Changes": st.column_config.ImageColumn(width="small"),
                                "Would change": st.column_config.NumberColumn(format="percent", width=110),
                                "They decide now": st.column_config.NumberColumn(format="percent", width="small")})


def _go(desk: Desk, project: Project, sample_id: str, at: tuple[int, ...]) -> None:
    desk.goto(record_of(project, sample_id), at)
    desk.jumps += 1
    st.switch_page("annotate.py")


def _remove(desk: Desk, project: Project, ids: np.ndarray) -> None:
    try:
        project.forget(ids=ids, purge=False, by=desk.author)
        desk.error, desk.asked.chosen = None, None
    except ParmesanError as error:
        desk.error = error
    st.rerun()


with border():
    here = _state.desk()
    page(here, sidebar(here))
