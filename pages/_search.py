"""How the memory is searched: exactly, or faster with a measured share of the nearest examples."""

import streamlit as st

from pages import _jobs, _state
from pages._desk import Desk
from parmesan_engine.project import Project
from parmesan_engine.project.searching import build, choose, state
from parmesan_engine.search.tuning import EXACT_BELOW

_KINDS = {"exact": "Exact", "approximate": "Approximate"}
_ELSE = {"exact": "Exact would find every nearest example.",
         "approximate": f"Approximate would find most of them, faster, from {EXACT_BELOW:,} examples on; how many is measured."}


def searching(desk: Desk, project: Project) -> None:
    """Draw the choice, how far an index is that is being made, and what was measured of the one in use."""
    row = st.container(horizontal=True, vertical_alignment="bottom", key="searchrow")
    job = _jobs.watch(_key(desk.project))
    making = job is not None and job.active
    now = state(project)  # after the job: what that made is in it
    kinds = list(_KINDS) if now["index"] in _KINDS else [now["index"], *_KINDS]
    with row:
        kind = st.segmented_control("Search", kinds, default=now["index"], format_func=_title, required=True, key=f"search-{desk.project}",
                                    help="Approximate is faster in a large memory, and keeps each example in about half the room")
        if kind != now["index"]:
            st.button("Use it", icon=":material/check:", on_click=_state.ask, args=("search", desk.project, kind))
        elif now["due"] and not making:
            st.button("Make it now", icon=":material/build:", on_click=_make, args=(desk.project, project))
    name = "" if now["exact"] and now["note"] else f"{'Exact' if now['exact'] else _title(now['index'])}. "
    words = f"In use: {name}{_found(now, making)}"
    st.caption(words if kind == now["index"] else f"{words} {_ELSE[kind]}")


def use(name: str, project: Project, kind: str) -> None:
    """Choose how a project searches, and begin to make the index where one is needed."""
    _state.jobs().drop(_key(name))
    if choose(project, kind)["due"]:
        _make(name, project)


def _make(name: str, project: Project) -> None:
    _jobs.start(_key(name), lambda job: build(project, job.report), text="Making and measuring the approximate index")


def _key(name: str) -> str:
    """Return the key of the job that makes an index for a project."""
    return f"index {name}"


def _title(kind: str) -> str:
    return _KINDS.get(kind, kind.capitalize())


def _found(now: dict, making: bool) -> str:
    """Return what the index in use finds and takes, in plain words."""
    if now["bytes_per_entry"] is None:
        return "There is nothing to search yet."
    size = f"{now['bytes_per_entry']:,.0f} bytes per example in the search index."
    if now["recall"] is not None:
        agree = "" if now["agreement"] is None else f", and the same class for {now['agreement']:.1%} of places"
        return f"Finds {now['recall']:.1%} of the nearest examples{agree}: measured on {'examples' if not now['apart'] else 'samples'} " \
               f"that were left out. {size}"
    found = now["note"].capitalize() or "Finds every nearest example"
    if now["index"] == "approximate":
        few = now["entries"] < EXACT_BELOW
        later = f"Approximate search begins at {EXACT_BELOW:,} examples." if few else "The index could not be made: see the log."
        wait = "The approximate index is being made." if making else \
            "The approximate index is not made yet: now, or while you paint on the Annotate page."
        return f"{found}. {wait if now['due'] else later} {size}"
    return f"{found}. {size}"
