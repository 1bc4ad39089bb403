"""The others: who else has the project open, and what they change appears here without an action."""

import html

import streamlit as st

from pages._desk import Desk
from pages._widgets import border
from parmesan_engine.project import Project
from parmesan_engine.project.following import glance
from parmesan_engine.project.presence import Person, arrive

LOOK_SECONDS = 0.7


@st.fragment(run_every=LOOK_SECONDS)
def company(desk: Desk, project: Project, follow: bool) -> None:
    """Say who else is here, and look for what they change.

    follow: draw the page anew when somebody else has changed what it shows. Else offer to: a table that changed by itself could
    put another row under a hand that is about to remove one.
    """
    with border():
        if project.path.name != desk.project:  # this look was under way when another project was chosen
            return
        people = arrive(project.path, desk.token, Person(desk.author, desk.sample or ""))
        names = {record.id: record.name for record in project.samples()} if people else {}
        chips = "".join(_chip(person, desk.author, names) for person in people)
        st.html(f'<div class="company" data-testid="company" role="status">{chips and "Also here"}{chips}</div>')
        if glance(project, fits=follow) == desk.seen:
            return
        if follow or st.button("Show what others changed", icon=":material/refresh:", type="primary", width="stretch"):
            st.rerun()


def _chip(person: Person, author: str, names: dict[str, str]) -> str:
    where = names.get(person.sample, "")
    name = html.escape(person.author) if person.author != author else "another window under your name"
    return f"<span><b>{name}</b>{where and ' on ' + html.escape(where)}</span>"
