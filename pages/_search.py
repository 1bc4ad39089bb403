"""How the memory is searched: exactly, or faster with a measured share of the nearest examples."""

import streamlit as st

from pages import _state
from pages._desk import Desk
from parmesan_engine.project import Project
from parmesan_engine.project.searching import state
from parmesan_engine.search.tuning import EXACT_BELOW

_KINDS = {"exact": "Exact", "approximate": "Approximate"}
_ELSE = {"exact": "Exact would find every nearest example.",
         "approximate": f"Approximate would find most of them, faster, from {EXACT_BELOW:,} examples on; how many is measured."}


def searching(desk: Desk, project: Project) -> None:
    """Draw the choice, and what was measured of the index in use."""
    now = state(project)
    kinds = list(_KINDS) if now["index"] in _KINDS else [now["index"], *_KINDS]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.segmented_control("Search", kinds, default=now["index"], format_func=lambda name: _KINDS.get(name, name.capitalize()),
                                    required=True, key=f"search-{desk.project}",
                                    help="Approximate is faster in a large memory, and keeps each example in about half the room")
        if kind != now["index"]:
            st.button("Use it", icon=":material/check:", on_click=_state.ask, args=("search", desk.project, kind))
    st.caption(_words(now) if kind == now["index"] else f"{_words(now)} {_ELSE[kind]}")


def _words(now: dict) -> str:
    """Return what is in use, in plain words."""
    return f"In use: {'Exact' if now['exact'] else _KINDS.get(now['index'], now['index'].capitalize())}. {_found(now)}"


def _found(now: dict) -> str:
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
        wait = "The approximate index is made while you paint on the Annotate page." if now["due"] else later
        return f"{found}. {wait} {size}"
    return f"{found}. {size}"
