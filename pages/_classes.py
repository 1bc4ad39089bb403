"""The classes of a project in the sidebar: add, rename, recolour, order, lock, hide, merge, split. Nothing is retrained by any of it."""

import re
from collections.abc import Callable
from datetime import datetime

import numpy as np
import streamlit as st

from pages._desk import Desk
from pages._panel import css
from pages._widgets import plain
from parmesan_engine.errors import FormatError, ParmesanError
from parmesan_engine.io.palette import ENOUGH, distances, further_color
from parmesan_engine.project import Project
from parmesan_engine.project.class_view import set_class_view
from parmesan_engine.project.classes import merge_classes, split_class
from parmesan_engine.types import TaskSpec

STROKES = 200  # that are offered for a split, the newest


def classes(desk: Desk, project: Project) -> None:
    """Draw the list of classes with a menu for each."""
    task, view = project.task, project.class_view()
    with st.expander("Classes", icon=":material/palette:", expanded=not task.in_use):
        for i in view["order"]:
            _row(desk, project, view, i)
        if pair := hard_to_tell(task):
            st.caption(f"{pair[0]} and {pair[1]} look alike to colour-blind eyes.")
        with st.form("add-class", clear_on_submit=True, border=False):
            left, right = st.columns([1.5, 5.5], gap="xsmall", vertical_alignment="center")
            used = tuple(task.colors[i] for i in task.in_use)
            color = left.color_picker("Colour of the new class", css(further_color(used)), label_visibility="collapsed")
            name = right.text_input("Name of the new class", placeholder="New class", label_visibility="collapsed", max_chars=60)
            if st.form_submit_button("Add class", icon=":material/add:", width="stretch"):
                attempt(desk, lambda: project.add_class(name, rgb(color), author=desk.author))


def _row(desk: Desk, project: Project, view: dict[str, list[int]], i: int) -> None:
    name, color = project.task.classes[i], css(project.task.colors[i])
    left, middle, right = st.columns([1.5, 4.2, 1.3], gap="xsmall", vertical_alignment="center")
    stamp = f"{desk.project}-{i}-{desk.jumps}-{name}-{color}"  # a change made elsewhere is a new widget, never undone here
    new_color = left.color_picker(f"Colour of {name}", color, key=f"color-{stamp}", label_visibility="collapsed")
    new_name = middle.text_input(f"Name of {name}", name, key=f"name-{stamp}", label_visibility="collapsed", max_chars=60).strip()
    if new_color != color:
        attempt(desk, lambda: project.recolor_class(i, rgb(new_color), author=desk.author))
    if new_name != name:
        attempt(desk, lambda: project.rename_class(i, new_name, author=desk.author))
    state = "locked" if i in view["locked"] else "hidden" if i in view["hidden"] else ""
    icon = {"locked": ":material/lock:", "hidden": ":material/visibility_off:", "": ":material/more_vert:"}[state]
    with right:
        menu = st.popover(f"Order, lock, hide, merge, split {name}{state and f' ({state})'}", icon=icon, type="tertiary",
                          key=f"menu-{desk.project}-{i}", on_change="rerun")  # no tooltip: it would close the menu at once
    if menu.open:
        with menu:
            _menu(desk, project, view, i)


def _menu(desk: Desk, project: Project, view: dict[str, list[int]], i: int) -> None:
    name, order, stamp = project.task.classes[i], view["order"], f"{desk.project}-{i}-{desk.jumps}"
    place = order.index(i)
    st.markdown(f"**{plain(name)}**")
    with st.container(horizontal=True, gap="xsmall"):
        for label, icon, step in (("Up", "arrow_upward", -1), ("Down", "arrow_downward", 1)):
            there = place + step
            if st.button(label, icon=f":material/{icon}:", key=f"{label}-{stamp}", disabled=not 0 <= there < len(order)):
                moved = [*order]
                moved[place], moved[there] = moved[there], moved[place]
                attempt(desk, lambda moved=moved: set_class_view(project, order=moved))
    for part, label, help in (("locked", "Locked", "Painting and erasing leave its examples as they are"),
                              ("hidden", "Hidden", "Not drawn over the picture; its examples still count")):
        before = i in view[part]
        if st.toggle(label, before, key=f"{part}-{stamp}-{before}", help=help) != before:
            attempt(desk, lambda part=part: set_class_view(project, **{part: set(view[part]) ^ {i}}))
    others = [other for other in order if other != i]
    if others and len(project):
        into = st.selectbox("Merge into", others, format_func=lambda other: project.task.classes[other], key=f"into-{stamp}", index=None,
                            placeholder="another class", help="All its examples become examples of the other class. Undo takes it back.")
        if st.button("Merge", key=f"merge-{stamp}", disabled=into is None, width="stretch"):
            attempt(desk, lambda: merge_classes(project, i, into, author=desk.author))
        _split(desk, project, i, stamp)


def _split(desk: Desk, project: Project, i: int, stamp: str) -> None:
    strokes = strokes_of(project, i)
    if len(strokes) < 2:
        return
    chosen = st.multiselect("Split off strokes", list(strokes), format_func=strokes.get, key=f"strokes-{stamp}",
                            placeholder="choose strokes", help="They become a class of their own. Undo takes it back.")
    name = st.text_input("as the new class", key=f"split-name-{stamp}", max_chars=60)
    if st.button("Split", key=f"split-{stamp}", disabled=not chosen or not name.strip(), width="stretch"):
        color = further_color(tuple(project.task.colors[other] for other in project.task.in_use))
        attempt(desk, lambda: split_class(project, chosen, name, color, author=desk.author))


def attempt(desk: Desk, change: Callable[[], object]) -> None:
    """Carry out a change and draw the page anew, with the error if there was one."""
    try:
        change()
        desk.error = None
    except ParmesanError as error:
        desk.error = error
    desk.jumps += 1  # fresh widgets: a refused text must not be tried again and again
    st.rerun()


def strokes_of(project: Project, label: int) -> dict[str, str]:
    """Return {gesture: what it is in words} for the strokes that have examples of a class, the newest first."""
    overview = project.memory.columns()
    mine = overview.label == label
    codes, first, counts = np.unique(overview.gesture[mine], return_index=True, return_counts=True)
    names = {record.id: record.name for record in project.samples()}
    rows = []
    for code, at, count in zip(codes.tolist(), first.tolist(), counts.tolist(), strict=True):
        gesture = overview.names[code]
        if not gesture:
            continue
        sample, author = (overview.names[int(column[mine][at])] for column in (overview.sample, overview.author))
        time = float(overview.time[mine][at])
        when = datetime.fromtimestamp(time).strftime("%d %b %H:%M")
        rows.append((time, gesture, f"{names.get(sample, 'a sample that is gone')} · {count:,} · {author} {when}"))
    return {gesture: text for _, gesture, text in sorted(rows, reverse=True)[:STROKES]}


def hard_to_tell(task: TaskSpec) -> tuple[str, str] | None:
    """Return the names of the two classes whose colours are closest, when some eyes cannot tell them apart."""
    used = task.in_use
    if len(used) < 2:
        return None
    colors = [task.colors[i] for i in used]
    apart = distances(colors, colors)
    np.fill_diagonal(apart, np.inf)
    one, other = np.unravel_index(apart.argmin(), apart.shape)
    return (task.classes[used[one]], task.classes[used[other]]) if apart.min() < ENOUGH - 3 else None


def rgb(text: str) -> tuple[int, int, int]:
    """Return (r, g, b) of "#rrggbb". Raises FormatError."""
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise FormatError("a colour such as #0e7490", repr(text)[:20], "pick a colour")
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
