"""A large memory is fitted beside the work: strokes stay immediate, and a fit that comes too late is not used."""

import threading
import time

import pytest

from parmesan_engine.gestures import Stroke
from parmesan_engine.project import upkeep as upkeep_module
from tests.helpers import same
from tests.project.painter import line

WIDE = Stroke("polygon", ((2, 28), (40, 28), (40, 46), (2, 46)), label=0)


@pytest.fixture
def project(project):
    project.predict(project.first)
    return project


def wait(project):
    end = time.monotonic() + 20
    while project.refit_when_due():
        assert time.monotonic() < end, "the fit never came"
        time.sleep(0.01)


def test_a_stroke_that_makes_a_fit_due_does_not_wait_for_it(project):
    before = project.metric_state()
    assert not before["due"] and not project.refit_when_due()
    project.annotate(project.first, [WIDE])
    state = project.metric_state()
    assert state["id"] == before["id"] and state["due"] and len(project) > 300
    assert project.refit_when_due()
    wait(project)
    state, prediction = project.metric_state(), project.predict(project.first)
    assert state["id"] != before["id"] and not state["due"] and not state["stale"]
    project.refit()
    assert same(project.predict(project.first), prediction), "the same fit as one that was waited for"


def test_strokes_go_on_while_it_fits_and_what_was_taken_back_is_not_seen(project, monkeypatch):
    started, go, real = threading.Event(), threading.Event(), upkeep_module.fit_metric

    def slow(*arguments, **settings):
        started.set()
        assert go.wait(20)
        return real(*arguments, **settings)

    before = project.predict(project.first)
    project.annotate(project.first, [WIDE], gesture_id="wide")
    monkeypatch.setattr(upkeep_module, "fit_metric", slow)
    assert project.refit_when_due() and started.wait(20)
    project.annotate(project.second, [line(8, 3, 9, 2)], gesture_id="meanwhile")
    assert (project.predict(project.second).labels == 2).any()
    project.forget(gesture="meanwhile")
    project.forget(gesture="wide")
    go.set()
    wait(project)
    assert same(project.predict(project.first), before), "a metric that saw forgotten examples must not come into use"


def test_closing_while_it_fits_is_quiet(project, monkeypatch):
    raised, started, real = [], threading.Event(), upkeep_module.fit_metric
    monkeypatch.setattr(threading, "excepthook", raised.append)

    def slow(*arguments, **settings):
        started.set()
        time.sleep(0.2)
        return real(*arguments, **settings)

    monkeypatch.setattr(upkeep_module, "fit_metric", slow)
    project.annotate(project.first, [WIDE])
    assert project.refit_when_due() and started.wait(20)
    project.close()
    time.sleep(0.5)
    assert raised == []
