"""Learn: five short lessons with one control each, for a class and a projector. Needs no project; /learn?lesson=3 opens the third."""

import streamlit as st

from pages import _jobs, _state
from pages._lessons import LESSONS, Lesson
from pages._widgets import border
from parmesan_engine.lessons import prepare

PREPARING = "lessons"  # the job, once for all sessions
NUMBERS = [str(n + 1) for n in range(len(LESSONS))]
KEY = "lesson"  # also the name in the address


def page() -> None:
    if _state.jobs().get(PREPARING) is None:
        _jobs.start(PREPARING, lambda job: prepare(job.report), text="Preparing the lessons")
    row = st.container(horizontal=True, vertical_alignment="center", key="lessons")
    with row:
        number = st.segmented_control("Lesson", NUMBERS, default=NUMBERS[0], key=KEY, bind="query-params", required=True,
                                      label_visibility="collapsed") or NUMBERS[0]  # a link may say "?lesson="
        at = NUMBERS.index(number)
        st.html(f'<div class="lesson-title">{LESSONS[at].title}</div>')
        for label, to, icon in (("Previous", at - 1, "arrow_back"), ("Next", at + 1, "arrow_forward")):
            st.button(label, icon=f":material/{icon}:", disabled=not 0 <= to < len(LESSONS), on_click=_go, args=(to,))
    _lesson(LESSONS[at])


def _go(to: int) -> None:
    _state.put(KEY, NUMBERS[to])


@st.fragment
def _lesson(lesson: Lesson) -> None:
    """Draw a lesson; moving its control draws nothing else again."""
    with border(), st.container(key="lesson-body"):
        text, control = st.columns([10, 11], gap="large")
        with text:
            st.markdown(lesson.text)
        with control:
            position = lesson.control()
        with text, st.container(key="now"):
            st.markdown(lesson.now(position))
        lesson.draw(position)


with border():
    page()
