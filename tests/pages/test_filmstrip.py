"""The strip of samples without a browser: what it is given, and what its clicks do."""

import json

import numpy as np
import pytest

from pages import _state
from pages._film import PAGE, Strip, _shares, film, take_picks
from parmesan_engine.project.verified import verified
from parmesan_engine.types import Sample
from tests.pages.component import component, log, send


@pytest.fixture
def many(picture):
    """The project of `picture` with more samples than fit on the strip: (name, project, ids)."""
    name, project, first = picture
    rng = np.random.default_rng(1)
    ids = [project.add_sample(Sample(rng.integers(0, 255, (3, 24, 24)).astype(np.uint8), f"tile {i}")).id for i in range(PAGE)]
    return name, project, [first, *ids]


def shown(at):
    return json.loads(component(at, "strip").proto.json)


def op(picture, kind, **more):
    return {"kind": kind, "project": picture[0], **more}


def test_the_strip_shows_samples_states_and_shares(page, picture):
    data = shown(page)
    assert not page.exception and data["chosen"] == picture[2] and data["total"] == 1 and data["pages"] == 1
    (card,) = data["samples"]
    assert card["state"] == "labelled" and card["picture"].startswith("data:image/webp;base64,") and card["fresh"]
    assert {part["name"] for part in card["shares"]} <= {"dark", "bright", "unknown"}
    assert sum(part["share"] for part in card["shares"]) == pytest.approx(1, abs=0.01) and 0 <= card["doubt"] <= 1


def test_classes_that_come_and_go_leave_the_strip_standing(page, picture):
    project = picture[1]
    project.add_class("edge", (1, 2, 3))
    page.run()
    assert not page.exception and shown(page)["samples"][0]["shares"]
    page.session_state["filmstrip"].paused = True
    project.undo()
    page.run()
    assert not page.exception and {part["name"] for part in shown(page)["samples"][0]["shares"]} <= {"dark", "bright", "unknown"}


def test_shares_found_under_other_classes_can_still_be_drawn(picture):
    project = picture[1]
    assert [part["name"] for part in _shares(project, (0.2, 0.3, 0.4, 0.1))] == ["dark", "bright", "unknown"], "one class was undone since"
    assert [part["name"] for part in _shares(project, (0.5, 0.5))] == ["dark", "unknown"], "one class came since"


def test_a_click_shows_another_sample_once(page, picture):
    other = picture[1].add_sample(Sample(np.full((3, 20, 20), 90, np.uint8), "grey")).id
    page.run()
    send(page, "strip", picks=log(op(picture, "pick", sample=other)))
    desk = page.session_state["desk"]
    assert not page.exception and desk.sample == other and shown(page)["chosen"] == other
    desk.choose(picture[2])
    desk.jumps += 1
    page.run()
    assert desk.sample == picture[2], "the click was carried out before"


def test_checked_and_not_checked(page, picture):
    on = op(picture, "verify", sample=picture[2], on=True)
    send(page, "strip", picks=log(on))
    card = shown(page)["samples"][0]
    assert card["state"] == "verified" and card["verified"] == {"now": True} and set(verified(picture[1].path)) == {picture[2]}
    picture[1].undo()
    page.run()
    assert shown(page)["samples"][0]["verified"] == {"now": False}, "the memory has moved on"
    send(page, "strip", picks=log(on, {**on, "on": False}))
    assert verified(picture[1].path) == {} and shown(page)["marks"] == {}


def test_pages_follow_the_chosen_sample(many):
    name, project, ids = many
    desk, state, survey = _state.Desk(author="tester", project=name), Strip(), _state.survey(name)
    desk.choose(ids[-1])

    def cards():
        return film(state, desk, project, survey, "", lambda sample: "")

    data = cards()
    assert data["pages"] == 2 and data["page"] == 1 and [card["id"] for card in data["samples"]] == ids[PAGE:]
    take_picks(state, desk, project, survey, log({"kind": "page", "project": name, "page": 0}))
    assert [card["id"] for card in cards()["samples"]] == ids[:PAGE]
    turns = [{"kind": "page", "project": name, "page": page} for page in (0, 10**9)]
    take_picks(state, desk, project, survey, log(*turns))
    assert cards()["page"] == 1


@pytest.mark.parametrize("bad", [{"kind": "pick", "sample": "nothing"}, {"kind": "pick", "sample": ["x"]}, {"kind": "verify", "sample": 3},
                                 {"kind": "drop table"}, {"kind": "pick", "project": "demo-2d"}])  # fmt: skip
def test_hostile_clicks_are_refused_and_change_nothing(page, picture, bad):
    send(page, "strip", picks=log({"project": picture[0], **bad}))
    desk = page.session_state["desk"]
    assert not page.exception and desk.sample == picture[2] and verified(picture[1].path) == {}
    assert desk.error is not None


@pytest.mark.parametrize("value", [7, None, {"client": "x", "ops": 3}, {"client": 5, "ops": []}])
def test_what_is_no_log_is_dropped(page, value):
    send(page, "strip", picks=value)
    assert not page.exception and page.session_state["desk"].error is None


def test_pausing_starts_nothing(page, picture):
    send(page, "strip", picks=log(op(picture, "pause", on=True)))
    assert shown(page)["paused"]
    other = picture[1].add_sample(Sample(np.full((3, 20, 20), 7, np.uint8), "black")).id
    page.run()
    data = shown(page)
    assert data["busy"] and next(card for card in data["samples"] if card["id"] == other)["state"] == "untouched"


def test_samples_are_sorted_by_doubt_when_asked_and_stay_so(many):
    name, project, ids = many
    desk, state, survey = _state.Desk(author="tester", project=name), Strip(), _state.survey(name)
    desk.choose(ids[0])
    survey.run(ids[:6], lambda fraction, text: None)
    take_picks(state, desk, project, survey, log({"kind": "order", "project": name, "on": True}))
    cards = film(state, desk, project, survey, "", lambda sample: "")["samples"]
    doubts = [card["doubt"] for card in cards[:6]]
    assert doubts == sorted(doubts, reverse=True) and None not in doubts and cards[6]["doubt"] is None
    before = [card["id"] for card in cards]
    survey.run(ids, lambda fraction, text: None)
    assert [card["id"] for card in film(state, desk, project, survey, "", lambda sample: "")["samples"]] == before
    take_picks(state, desk, project, survey, log(*[{"kind": "order", "project": name, "on": False}] * 2))
    assert [card["id"] for card in film(state, desk, project, survey, "", lambda sample: "")["samples"]] == ids[:PAGE]
