"""The Compare page without a browser: methods learn the same examples, answers side by side, kept while the project stays as it is."""

import threading

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages import _contest, _state
from parmesan_engine.compare.picture import Asked, answer, learn
from parmesan_engine.errors import FormatError
from parmesan_engine.gestures import Stroke
from parmesan_engine.jobs import StoppedError
from parmesan_engine.project import Project
from parmesan_engine.project.truth import keep_truth
from parmesan_engine.types import Sample, TaskSpec
from tests.helpers import VALUES
from tests.pages.choosing import choose
from tests.pages.component import ROOT

QUICK = ["parmesan", "knn", "random_forest:trees=5"]


@pytest.fixture
def page(at, picture):
    """The page with the project of `picture` open, its truth known, and quick methods chosen."""
    _, project, sample_id = picture
    keep_truth(project.path, project.store.record(sample_id), np.broadcast_to((np.arange(48) >= 24).astype(np.int16), (32, 48)))
    at.run()
    choose(at, picture[0])
    at.switch_page("compare.py").run()
    at.multiselect[0].set_value(QUICK).run()
    return at


def press(at):
    next(button for button in at.button if button.label == "Compare").click().run()
    return settle(at)


def settle(at):
    for job in _state.jobs().active():
        job.wait(60)
    return at.run()


def captions(at):
    return " ".join(caption.value.replace("\\", "") for caption in at.caption)


def test_answers_side_by_side_and_the_project_stays_as_it_is(page, picture):
    _, project, _ = picture
    before = project.version, len(project.history())
    assert not page.dataframe and not page.get("image")
    press(page)
    assert not page.exception and (project.version, len(project.history())) == before
    table = page.dataframe[0].value
    assert list(table["method"]) == QUICK and (table["mean IoU"] > 0.6).all() and (table["bytes"] > 0).all()
    assert table["agrees with parmesan"].isna().tolist() == [True, False, False]
    assert {"seconds to learn", "seconds to predict", "IoU dark", "note"} <= set(table)
    assert len(page.get("image")) == 2 + len(QUICK) + 1  # the sample, the truth, where they disagree
    own = len(project)
    said = captions(page)
    assert f"{own} examples, {own} of them of this sample" in said and "All 3 agree on" in said and "the same as parmesan" in said
    page.button_group[0].set_value("Errors").run()
    assert not page.exception and len(page.get("image")) == 1 + len(QUICK) + 1


def test_answers_of_another_version_are_not_shown(page, picture):
    _, project, _ = picture
    press(page)
    project.forget(ids=project.memory.ids[:3])
    page.run()
    assert not page.exception and not page.get("image") and not page.dataframe


def test_another_sample_is_answered_by_what_has_learned(page, picture, monkeypatch):
    _, project, _ = picture
    press(page)
    other = project.add_sample(Sample(np.full((3, 20, 30), 60, np.uint8), "other"))
    monkeypatch.setattr(_contest.CONTEST, "_make", lambda *_: pytest.fail("it has learned already"))
    page.session_state["desk"].choose(other.id)
    page.session_state["desk"].jumps += 1
    settle(page.run())
    assert not page.exception and len(page.get("image")) == 1 + len(QUICK) + 1 and page.dataframe[0].value["mean IoU"].isna().all()
    assert "none of this sample" in captions(page)


def test_one_that_fails_does_not_keep_the_others(page, monkeypatch):
    made = learn

    def fails(project, text, progress):
        if text == "knn":
            raise FormatError("a", "b", "c")
        return made(project, text, progress)

    monkeypatch.setattr(_contest.CONTEST, "_make", fails)
    press(page)
    assert list(page.dataframe[0].value["method"]) == [QUICK[0], QUICK[2]]
    assert any("knn gave no answer" in html.proto.body for html in page.get("html"))


def test_what_was_cancelled_waits_until_it_is_asked_for_and_keeps_what_is_done(page, picture, monkeypatch):
    _, project, _ = picture
    press(page)
    other, calls = project.add_sample(Sample(np.full((3, 20, 30), 60, np.uint8), "other")), []

    def ends(learned, asked, progress):
        calls.append(learned.text)
        if learned.text == "knn":
            raise StoppedError
        return answer(learned, asked, progress)

    monkeypatch.setattr(_contest, "answer", ends)
    page.session_state["desk"].choose(other.id)
    page.session_state["desk"].jumps += 1
    for _ in range(3):
        settle(page.run())
    assert calls == ["parmesan", "knn"] and list(page.dataframe[0].value["method"]) == ["parmesan"] and "Cancelled" in captions(page)


