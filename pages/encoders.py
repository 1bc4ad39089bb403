"""Encoders: how each one sees a sample, what it would predict from the examples at hand, and how to go on with another one."""

import math

import streamlit as st

from pages import _jobs, _state, _trials
from pages._desk import Desk
from pages._shelf import folder_name
from pages._sidebar import sidebar
from pages._widgets import border, plain, readable
from parmesan_engine import render
from parmesan_engine.encoders import ENCODERS
from parmesan_engine.jobs import Job
from parmesan_engine.project import Project, SampleRecord
from parmesan_engine.project.reencoding import project_with
from parmesan_engine.project.trying import ALL, Look

MOST = 4  # side by side
OWN = "Examples by others: each is answered by the examples of other samples (of other strokes, if there is one sample)."
OWN_MISSING = "Examples can be answered by others once every class is painted in two samples, or in two strokes of the only one."


def page(desk: Desk, project: Project) -> None:
    st.html('<div class="lead"><b>Encoders</b> turn pixels into features; what is alike in them is predicted alike. Colours are '
            "the three main directions of the features: where colours part, classes can be told apart.</div>")
    record = next((one for one in project.samples() if one.id == desk.sample), None)
    if record is None or not len(project):
        st.info("Add a sample and label a few pixels on the Annotate page: encoders are compared by what they make of your examples.",
                icon=":material/draw:")
        return
    project.refresh()  # what other processes have committed
    own, choices = _trials.own_text(project), _trials.offered(project)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        texts = st.multiselect("Encoders", choices, default=choices[:MOST], max_selections=MOST, accept_new_options=True,
                               key=f"encoders-{desk.project}", help="Type another one with its keywords: backbone:model=/folder")
        asked = st.button("Compare", type="primary", icon=":material/compare:", disabled=not texts)
    texts = [text for text in texts if readable(ENCODERS, text)]
    for text in texts:
        known = _trials.TRIALS.get(project, text)
        if asked or (known is not None and record.id not in known.looks and not _stopped(desk, text)):  # another sample of what is known
            _start(desk, project, text, record)
    for text in texts:
        _jobs.watch(_key(desk, text))
    found = {text: known for text in texts if (known := _trials.TRIALS.get(project, text)) is not None}
    if not found:
        st.caption("Compare encodes the labelled samples anew with each encoder, beside your work; the project stays as it is.")
        return
    st.dataframe(_trials.rows(project.task, {text: known.thing for text, known in found.items()}, own), hide_index=True,
                 column_config={"encoder": st.column_config.TextColumn(width="medium")})
    first = next(iter(found.values())).thing
    st.caption(" ".join([OWN if first.own else OWN_MISSING,
                         *([f"Known truth: {first.checked} samples, painted places left out."] if first.checked else [])]))
    _side_by_side(desk, project, record, {text: known.looks.get(record.id) for text, known in found.items()}, own)


def _key(desk: Desk, text: str) -> str:
    return f"encoder {desk.project} {text}"


def _stopped(desk: Desk, text: str) -> bool:
    """Return whether the last work with an encoder was cancelled or failed: it is not begun again before somebody asks."""
    job = _state.jobs().get(_key(desk, text))
    return job is not None and job.state in ("cancelled", "failed")


def _start(desk: Desk, project: Project, text: str, record: SampleRecord) -> None:
    _jobs.start(_key(desk, text), lambda job: _trials.work(project, text, record.id, job), text=f"Encoding with {text}")


def _side_by_side(desk: Desk, project: Project, record: SampleRecord, looks: dict[str, Look | None], own: str) -> None:
    """Draw the sample and, for each encoder, its features and its prediction."""
    index = None
    if record.spatial_dims == 3:
        depth = record.spatial_shape[0]
        index = st.slider("Slice across z", 0, depth - 1, depth // 2, key=f"encoders-z-{record.id}") if depth > 1 else 0
    columns = st.columns(1 + len(looks), gap="small")
    with columns[0]:
        st.markdown("**The sample**")
        sample = project.read_sample(record.id)
        step = max(1, math.ceil(record.spatial_shape[0] / (2 * _trials.WIDE)))
        picture = render.to_rgb(sample, 0, index) if record.spatial_dims > 1 else render.to_rgb(sample, x_step=step, height=_trials.BAND)
        st.image(_trials.features_picture(picture, None, _aspect(record)) if record.spatial_dims > 1 else picture, width="stretch")
    for column, (text, shown) in zip(columns[1:], looks.items(), strict=True):
        with column:
            st.markdown(f"**{plain(text)}**" + (" :green-badge[in use]" if text == own else ""))
            if shown is None:
                st.caption("Not looked at: press Compare." if _stopped(desk, text) else "Looking at this sample …")
                continue
            _one(desk, project, record, index, text, shown)
            if text != own:
                _switch(desk, project, text)


def _one(desk: Desk, project: Project, record: SampleRecord, index: int | None, text: str, shown: Look) -> None:
    part = st.selectbox("Features", list(shown.pictures), key=f"part-{desk.project}-{text}", label_visibility="collapsed")
    picture = shown.pictures.get(part, shown.pictures[ALL])
    node = None if index is None else index // shown.stride[0]
    st.image(_trials.features_picture(picture, node, _aspect(record)), width="stretch")
    st.image(_trials.answer_picture(project, record.id, index, shown.answer, shown.stride), width="stretch")


def _aspect(record: SampleRecord) -> float:
    spacing = record.spacing or (1.0,) * record.spatial_dims
    return spacing[-2] / spacing[-1] if record.spatial_dims > 1 else 1.0


def _switch(desk: Desk, project: Project, text: str) -> None:
    """Offer a project with this encoder and the same examples."""
    with st.popover("Use this encoder", icon=":material/swap_horiz:", width="stretch", key=f"use-{desk.project}-{text}"):
        st.caption("A memory belongs to its encoder. So all labelled samples are encoded anew into a new project with the same samples, "
                   "classes and examples, who painted them included; its history begins there. This project stays as it is.")
        name = st.text_input("Name", f"{project.name}-{text.partition(':')[0]}", max_chars=60, key=f"use-name-{desk.project}-{text}")
        busy = (job := _state.jobs().get(_making())) is not None and job.active  # a second one would not be begun
        if st.button("Make the project", type="primary", key=f"use-make-{desk.project}-{text}", disabled=busy):
            folder, author = _state.shelf().folder / folder_name(name), desk.author
            _jobs.start(_making(), lambda job: project_with(project, text, folder, name=folder.name, author=author,
                                                                           progress=job.report).name, text=f"Making {folder.name}")


def _making() -> str:
    return _jobs.own("new encoder")


def _made(desk: Desk) -> None:
    """Show how far the new project is, and lead to it once it is there."""
    job = _jobs.watch(_making())
    if job is not None and job.state == "done":
        with st.container(horizontal=True, vertical_alignment="center"):
            st.success(f"{plain(job.result)} is ready.", icon=":material/check:")
            st.button("Open it", icon=":material/folder_open:", on_click=_open, args=(desk, job))


def _open(desk: Desk, job: Job) -> None:
    """Go to the project that was made: before the page is drawn, so that going on at once to another page does not lose it."""
    _state.jobs().drop(job.key)
    desk.project, desk.seq, desk.error = job.result, None, None
    desk.jumps += 1


with border():
    here = _state.desk()
    chosen = sidebar(here)
    page(here, chosen)
    _made(here)  # whatever the page shows of the old project
