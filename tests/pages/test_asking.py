"""Label next and the layers that answer: they lead to places worth a label, say why, and follow the memory."""

import numpy as np
import pytest

from pages import _asking, _layers
from pages._asked import Chosen
from pages._desk import Desk
from parmesan_engine.gestures import Stroke
from parmesan_engine.insight import CONTRADICT, NEVER_SEEN, Suggestion
from parmesan_engine.project import asking
from parmesan_engine.project.precompute import Survey
from parmesan_engine.types import Sample
from tests.pages.component import log, packet, send


@pytest.fixture
def view(picture):
    name, project, sample = picture
    return Desk(author="tester", project=name, samples={name: sample}), project, project.samples()[0]


def next_op(picture, **more):
    return {"kind": "next", "project": picture[0], "sample": picture[2], **more}


def test_label_next_marks_an_unlabelled_place_and_says_why(page, picture):
    send(page, "canvas", log=log(next_op(picture)))
    header, _ = packet(page)
    desk = page.session_state["desk"]
    place = desk.clicked[picture[2]]
    assert picture[1].painted(picture[2])[place] == -1
    assert header["said"]["text"].startswith("Label here next. ") and header["marks"][0]["at"] == list(place)
    send(page, "canvas", log=log(next_op(picture), next_op(picture)))
    assert page.session_state["desk"].clicked[picture[2]] != place  # left unlabelled: another one is offered


def test_the_reason_is_said_in_words():
    one = Suggestion("x", (1, 2), NEVER_SEEN, 0.12, 0.1, 0.9, None)
    assert _asking.reason(one) == ("Label here next. Never seen: nothing labelled so far looks much like this. "
                                   "About 12% of the sample is in the same doubt.")
    assert "disagree" in _asking.reason(Suggestion("x", (1, 2), CONTRADICT, 0.001, 0.9, 0.1, None))


def test_it_goes_to_a_sample_that_is_in_much_more_doubt(view):
    desk, project, first = view
    odd = np.random.default_rng(3).integers(0, 255, (3, 32, 48)).astype(np.uint8)
    other = project.add_sample(Sample(odd, "unlike the first"))
    desk.asked.survey = Survey(project)
    _asking.go_next(desk, project)
    assert desk.sample == first.id  # nothing is known of the other one yet
    desk.asked.survey.run([record.id for record in project.samples()], lambda *_: None)
    assert desk.asked.survey.place(other.id).worth > _asking.MORE * desk.asked.survey.place(first.id).worth
    _asking.go_next(desk, project)
    assert desk.sample == other.id and other.id in desk.clicked
    desk.choose(first.id)
    _asking.go_next(desk, project)
    assert desk.sample == first.id  # the other one has had its turn


def test_when_everything_is_labelled_it_says_so(view):
    desk, project, record = view
    project.annotate(record.id, [Stroke("polygon", [(-1, -1), (25, -1), (25, 40), (-1, 40)], label=0)], gesture_id="left")
    project.annotate(record.id, [Stroke("polygon", [(23, -1), (60, -1), (60, 40), (23, 40)], label=1)], gesture_id="right")
    assert (project.painted(record.id) >= 0).all()
    assert _asking.go_next(desk, project).startswith("Nothing left to ask")


def test_change_is_offered_and_is_that_of_the_newest_version(view):
    desk, project, record = view
    assert _layers.offered(desk, project, record) == ["change"]
    before = _layers.layer_id(desk, project, record, "change")
    project.annotate(record.id, [Stroke("brush", [(10, 28), (20, 28)], radius=2, label=1)], gesture_id="new")
    assert _layers.layer_id(desk, project, record, "change") != before
    shown = _layers.layer(desk, project, record, "change", None)
    assert shown.shape == (32, 48) and np.array_equal(shown, asking.last_change(project, record.id).map)
    box = ((2, 9), (0, 48))
    assert np.array_equal(_layers.layer(desk, project, record, "change", box), shown[2:9])
    desk.seq = project.history()[-2].seq
    assert not np.array_equal(_layers.layer(desk, project, record, "change", None), shown)


def test_reach_is_offered_while_its_examples_are_there(view):
    desk, project, record = view
    assert _layers.layer(desk, project, record, "reach", None) is None
    desk.asked.chosen = Chosen(desk.project, "gesture first-1", "stroke", project.memory.select(gesture="first-1"), 0, "gesture")
    assert _layers.offered(desk, project, record) == ["change", "reach"]
    share = _layers.layer(desk, project, record, "reach", None)
    assert share.min() >= 0 and share.max() <= 1.0001 and share[:, 30:].mean() > 0.9 > 0.1 > share[:, :18].mean()
    project.forget(gesture="first-1", purge=False)
    assert _layers.offered(desk, project, record) == ["change"]


def test_an_empty_memory_offers_no_layer_and_refuses_to_ask(view):
    desk, project, record = view
    project.forget(ids=project.memory.ids, purge=False)
    assert _layers.offered(desk, project, record) == []
