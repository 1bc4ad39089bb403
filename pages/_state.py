"""The one place that touches Streamlit's session state and caches."""

import base64
import getpass
import io
import logging
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from pages._cookie import KNOWN, NAME
from pages._desk import Desk
from pages._film import Strip
from pages._resume import keep, resume
from pages._shelf import Shelf, home
from parmesan_engine import render
from parmesan_engine.errors import ParmesanError
from parmesan_engine.jobs import Jobs
from parmesan_engine.project.mapping import EntryMap, map_entries
from parmesan_engine.project.precompute import Survey
from parmesan_engine.project.scoring import Scores

log = logging.getLogger(__name__)

THUMBNAIL = 120  # pixels, shown at 60: crisp on dense screens
MINIATURE = 92


@st.cache_resource(show_spinner=False)
def shelf() -> Shelf:
    """The projects, shared by all sessions; demo projects are made on the first start."""
    return Shelf(home())


@st.cache_resource(show_spinner=False)
def jobs() -> Jobs:
    """The work that runs beside the pages, for all sessions (see `_jobs`)."""
    return Jobs()


@st.cache_resource(show_spinner=False)
def survey(project: str) -> Survey:
    """What is known of each sample of a project, for all sessions."""
    return Survey(shelf().project(project))


@st.cache_resource(show_spinner=False)
def scores() -> Scores:
    """The scores of versions that were evaluated, for all sessions."""
    return Scores()


def strip() -> Strip:
    """What this session sees of the strip of samples."""
    return st.session_state.setdefault("filmstrip", Strip())


def warm() -> None:
    """Open the projects and predict once, so that the first browser does not wait for it. A damaged project must not stop the start."""
    try:
        opened = shelf()
        project = opened.project(opened.names()[0])
        project.predict(project.samples()[0].id)
    except ParmesanError as error:
        log.warning("the first project is not ready: %s", error)


def desk() -> Desk:
    """What this session has in front of it: at first what this browser had in front of it last."""
    if "desk" not in st.session_state:
        st.session_state["desk"] = Desk(author=_user())
        resume(st.session_state["desk"], home(), _browser())
    return st.session_state["desk"]


def keep_place(desk: Desk) -> None:
    """Write down where this browser is."""
    keep(desk, home(), _browser())


def _browser() -> str:
    return str(st.context.cookies.get(NAME, ""))


def owner() -> str:
    """Return what names whoever is in front of this page: the browser, so that a reload changes nothing, else the session."""
    name = _browser()
    return name if KNOWN.fullmatch(name) else desk().token


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a user name
        return "local"


def sent(key: str, name: str) -> Any:
    """Return what a component has sent under `name`, None when nothing yet. Untrusted."""
    value = st.session_state.get(key)
    return value.get(name) if value else None


def picked(key: str) -> Any:
    """Return the value of the widget with this key, None before it exists."""
    return st.session_state.get(key)


def put(key: str, value: Any) -> None:
    """Keep a value of the session, or set a widget that is not drawn yet in this run."""
    st.session_state[key] = value


def drop(key: str) -> None:
    st.session_state.pop(key, None)


def ask(verb: str, project: str, what: Any) -> None:
    """Ask the page, from a button of it, to do something in its next run, inside its border box."""
    put("asked", (verb, project, what))


def asked() -> tuple[str, str, Any] | None:
    """Return what was asked for as (verb, project, what), once."""
    return st.session_state.pop("asked", None)


@st.cache_data(show_spinner=False, max_entries=8)
def entry_map(project: str, version: str, metric: str) -> EntryMap:
    """Return the examples of a project as points. version, metric: of the moment, so that a change makes a new map."""
    return map_entries(shelf().project(project))


@st.cache_data(show_spinner=False, max_entries=4000)
def thumbnail(project: str, sample_id: str, at: tuple[int, ...]) -> str:
    """Return the surroundings of a pixel as a data URL. Samples never change under their id, so this may be cached."""
    sample = shelf().project(project).read_sample(sample_id)
    picture, _ = render.thumbnail(sample, at, THUMBNAIL)
    return _data_url(picture)


@st.cache_data(show_spinner=False, max_entries=4000)
def miniature(project: str, sample_id: str) -> str:
    """Return a small picture of a whole sample as a data URL."""
    return _data_url(render.miniature(shelf().project(project).read_sample(sample_id), MINIATURE))


def _data_url(picture: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "WEBP", quality=86, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
