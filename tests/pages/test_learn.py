"""The Learn page without a browser: every lesson by its link, at every end of its control, without any project."""

import re

import pytest

from pages import _state
from pages._lessons import LESSONS
from parmesan_engine import lessons
from parmesan_engine.lessons import novelty, rounds, steps, strokes, voting

CONTROLS = {1: ("strokes", range(strokes.COUNT + 1)), 2: ("temperature", voting.TAUS), 3: ("rounds", rounds.ROUNDS),
            4: ("novelty", novelty.NOVELTIES), 5: ("step", range(steps.STEPS + 1))}
PICTURES = {1: 1, 2: 4, 3: 3, 4: 3, 5: 2}


@pytest.fixture
def learn(at, monkeypatch):
    """Return the page opened at a lesson."""
    monkeypatch.setattr(lessons, "prepare", lambda report: None)  # what is looked at is worked out

    def opened(lesson):
        at.query_params["lesson"] = str(lesson)
        return at.switch_page("learn.py").run()

    yield opened
    for job in _state.jobs().active():
        job.wait(60)


def position(page, lesson, n):
    """Move the control to its n-th position; return the formula and what is said of it."""
    key, positions = CONTROLS[lesson]
    control = page.slider(key=key) if lesson == 1 else page.select_slider(key=key)
    (control.set_value(list(positions)[n]) if lesson in (1, 2, 3, 4) else control.set_value(control.options[n])).run()
    assert not page.exception and not page.error
    return page.latex[0].value, LESSONS[lesson - 1].now(list(positions)[n])


@pytest.mark.parametrize("lesson", CONTROLS)
def test_every_lesson_opens_by_its_link_and_follows_its_control(learn, lesson):
    page = learn(lesson)
    assert not page.exception and not page.error
    assert any(LESSONS[lesson - 1].title in html.proto.body for html in page.get("html"))
    last = len(list(CONTROLS[lesson][1])) - 1
    formulas, words = zip(*(position(page, lesson, n) for n in (0, 1, last)), strict=True)
    assert len(set(formulas)) == 3 and len(set(words)) >= 2
    assert words[-1] in [markdown.value for markdown in page.markdown]
    assert len(page.get("image")) == PICTURES[lesson]


def test_the_formula_has_the_numbers_of_the_control(learn):
    formula, _ = position(learn(2), 2, voting.TAUS.index(0.1))
    share = voting.vote(voting.KS[1], 0.1).shares[0]
    assert re.search(r"boldsymbol\{0\.1\}", formula) and f"boldsymbol{{{share:.2f}}}" in formula


def test_next_and_previous_lead_through_the_lessons(learn):
    page = learn(1)
    button = {one.label: one for one in page.button}
    assert button["Previous"].disabled and not button["Next"].disabled
    for _ in range(4):
        next(one for one in page.button if one.label == "Next").click().run()
    assert page.segmented_control(key="lesson").value == "5" and any(LESSONS[4].title in html.proto.body for html in page.get("html"))
    button = {one.label: one for one in page.button}
    assert button["Next"].disabled
    button["Previous"].click().run()
    assert page.segmented_control(key="lesson").value == "4"


@pytest.mark.parametrize("lesson", ["6", "0", "-1", "two", ""])
def test_a_link_to_no_lesson_opens_the_first(learn, lesson):
    page = learn(lesson)
    assert not page.exception and not page.error and any(LESSONS[0].title in html.proto.body for html in page.get("html"))


@pytest.mark.parametrize("value", ["", "nonsense"])
@pytest.mark.parametrize("lesson", CONTROLS)
def test_a_link_to_no_position_opens_at_the_first(at, learn, lesson, value):
    at.query_params[CONTROLS[lesson][0]] = value
    page = learn(lesson)
    assert not page.exception and not page.error and len(page.latex) == 1


@pytest.mark.parametrize("lesson", CONTROLS)
def test_something_is_said_at_every_position(lesson):
    said = [LESSONS[lesson - 1].now(one) for one in CONTROLS[lesson][1]]
    assert all(50 < len(words) < 340 and "{" not in words for words in said) and len(set(said)) >= 3
