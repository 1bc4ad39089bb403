"""Work beside the page: start it, watch it, cancel it. The rest of the page stays usable meanwhile.

    _jobs.start(key, lambda job: engine_verb(..., progress=job.report), text="Predicting")
    job = _jobs.watch(key)          # draws bar and Cancel while it is active; the page runs again when it ends
    if job and job.state == "done": show(job.result)
"""

import logging
from collections.abc import Callable
from typing import Any

import streamlit as st

from pages import _state
from pages._widgets import plain, show_error
from parmesan_engine.errors import ParmesanError
from parmesan_engine.jobs import Job

POLL_SECONDS = 0.4
log = logging.getLogger(__name__)


def start(key: str, work: Callable[[Job], Any], *, text: str) -> Job:
    """Start `work(job)`. key: one job of a key at a time, shared by all sessions; `own` makes a key of this session."""
    return _state.jobs().start(key, work, text=text)


def own(name: str) -> str:
    """Return a key that no other browser session uses."""
    return f"{name} {_state.desk().token}"


def watch(key: str, *, so_far: Callable[[], Any] = lambda: None) -> Job | None:
    """Draw what the job of a key is doing, or why it ended early; return it, None when there is none.

    While it is active only this part of the page runs again and again; the whole page does when what `so_far` returns changes, to show
    results as they come. The work must make no Streamlit calls.
    """
    job = _state.jobs().get(key)
    if job is None:
        return None
    if job.active:
        st.fragment(_bar, run_every=POLL_SECONDS)(job, so_far, so_far())
    elif job.state == "cancelled":
        st.caption(plain(f"Cancelled: {job.text}"))
    elif isinstance(job.error, ParmesanError):
        show_error(job.error, key=f"job{key}")
    elif job.error is not None:
        log.error("a job failed: %s", job.key, exc_info=job.error)
        st.error("Something went wrong on our side; nothing was lost. Details are in the log of the server.", icon=":material/error:")
    return job


def _bar(job: Job, so_far: Callable[[], Any], drawn: Any) -> None:
    if not job.active or so_far() != drawn:
        st.rerun()  # the whole page: it shows the result, and no longer asks
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(job.fraction, text=plain(job.text if job.state == "running" else f"{job.text} (waiting for its turn)"))
        st.button("Cancel", key=f"cancel {job.key}", icon=":material/close:", on_click=job.cancel)
