"""The Encoders page without a browser: compare, look at features, go on with another encoder in a new project."""

import threading

import numpy as np
import pytest

from pages import _state, _trials
from parmesan_engine.encoders import ENCODERS
from parmesan_engine.errors import FormatError
from parmesan_engine.gestures import Stroke
from parmesan_engine.jobs import StoppedError
from parmesan_engine.project import Project
from parmesan_engine.project.truth import keep_truth
from parmesan_engine.project.trying import ALL
from parmesan_engine.types import Sample, TaskSpec
from tests.helpers import TinyEncoder  # noqa: F401 -- registers an encoder that is quick
from tests.pages.choosing import choose

TASK = TaskSpec("segmentation", ("dark", "bright"), ((0, 114, 178), (230, 159, 0)))


@pytest.fixture
def page(at, picture):
    """The page with the project of `picture` open and two encoders chosen."""
    at.run()
    choose(at, picture[0])
    at.switch_page("encoders.py").run()
    at.multiselect[0].set_value(["filter_bank", "tiny"]).run()
    return at


def press(at, label):
    next(button for button in at.button if button.label == label).click().run()
    for job in _state.jobs().active():
        job.wait(60)
    return at.run()


def test_it_compares_what_was_chosen_and_leaves_the_project_alone(page, picture):
    _, project, sample_id = picture
    keep_truth(project.path, project.store.record(sample_id), np.broadcast_to((np.arange(48) >= 24).astype(np.int16), (32, 48)))
    before = project.version, len(project.history())
    press(page, "Compare")
    assert any("painted in two samples" in caption.value for caption in page.caption)
    assert page.dataframe[0].value["mean IoU, examples by others"].isna().all()
    for x, label in ((5.5, 0), (44.5, 1)):
        project.annotate(sample_id, [Stroke("brush", [(x, 24), (x, 30)], radius=2, label=label)])
    before = project.version, len(project.history())
    press(page, "Compare")
    assert not page.exception and (project.version, len(project.history())) == before
    table = page.dataframe[0].value
    assert set(table["encoder"]) == {"filter_bank (in use)", "tiny"} and list(table["features"].sort_values()) == [8, 65]
    assert (table["mean IoU, examples by others"] > 0.9).all() and (table["mean IoU, known truth"] > 0.6).all()
    assert len(page.get("image")) == 1 + 2 * 2
    parts = next(box for box in page.selectbox if box.label == "Features")
    assert parts.options[0] == ALL and "filters at scale 2" in parts.options
    parts.select("filters at scale 2").run()
    assert not page.exception


def test_pictures_of_another_version_are_not_shown(page, picture):
    _, project, _ = picture
    press(page, "Compare")
    project.forget(ids=project.memory.ids[:3])
    page.run()
    assert not page.exception and not page.get("image") and not page.dataframe


def test_truth_that_came_later_is_scored_when_asked_again(page, picture):
    _, project, sample_id = picture
    press(page, "Compare")
    assert page.dataframe[0].value["mean IoU, known truth"].isna().all()
    keep_truth(project.path, project.store.record(sample_id), np.broadcast_to((np.arange(48) >= 24).astype(np.int16), (32, 48)))
    press(page, "Compare")
    assert page.dataframe[0].value["mean IoU, known truth"].notna().all()


@pytest.mark.parametrize("error", [StoppedError(), FormatError("a", "b", "c")], ids=["cancelled", "failed"])
def test_a_look_that_ended_early_waits_until_it_is_asked_for(page, picture, monkeypatch, error):
    _, project, _ = picture
    press(page, "Compare")
    calls = []

    def ends(*_):
        calls.append(1)
        raise error

    other = project.add_sample(Sample(np.zeros((1, 32, 48), np.uint8), "other"))
    monkeypatch.setattr(_trials, "look", ends)
    page.session_state["desk"].choose(other.id)
    page.session_state["desk"].jumps += 1
    for _ in range(4):
        page.run()
        for job in _state.jobs().active():
            job.wait(60)
    assert len(calls) == 2 and any("press Compare" in caption.value for caption in page.caption)  # one for each of two encoders
    monkeypatch.undo()
    press(page, "Compare")
    assert len(page.get("image")) == 1 + 2 * 2


