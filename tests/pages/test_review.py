"""The Review page: what the audit finds is listed, nothing is removed before it is asked for, and what is said is what happens."""

import json

import numpy as np
import pytest

from pages import _review, _state
from pages._reach import choose_strokes  # what ticking a row calls; AppTest cannot tick
from parmesan_engine.gestures import Stroke
from parmesan_engine.project import asking
from parmesan_engine.types import Sample
from tests.pages.choosing import choose
from tests.pages.component import component, log, send


@pytest.fixture
def flawed(picture):
    """The project of `picture` with more right strokes and one of the wrong class: (name, project, sample id)."""
    _, project, sample = picture
    for number, (x, label) in enumerate([(6.5, 0), (14.5, 0), (32.5, 1), (44.5, 1)]):
        project.annotate(sample, [Stroke("brush", [(x, 5), (x, 26)], radius=1.5, label=label)], gesture_id=f"more-{number}")
    project.annotate(sample, [Stroke("brush", [(40.5, 26), (42.5, 26)], radius=1.5, label=0)], author="bob", gesture_id="wrong")
    return picture


@pytest.fixture
def review(at, flawed):
    at.run()
    choose(at, flawed[0])
    at.switch_page("review.py").run()
    return settled(at, f"audit {flawed[0]}")


def settled(at, key):
    _state.jobs().get(key).wait(60)
    return at.run()


def press(at, text):
    next(button for button in at.button if button.label.startswith(text)).click().run()
    return at


def test_the_stroke_of_the_wrong_class_is_listed_first(review, flawed):
    assert not review.exception
    (audit,) = [review.session_state["desk"].asked.audits[flawed[0]]]
    rows = _review.stroke_rows(flawed[1], _review.contradicted(audit, set()), lambda *_: "", doubted=True)
    assert (rows[0]["Labelled"], rows[0]["Others say"], rows[0]["Author"]) == ("dark", "bright", "bob")
    assert review.dataframe[0].value.iloc[0]["Others say"] == "bright"


def test_what_removing_would_change_is_shown_before_and_is_what_happens(review, flawed):
    name, project, sample = flawed
    ids = project.memory.select(gesture="wrong")
    desk = review.session_state["desk"]
    (origin,) = project.memory.provenance(ids[:1])
    choose_strokes(desk, project, [one for one in desk.asked.audits[name].strokes if one.gesture == origin.gesture])
    review.run()
    version, before = project.version, project.overview(sample)
    press(review, "What would removing it change?")
    settled(review, next(key for key in _state.jobs()._jobs if key.startswith("reach")))
    assert project.version == version
    expected = asking.reach(project, ids)
    assert any(_review.summary(expected) in text.value for text in review.markdown)
    press(review, "Remove all")
    assert not project.memory.is_stored(ids).any() and review.session_state["desk"].asked.chosen is None
    after = project.overview(sample)
    assert (before.labels != after.labels).sum() == expected.samples[0].difference.changed


def test_it_is_right_takes_a_stroke_off_the_list(review, flawed):
    desk = review.session_state["desk"]
    audit = desk.asked.audits[flawed[0]]
    choose_strokes(desk, flawed[1], _review.contradicted(audit, set())[:1])
    press(review.run(), "It is right")
    assert "wrong" not in {one.gesture for one in _review.contradicted(audit, review.session_state["desk"].asked.right)}


def test_places_to_label_next_are_listed(review, flawed):
    review.segmented_control(key="list").set_value("Label next").run()
    settled(review, f"places {flawed[0]}")
    assert not review.exception and len(review.dataframe[0].value) > 0
    assert set(review.dataframe[0].value["Why"]) <= {"Never seen", "Examples contradict"}


def test_without_examples_there_is_nothing_to_review(at, picture):
    picture[1].forget(ids=picture[1].memory.ids, purge=False)
    at.run()
    at.session_state["desk"].project = picture[0]
    at.switch_page("review.py").run()
    assert not at.exception and "no examples to review" in at.info[0].value


@pytest.mark.parametrize("shape", [(40,), (20, 30), (8, 12, 10)])
def test_changes_are_drawn_for_signals_pictures_and_volumes(shape):
    array = np.random.default_rng(0).integers(0, 255, (1, *shape)).astype(np.uint8)
    share = np.zeros(shape, np.float32)
    share[(slice(2, 4),) * len(shape)] = 1
    difference = asking.Difference(share, int(share.sum()), share.size, (), None)
    url = _review.change_picture(Sample(array, "x"), difference)
    assert url.startswith("data:image/webp;base64,") and url != _review.change_picture(
        Sample(array, "x"), asking.Difference(share * 0, 0, share.size, (), None))


def test_the_panel_says_what_a_stroke_decides_and_forgets_it_on_close(page, picture):
    entry = int(picture[1].memory.select(gesture="first-1")[0])
    act = {"kind": "reach", "scope": "gesture", "entry": entry, "project": picture[0]}

    def said():
        return json.loads(component(page, "why").proto.json)["reach"]

    send(page, "why", acts=log(act))
    first = said()
    assert first["title"].startswith("Stroke of tester in two halves (") and first["scopes"] == ["example", "gesture", "source"]
    assert 0.3 < first["decided"] < 0.7
    send(page, "why", acts=log(act, {**act, "scope": "source"}))
    assert said()["share"] == pytest.approx(1, abs=1e-3) and page.session_state["desk"].asked.shown == 2
    send(page, "why", acts=log(act, {**act, "scope": "source"}, {**act, "kind": "close"}))
    assert said() is None
