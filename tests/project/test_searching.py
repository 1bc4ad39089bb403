"""How a project searches: exactly until the person chooses; an approximate index is made beside the work and says what it finds."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from parmesan_engine.errors import FormatError, LimitError, UnknownNameError
from parmesan_engine.gestures import Stroke
from parmesan_engine.jobs import StoppedError
from parmesan_engine.project import Project, searching
from parmesan_engine.search import ApproximateIndex
from parmesan_engine.search import approximate as approximate_module
from tests.helpers import same
from tests.project.painter import line

WIDE = Stroke("polygon", ((2, 28), (40, 28), (40, 46), (2, 46)), label=0)


@pytest.fixture
def project(project, monkeypatch):
    """A project for whose few hundred examples an approximate index is worth it."""
    monkeypatch.setitem(ApproximateIndex.__init__.__kwdefaults__, "exact_below", 100)
    project.annotate(project.first, [WIDE])
    project.refit()
    return project


def wait(project):
    end = time.monotonic() + 60
    while project.refit_when_due():
        assert time.monotonic() < end, "the index never came"
        time.sleep(0.01)


def slow_cells(monkeypatch):
    """Return two events: set when cells begin to be made, and to be set for them to go on."""
    started, go, real = threading.Event(), threading.Event(), approximate_module.Cells

    def slow(*arguments, **settings):
        started.set()
        assert go.wait(60)
        return real(*arguments, **settings)

    monkeypatch.setattr(approximate_module, "Cells", slow)
    return started, go


def test_exact_until_chosen_and_kept_in_the_folder(project):
    now = searching.state(project)
    assert now["index"] == "exact" and now["exact"] and now["recall"] is None and now["note"] == "" and not now["due"]
    exact = project.predict(project.first)
    now = searching.choose(project, "approximate", recall=0.99)
    assert now["due"] and now["exact"], "exact until the index is made"
    assert (project.predict(project.first).labels == exact.labels).mean() > 0.99, "keys are in half precision from here on"
    with Project.open(project.path) as again:
        assert searching.state(again)["index"] == "approximate" and searching.state(again)["keywords"] == {"least_recall": 0.99}
    assert searching.choose(project, "exact")["index"] == "exact"
    assert same(project.predict(project.first), exact)


def test_made_beside_the_work_measured_and_told(project):
    exact = project.predict(project.first)
    searching.choose(project, "approximate")
    project.predict(project.first)
    wait(project)
    now = searching.state(project)
    assert not now["exact"] and not now["due"] and now["recall"] >= 0.98 and 0 < now["agreement"] <= 1
    live = project.predict(project.first)
    project.live.predictor().states.clear()
    found = project.predict(project.first)
    for prediction in (live, found):
        assert any(f"{now['recall']:.1%}" in text for text in prediction.fallbacks)
        assert (prediction.labels == exact.labels).mean() > 0.97


def test_strokes_go_on_while_the_index_is_made(project, monkeypatch):
    started, go = slow_cells(monkeypatch)
    searching.choose(project, "approximate")
    project.predict(project.second)
    assert project.refit_when_due() and started.wait(20)
    project.annotate(project.second, [line(8, 3, 9, 2)], gesture_id="meanwhile")
    project.undo()
    project.annotate(project.second, [line(20, 3, 9, 1)], gesture_id="later")
    go.set()
    wait(project)
    index = project.live.predictor().index
    assert not index.exact and sorted(index.ids.tolist()) == project.memory.ids.tolist()
    mine = project.memory.select(gesture="later")
    keys = project.live.predictor().metric.transform(torch.from_numpy(project.memory.keys(mine)))
    assert set(index.search(keys, 1).ids.flatten().tolist()) <= set(project.memory.ids.tolist())
    assert np.array_equal(index.lookup(index.ids)[1].numpy() >> 20, project.memory.ties(index.ids.numpy()) >> 20), "ties of now"


def test_a_new_metric_while_the_index_is_made_wins(project, monkeypatch):
    started, go = slow_cells(monkeypatch)
    searching.choose(project, "approximate")
    assert project.refit_when_due() and started.wait(20)
    project.annotate(project.second, [line(8, 3, 9, 2), line(30, 3, 9, 1)])
    project.refit()
    go.set()
    wait(project)
    predictor = project.live.predictor()
    assert not predictor.index.exact
    keys = predictor.index.lookup(predictor.index.ids)[0].numpy()
    fresh = predictor.metric.transform(torch.from_numpy(project.memory.keys(predictor.index.ids.numpy()))).numpy()
    np.testing.assert_allclose(keys, fresh, atol=2e-3)


def test_an_index_that_is_being_made_is_not_made_twice(project, monkeypatch):
    """Regression: what was made beside the work failed to be taken over after `build`. Waiting can be given up."""
    started, go, real, made = threading.Event(), threading.Event(), approximate_module.Cells, []

    def slow(*arguments, **settings):
        made.append(1)
        started.set()
        assert go.wait(60)
        return real(*arguments, **settings)

    def give_up(fraction):
        raise StoppedError

    monkeypatch.setattr(approximate_module, "Cells", slow)
    searching.choose(project, "approximate")
    assert project.refit_when_due() and started.wait(20)
    with pytest.raises(StoppedError):
        searching.build(project, give_up)
    with ThreadPoolExecutor(1) as beside:
        waiting = beside.submit(searching.build, project)
        go.set()
        waiting.result(60)
    wait(project)
    assert made == [1] and not project.live.predictor().index.exact


@pytest.mark.parametrize("error", [MemoryError("no room"), RuntimeError("bad alloc")], ids=lambda error: type(error).__name__)
def test_an_index_that_cannot_be_made_is_not_tried_for_ever(project, monkeypatch, caplog, error):
    """Regression: each look at the page began anew, as long as the project was open."""
    tries, real = [], approximate_module.Cells

    def none(*_, **__):
        tries.append(1)
        raise error

    monkeypatch.setattr(approximate_module, "Cells", none)
    searching.choose(project, "approximate")
    wait(project)
    project.annotate(project.second, [line(8, 3, 9, 2)])
    wait(project)
    assert len(tries) == 1 and len(caplog.records) == 1 and str(error) in caplog.text
    assert searching.state(project)["exact"] and not searching.state(project)["due"]
    assert project.predict(project.first).fallbacks == ("exact among keys rounded to 16 bits",)
    monkeypatch.setattr(approximate_module, "Cells", real)
    searching.choose(project, "approximate")
    wait(project)
    assert not searching.state(project)["exact"], "asked for again, it is tried again"


def test_chosen_by_size_and_budget(project):
    assert searching.choose(project)["index"] == "exact"
    size = len(project) * project.live.predictor().metric.key_dim
    now = searching.choose(project, budget=2.6 * size + 74 * len(project))
    assert now["keywords"] == {"key_format": "float16"}
    with pytest.raises(LimitError):
        searching.choose(project, budget=100)
    with pytest.raises(UnknownNameError):
        searching.choose(project, "nothing")
    with pytest.raises(FormatError, match="approximate"):
        searching.choose(project, "exact", recall=0.9)
    with pytest.raises(LimitError):
        searching.choose(project, "approximate", recall=2.0)
    assert searching.state(project)["keywords"] == {"key_format": "float16"}, "what is refused changes nothing"


def test_an_index_that_this_program_does_not_know_is_refused(project):
    from parmesan_engine.project.description import update_description

    project.close()
    update_description(project.path, search={"name": "of the future"})
    with pytest.raises(FormatError):
        Project.open(project.path)
