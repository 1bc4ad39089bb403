"""A snapshot answers as the project did at its version, whatever happens meanwhile, and without the project's lock."""

import threading

import numpy as np
import pytest

from parmesan_engine.errors import EmptyMemoryError, ShapeError, UnknownNameError, VersionError
from parmesan_engine.project import Project
from tests.project.painter import flat, line, teach


@pytest.fixture
def project(fresh):
    return fresh


def test_it_equals_the_project_at_its_version_and_does_not_follow(project):
    teach(project, project.first)
    before = {sample: project.predict(sample) for sample in (project.first, project.second)}
    snapshot = project.snapshot()
    project.annotate(project.first, [line(30, 2, 40, 2, radius=3)])
    for sample, wanted in before.items():
        got = snapshot.predict(sample)
        assert np.array_equal(flat(got), flat(wanted)) and got.version == wanted.version == snapshot.version
    assert not np.array_equal(flat(project.predict(project.first)), flat(before[project.first]))
    past = project.snapshot(snapshot.version)
    assert np.array_equal(flat(past.predict(project.first)), flat(before[project.first]))


def test_the_past_can_be_looked_at_when_nothing_is_left(project):
    teach(project, project.first)
    version = project.version
    labels = project.predict(project.first).labels
    for _ in range(3):
        project.undo()
    assert len(project) == 0
    with pytest.raises(EmptyMemoryError):
        project.predict(project.first)
    assert (project.predict(project.first, version=version).labels == labels).mean() > 0.9  # the metric is fitted on what it shows
    assert project.snapshot(version).predict(project.first).version == version


def test_a_past_one_makes_no_predictor_under_the_lock(project, monkeypatch):
    teach(project, project.first)
    version, metric = project.version, project.metric_state()["id"]
    project.annotate(project.first, [line(30, 2, 40, 2, radius=3)])

    def never(*_):
        raise AssertionError("a whole past predictor, only for its metric")

    monkeypatch.setattr(project.live, "past", never)
    past = project.snapshot(version)
    assert past.version == version and past.predictor.metric.id == project.metric_state()["id"] == metric


def test_it_works_while_somebody_holds_the_lock(project):
    teach(project, project.first)
    snapshot, done = project.snapshot(), threading.Event()

    def work():
        snapshot.predict(project.second)
        snapshot.overview(project.second)
        done.set()

    with project.lock:
        thread = threading.Thread(target=work)
        thread.start()
        assert done.wait(60)
    thread.join()


def test_it_ends_once_examples_are_unlearned_also_in_another_process(project):
    teach(project, project.first)
    held, other = project.snapshot(), Project.open(project.path)
    held.predict(project.first)
    project.forget(gesture=f"{project.first}-blob", purge=False)
    held.predict(project.first)  # what can be undone is no secret
    project.undo()
    with other:
        other.forget(gesture=f"{project.first}-blob")
    for ask in (held.predict, held.overview, held.state):
        for sample_id in (project.first, project.second):
            with pytest.raises(VersionError):
                ask(sample_id)
    project.refresh()
    assert project.snapshot().predict(project.first).version == project.version


def test_it_refuses_what_is_not_there(project):
    with pytest.raises(EmptyMemoryError):
        project.snapshot()
    teach(project, project.first)
    with pytest.raises(UnknownNameError):
        project.snapshot().predict("0" * 16)
    with pytest.raises(ShapeError):
        project.snapshot().predict(project.first, box=((0, 1),))