def test_a_reload_finds_the_work_again_and_can_cancel_it(at, page, picture, monkeypatch):
    going, made = threading.Event(), learn
    monkeypatch.setattr(_state, "_browser", lambda: "a" * 32)
    monkeypatch.setattr(_contest.CONTEST, "_make", lambda project, text, progress: going.wait(60) and made(project, text, progress))
    next(button for button in page.run().button if button.label == "Compare").click().run()
    again = AppTest.from_file(str(ROOT / "pages" / "main.py"), default_timeout=60).run()
    choose(again, picture[0])
    again.switch_page("compare.py").run()
    try:
        next(button for button in again.button if button.label == "Cancel").click().run()
    finally:
        going.set()
    assert "Cancelled" in captions(settle(again))


def test_what_gave_no_answer_is_not_said_of_methods_that_are_not_asked(page, monkeypatch):
    def fails(*_):
        raise FormatError("a", "b", "c")

    monkeypatch.setattr(_contest.CONTEST, "_make", fails)
    press(page)
    assert any("knn gave no answer" in html.proto.body for html in page.get("html"))
    page.multiselect[0].set_value(["random_forest"]).run()
    assert not any("no answer" in html.proto.body for html in page.get("html"))


def test_a_recipe_that_cannot_be_read_is_said_to_be_so_beside_the_others(page):
    page.multiselect[0].set_value(["oracle", "knn:k=3"]).run()
    assert not page.exception and any("oracle" in html.proto.body for html in page.get("html"))
    press(page)
    assert list(page.dataframe[0].value["method"]) == ["knn:k=3"]


def test_without_examples_it_says_what_to_do(at):
    at.run()
    name = _state.shelf().create("nothing yet", TaskSpec("segmentation", ("one",), ((0, 0, 0),)))
    _state.shelf().project(name).add_sample(Sample(np.zeros((1, 9, 9), np.uint8), "black"))
    choose(at, name)
    at.switch_page("compare.py").run()
    assert not at.exception and "label a few pixels" in at.info[0].value


@pytest.mark.parametrize("shape", [(700,), (20, 30), (4, 20, 30)], ids=["1d", "2d", "3d"])
@pytest.mark.parametrize("task", [VALUES, TaskSpec("segmentation", ("a", "b"), ((0, 0, 0), (9, 200, 9)))], ids=["values", "classes"])
def test_every_kind_of_answer_is_a_picture_with_words(tmp_path, shape, task):
    random, index = np.random.default_rng(0), 2 if len(shape) == 3 else None
    with Project.create(tmp_path / "one", name="one", task=task) as project:
        sample = project.read_sample(project.add_sample(Sample(random.integers(0, 255, (1, *shape), dtype=np.uint8), "noise")).id)
    plane = shape[1:] if len(shape) == 3 else shape
    box = (1, *plane) if len(shape) == 3 else plane
    answers = [random.integers(-1, 2, box).astype(np.int16 if task.kind == "segmentation" else np.float32) for _ in range(3)]
    size = (_contest.BAND, 700, 3) if len(shape) == 1 else (320, 480, 3)
    assert _contest.sample_picture(sample, index).shape == size
    shown = {view: _contest.answer_picture(sample, index, task, view, *answers[:2], (0, 2)) for view in ("Prediction", "Truth", "Errors")}
    assert all(picture.shape == size and picture.dtype == np.uint8 for picture in shown.values())
    assert not np.array_equal(shown["Prediction"], shown["Truth"])
    apart, same = (_contest.disagreement_picture(sample, index, given)[0] for given in (answers, answers[:1] * 3))
    assert apart.shape == size and not np.array_equal(apart, same)


def test_numbers_of_values_are_in_the_unit_of_the_scores(tmp_path):
    with Project.create(tmp_path / "depth", name="depth", task=VALUES) as project:
        record = project.add_sample(Sample(np.arange(600, dtype=np.uint8).reshape(1, 20, 30), "slope"))
        keep_truth(project.path, record, np.full((20, 30), 1500, np.float32))
        for x, value in ((3, 1000.0), (25, 3000.0)):
            project.annotate(record.id, [Stroke("brush", [(x, 3), (x, 15)], radius=1, value=value)])
        asked = Asked(project, record.id)
        learned = {text: learn(project, text) for text in ("parmesan", "knn")}
        rows = _contest.rows(project.task, learned, {text: answer(one, asked) for text, one in learned.items()})
    assert rows[0]["RMS from parmesan m"] is None and 0 < rows[1]["RMS from parmesan m"] < 2
    assert 0.2 < rows[0]["RMSE m"] < 1.6 and " m from parmesan (RMS)" in _contest.words(project.task, rows[1])[1]
