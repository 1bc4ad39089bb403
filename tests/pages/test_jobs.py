"""A page that watches a job, without a browser."""

import threading

import pytest
from streamlit.testing.v1 import AppTest

from pages import _state
from parmesan_engine.errors import LimitError


def script():
    import streamlit as st

    from pages import _jobs

    job = _jobs.watch("the job")
    st.text(job.state if job else "none")


@pytest.fixture
def gate():
    """An event that the work waits for, so that the test decides when it ends."""
    _state.jobs.clear()
    event = threading.Event()
    yield event
    event.set()
    _state.jobs().close()
    _state.jobs.clear()


def test_a_job_shows_progress_and_can_be_cancelled(gate):
    inside = threading.Event()

    def work(job):
        job.report(0.5, "half of it")
        inside.set()
        gate.wait(30)
        job.report(0.6)

    at = AppTest.from_function(script, default_timeout=30).run()
    assert at.text[0].value == "none"
    job = _state.jobs().start("the job", work)
    assert inside.wait(30)
    at.run()
    assert at.text[0].value == "running" and not at.exception
    assert at.get("progress")[0].proto.text == "half of it" and at.get("progress")[0].proto.value == 50
    at.button[0].click().run()
    gate.set()
    job.wait(30)
    at.run()
    assert at.text[0].value == "cancelled" and "half of it" in at.caption[0].value and not at.button


@pytest.mark.parametrize("error, said", [(LimitError("less", "much more", "take less"), "much more"), (OSError("a secret path"), None)])
def test_a_job_that_failed_says_why_and_tells_no_insides(gate, error, said):
    def work(job):
        raise error

    _state.jobs().start("the job", work).wait(30)
    at = AppTest.from_function(script, default_timeout=30).run()
    boxes = " ".join(element.proto.body for element in at.get("html"))
    assert at.text[0].value == "failed" and not at.exception
    assert (said in boxes) if said else (len(at.error) == 1 and "secret" not in at.error[0].value)
