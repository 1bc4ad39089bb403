"""Annotate: paint examples, see the prediction follow, ask why, take back."""

import streamlit as st

from pages import _state
from pages._desk import Desk, explain, predict, take_acts, take_canvas
from pages._filmstrip import filmstrip
from pages._panel import panel
from pages._scene import build_scene
from pages._sidebar import sidebar
from pages._solid import figure
from pages._view import take_view
from pages._widgets import border, show_error
from pages.components.canvas import canvas
from pages.components.why import why
from parmesan_engine.project import Project, SampleRecord
from parmesan_engine.project.following import glance
from parmesan_engine.types import Prediction

POLL_SECONDS = 0.8


@st.fragment(run_every=POLL_SECONDS)
def settle(project: Project) -> None:
    """While the metric is fitted anew beside the work: look now and then, and show the new prediction when it is done."""
    with border():
        if not project.refit_when_due():
            st.rerun()


@st.dialog("Prediction in three dimensions", width="large")
def solid(project: Project, record: SampleRecord, prediction: Prediction | None) -> None:
    """The surfaces of the prediction, to turn and look at."""
    with border():
        if prediction is None:
            st.write("There is no prediction yet: label a few pixels first.")
            return
        with st.spinner("Finding the surfaces"):
            plot = figure(project, record, prediction)
        st.plotly_chart(plot, width="stretch", height=560, config={"displaylogo": False})
        st.caption("Drag turns, the wheel zooms. A click in the legend switches a class on or off.")


@st.fragment(key="surface")
def surface(desk: Desk, project: Project) -> None:
    """The picture and the panel beside it: this part alone runs again after a stroke."""
    left, right = st.columns([7, 3], gap="small")
    with border():
        project.refresh()  # what other processes have committed
        before = desk.sample, desk.jumps
        desk.asked.survey = _state.survey(desk.project)
        take_view(desk, project, _state.sent("canvas", "view"))
        desk.jumps += desk.sample != before[0]  # another time point
        take_acts(desk, project, _state.sent("why", "acts"))
        take_canvas(desk, project, _state.sent("canvas", "log"))
        if desk.asked.leave:
            st.switch_page("review.py")  # which takes note: a switch may be lost when a newer run overtakes this one
        if (desk.sample, desk.jumps) != before:
            st.rerun()  # another sample: the list in the sidebar must follow
        desk.seen = glance(project)  # before anything is drawn: what changes from here on is news
        record = next(one for one in project.samples() if one.id == desk.sample)
        prediction = predict(desk, project)
        scene = build_scene(desk, project, record, project.read_sample(record.id), prediction)
        with left:
            canvas(desk.courier.pack(scene), key="canvas")
        with right:
            if desk.error is not None:
                show_error(desk.error)
            reasons = explain(desk, project, prediction)
            data = panel(desk, project, record, prediction, reasons, lambda sample, at: _state.thumbnail(desk.project, sample, at))
            why(data, key="why")
        if desk.solid:
            desk.solid = False
            solid(project, record, prediction)
        _state.keep_place(desk)  # last: the browser has its answer by now
        if project.metric_state()["due"]:
            settle(project)


with border():
    _state.asked()  # what was asked for on the Memory page and left must not happen at a later visit
    here = _state.desk()
    chosen = sidebar(here)
    if here.sample is None:
        st.html('<div class="first"><b>Add a first sample</b>Drop a picture, a volume or a signal on <i>Add samples</i> in the sidebar: '
                "PNG, JPEG, TIFF, DICOM, NIfTI, NRRD, OME-Zarr, npy or CSV.</div>")
        if here.error is not None:
            show_error(here.error)
    else:
        surface(here, chosen)
        filmstrip(here, chosen)
