"""The strip of samples under the canvas, and the work that brings them up to the present."""

import math
from contextlib import suppress

import streamlit as st

from pages import _state
from pages._desk import Desk
from pages._film import Strip, film, take_picks
from pages._view import record_of
from pages._widgets import border
from pages.components.strip import strip
from parmesan_engine.errors import EmptyMemoryError
from parmesan_engine.project import Project
from parmesan_engine.project.precompute import Survey

POLL_SECONDS = 2.0
AT_ONCE = 1 << 18  # nodes of a sample whose shares are counted between two strokes


@st.fragment(run_every=POLL_SECONDS)
def filmstrip(desk: Desk, project: Project) -> None:
    """Draw the strip. It follows the memory by itself; a click on a sample shows that one."""
    with border():
        state = _state.strip()
        if (state.project, state.chosen) != (desk.project, desk.sample):
            if state.project != desk.project:
                state.order = None
            state.project, state.chosen, state.page = desk.project, desk.sample, None
        survey = _state.survey(desk.project)
        if take_picks(state, desk, project, survey, _state.sent("strip", "picks")):
            st.rerun()  # another sample: sidebar and canvas must follow
        _keep_up(state, desk, project, survey)
        job = _state.jobs().get(_key(desk))
        work = job.text if job is not None and job.active else ""
        data = film(state, desk, project, survey, work, lambda sample: _state.miniature(desk.project, sample))
        strip(data, key="strip")


def _key(desk: Desk) -> str:
    return f"survey {desk.project}"


def _keep_up(state: Strip, desk: Desk, project: Project, survey: Survey) -> None:
    """Bring the shown sample up to the present, at once when it is small, and the others in the background; both when nobody paints."""
    if project.features is None:
        return
    nodes = math.prod(-(-n // s) for n, s in zip(record_of(project, desk.sample).spatial_shape, project.stride(desk.sample), strict=True))
    if (nodes <= AT_ONCE or survey.resting()) and project.features.ready(desk.sample) and survey.behind([desk.sample]):
        with suppress(EmptyMemoryError):
            survey.put(desk.sample, project.overview(desk.sample))  # its votes are kept live
    job = _state.jobs().get(_key(desk))
    if state.paused:
        if job is not None and job.active:
            job.cancel()
        return
    ids = [record.id for record in project.samples()]
    first = ids.index(desk.sample)
    behind = survey.behind(ids[first + 1 :] + ids[:first])  # those after the shown one are wanted next; itself is at hand
    if behind and survey.resting():
        _state.jobs().start(_key(desk), lambda job: survey.run(behind, job.report), text="Preparing samples")
