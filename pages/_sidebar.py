"""The sidebar: which project, which sample, add samples, classes, who paints."""

import re

import streamlit as st

from pages import _state
from pages._company import company
from pages._desk import Desk
from pages._imports import add_labels, add_samples, import_errors
from pages._panel import css
from parmesan_engine.errors import FormatError, ParmesanError
from parmesan_engine.io.palette import distinct_colors, further_color
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
        with right, st.popover("", icon=":material/add:", help="New project", key=f"new-{desk.jumps}"):
            _new_project(desk)
        if chosen != desk.project:
            leave(shelf.project(desk.project).path, desk.token)
            desk.project, desk.seq, desk.error = chosen, None, None
        project = shelf.project(desk.project)
        desk.seen = glance(project)
        if samples:
            _samples(desk, project)
            add_samples(desk, project)
            import_errors(desk)
            add_labels(desk, project)
        if samples and project.task.kind == "segmentation":
            _classes(desk, project)
        author = st.text_input("You are", desk.author, key="author", max_chars=60, help="Kept with every example you paint")
        desk.author = author.strip() or "local"
        company(desk, project, follow=samples)
    return project


def _samples(desk: Desk, project: Project) -> None:
    records = {record.id: record for record in project.samples()}
    if not records:
        return
    if desk.sample not in records:
        desk.choose(next(iter(records)))
    ids, key = list(records), f"sample-{desk.project}-{desk.jumps}"
    pick = st.radio if len(ids) <= LIST_LENGTH else st.selectbox
    desk.choose(pick("Sample", ids, index=ids.index(desk.sample), format_func=lambda i: records[i].name, key=key))
    record = records[desk.sample]
    size = " × ".join(str(n) for n in record.spatial_shape)
    st.caption(f"{size} · {record.channels} channel{'s' if record.channels > 1 else ''}")
    for note in record.notes:
        st.caption(note)


def _classes(desk: Desk, project: Project) -> None:
    with st.expander("Classes", icon=":material/palette:", expanded=not project.task.classes):
        for i, (name, color) in enumerate(zip(project.task.classes, project.task.colors, strict=True)):
            left, right = st.columns([1, 4], gap="small", vertical_alignment="center")
            stamp = f"{desk.project}-{i}-{desk.jumps}-{name}-{css(color)}"  # a change made elsewhere is a new widget, never undone here
            new_color = left.color_picker("Colour", css(color), key=f"color-{stamp}", label_visibility="collapsed")
            new_name = right.text_input("Name", name, key=f"name-{stamp}", label_visibility="collapsed", max_chars=60).strip()
            if new_color != css(color):
                _attempt(desk, lambda i=i, c=new_color: project.recolor_class(i, rgb(c)))
            if new_name != name:
                _attempt(desk, lambda i=i, n=new_name: project.rename_class(i, n))
        with st.form("add-class", clear_on_submit=True, border=False):
            left, right = st.columns([1, 4], gap="small", vertical_alignment="center")
            color = left.color_picker("Colour", css(further_color(tuple(project.task.colors))), label_visibility="collapsed")
            name = right.text_input("Name", placeholder="New class", label_visibility="collapsed", max_chars=60)
            if st.form_submit_button("Add class", icon=":material/add:", width="stretch"):
                _attempt(desk, lambda: project.add_class(name, rgb(color)))


def _attempt(desk: Desk, change) -> None:
    """Carry out a change and draw the page anew, with the error if there was one."""
    try:
        change()
        desk.error = None
    except ParmesanError as error:
        desk.error = error
    desk.jumps += 1  # fresh widgets: a refused text must not be tried again and again
    st.rerun()


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


def rgb(text: str) -> tuple[int, int, int]:
    """Return (r, g, b) of "#rrggbb". Raises FormatError."""
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise FormatError("a colour such as #0e7490", repr(text)[:20], "pick a colour")
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
