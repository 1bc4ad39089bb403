"""The sidebar: which project, which sample, add samples, classes, who paints."""

import streamlit as st

from pages import _state
from pages._classes import classes
from pages._company import company
from pages._desk import Desk
from pages._imports import add_labels, add_samples, import_errors
from pages._widgets import plain
from parmesan_engine.errors import FormatError, ParmesanError
from parmesan_engine.io.palette import distinct_colors
from parmesan_engine.project import Project
from parmesan_engine.project.following import glance
from parmesan_engine.project.presence import leave
from parmesan_engine.types import TaskSpec

LIST_LENGTH = 12  # samples; more are offered in a box that can be searched


def sidebar(desk: Desk, *, samples: bool = True) -> Project:
    """Draw the sidebar (with the samples of the project, or without) and return the chosen project."""
    shelf = _state.shelf()
    with st.sidebar:
        names = shelf.names()
        if desk.project not in names:
            desk.project = names[0]
        left, right = st.columns([5, 1], gap="xsmall", vertical_alignment="bottom")
        with left:
            chosen = st.selectbox("Project", names, index=names.index(desk.project), format_func=shelf.title, key=f"project-{desk.jumps}")
        with right, st.popover("New project", icon=":material/add:", key=f"new-{desk.jumps}"):  # a tooltip would close it at once
            _new_project(desk)
        if chosen != desk.project:
            leave(shelf.project(desk.project).path, desk.token)
            desk.project, desk.seq, desk.error = chosen, None, None
        project = shelf.project(desk.project)
        desk.seen = glance(project, fits=samples)
        if samples:
            _samples(desk, project)
            add_samples(desk, project)
            import_errors(desk)
            add_labels(desk, project)
        if samples and project.task.kind == "segmentation":
            classes(desk, project)
        author = st.text_input("You are", desk.author, key="author", max_chars=60, help="Kept with every example you paint")
        desk.author = author.strip() or "local"
        company(desk, project, follow=samples)
    _state.keep_place(desk)  # on every page: a reload leads back to the project chosen there
    return project


def _samples(desk: Desk, project: Project) -> None:
    records = {record.id: record for record in project.samples()}
    if not records:
        return
    if desk.sample not in records:
        desk.choose(next(iter(records)))
    ids, key = list(records), f"sample-{desk.project}-{desk.jumps}"
    pick, text = (st.radio, plain) if len(ids) <= LIST_LENGTH else (st.selectbox, str)  # the labels of a radio are Markdown
    desk.choose(pick("Sample", ids, index=ids.index(desk.sample), format_func=lambda i: text(records[i].name), key=key))
    record = records[desk.sample]
    size = " × ".join(str(n) for n in record.spatial_shape)
    st.caption(f"{size} · {record.channels} channel{'s' if record.channels > 1 else ''}")
    for note in record.notes:
        st.caption(plain(note))


def _new_project(desk: Desk) -> None:
    def key(name: str) -> str:
        return f"new-{name}-{desk.jumps}"

    name = st.text_input("Project name", max_chars=60, key=key("name"))
    kind = st.segmented_control("Predict", ["classes", "values"], default="classes", key=key("kind"))
    classes = unit = ""
    if kind == "values":
        unit = st.text_input("Unit", placeholder="mm", max_chars=20, key=key("unit"))
    else:
        classes = st.text_input("Classes, separated by commas", "background, object", key=key("classes"))
    novelty = st.slider("Keep only examples that are new by", 0.0, 0.2, 0.0, 0.005, format="%.3f", key=key("novelty"),
                        help="0 keeps all. A larger value leaves out examples that the memory already explains.")
    if st.button("Create", type="primary", width="stretch", key=key("create")):
        try:
            desk.project = _state.shelf().create(name, make_task(kind, classes, unit), novelty)
            desk.seq, desk.error = None, None
        except ParmesanError as error:
            desk.error = error
        desk.jumps += 1
        st.rerun()


def make_task(kind: str | None, classes: str, unit: str) -> TaskSpec:
    """Return the task of a new project from what was typed. Raises FormatError."""
    if kind == "values":
        return TaskSpec("regression", unit=unit.strip()[:20])
    names = list(dict.fromkeys(" ".join(part.split())[:60] for part in classes.split(",") if part.strip()))
    if not names:
        raise FormatError("at least one class", "none", "type names separated by commas")
    return TaskSpec("segmentation", tuple(names), distinct_colors(len(names)))