def test_a_recipe_that_cannot_be_read_is_said_to_be_so_beside_the_others(page):
    page.multiselect[0].set_value(["oracle:x=1", "tiny"]).run()
    assert not page.exception and any("oracle" in html.proto.body for html in page.get("html"))
    press(page, "Compare")
    assert list(page.dataframe[0].value["encoder"]) == ["tiny"]


def test_the_project_goes_on_with_another_encoder_in_a_new_one(page, picture):
    name, project, sample_id = picture
    press(page, "Compare")
    press(page, "Make the project")
    assert not page.exception and "is ready" in page.success[0].value
    press(page, "Open it")
    desk = page.session_state["desk"]
    assert not page.exception and desk.project == f"{name}-tiny"
    made = _state.shelf().project(desk.project)
    assert made.encoder.registered_name == "tiny" and len(made) == len(project) and project.encoder.registered_name == "filter_bank"
    assert made.predict(sample_id).labels.shape == (32, 48) and _trials.own_text(made) == "tiny"


def test_a_project_that_was_made_can_be_opened_when_the_old_one_has_moved_on(page, picture):
    name, project, _ = picture
    press(page, "Compare")
    press(page, "Make the project")
    project.forget(ids=project.memory.ids[:3])
    page.run()
    assert not page.dataframe and "is ready" in page.success[0].value
    press(page, "Open it")
    assert page.session_state["desk"].project == f"{name}-tiny"


def test_one_project_is_made_at_a_time(page):
    press(page, "Compare")
    assert not next(b for b in page.button if b.label == "Make the project").disabled
    going = threading.Event()
    job = _jobs_start(page, going)
    page.run()
    try:
        assert next(b for b in page.button if b.label == "Make the project").disabled
    finally:
        going.set()
        job.wait(60)


def _jobs_start(page, going):
    """Start what takes until it is told to end, in the place of a project that is being made."""
    return _state.jobs().start(f"new encoder {page.session_state['desk'].token}", lambda job: going.wait(60), text="Making another")


def test_without_examples_it_says_what_to_do(at):
    at.run()
    name = _state.shelf().create("bare", TASK)
    _state.shelf().project(name).add_sample(Sample(np.zeros((1, 9, 9), np.uint8), "black"))
    choose(at, name)
    at.switch_page("encoders.py").run()
    assert not at.exception and "label a few pixels" in at.info[0].value


def test_work_that_is_cancelled_is_not_remembered(picture):
    class Stopped:
        def part(self, start, stop):
            def report(fraction):
                raise StoppedError
            return report

    _, project, sample_id = picture
    with pytest.raises(StoppedError):
        _trials.work(project, "tiny", sample_id, Stopped())
    assert _trials.TRIALS.get(project, "tiny") is None


@pytest.mark.parametrize(("shape", "node", "size"), [((2000,), None, (160, 667)), ((20, 30), None, (320, 480)),
                                                     ((4, 20, 30), 9, (640, 480))])
def test_features_of_any_sample_are_a_picture(shape, node, size):
    assert _trials.features_picture(np.zeros((*shape, 3), np.uint8), node, 2.0 if node else 1.0).shape == (*size, 3)


def test_a_thin_stack_shows_in_each_plane_the_node_that_covers_it(tmp_path):
    with Project.create(tmp_path / "thin", name="thin", task=TASK) as project:
        record = project.add_sample(Sample(np.full((1, 9, 8, 8), 90, np.uint8), "thin"))
        answer = np.array([0, 1]).reshape(2, 1, 1)  # nodes of 8 pixels: the second one covers the last plane alone
        planes = [_trials.answer_picture(project, record.id, z, answer, (8, 8, 8)) for z in range(9)]
        assert all(np.array_equal(plane, planes[0]) for plane in planes[:8]) and not np.array_equal(planes[8], planes[0])


def test_the_own_encoder_is_named_as_short_as_possible(picture):
    assert _trials.own_text(picture[1]) == "filter_bank"
    project = picture[1]
    encoder, project.encoder = project.encoder, ENCODERS.build(ENCODERS.parse("filter_bank:scales=[1.0, 2.0],device=cpu"))
    assert _trials.own_text(project) == "filter_bank:scales=[1.0, 2.0]" and _trials.offered(project)[0] == _trials.own_text(project)
    project.encoder = encoder
