"""Several people on one project: who is here, who changed what, one writer at a time and nothing lost."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from parmesan_engine.errors import FormatError, UnknownNameError
from parmesan_engine.project import Project, presence
from parmesan_engine.project.class_view import set_class_view
from parmesan_engine.project.following import glance
from parmesan_engine.project.presence import Person, arrive, leave
from tests.helpers import TASK, same
from tests.project.painter import line, picture

ANN, BOB = Person("Ann", "s1"), Person("Bob", "")


def test_everybody_sees_the_others(tmp_path):
    assert arrive(tmp_path, "a" * 8, ANN) == []
    assert arrive(tmp_path, "b" * 8, BOB) == [ANN]
    assert arrive(tmp_path, "a" * 8, ANN) == [BOB]
    moved = Person("Ann", "s2")
    arrive(tmp_path, "a" * 8, moved)
    assert arrive(tmp_path, "b" * 8, BOB) == [moved]
    leave(tmp_path, "a" * 8)
    assert arrive(tmp_path, "b" * 8, BOB) == []


def test_who_gives_no_sign_of_life_is_gone(tmp_path):
    arrive(tmp_path, "a" * 8, ANN)
    file = tmp_path / presence.FOLDER / f"{'a' * 8}.json"
    quiet = time.time() - presence.GONE_SECONDS - 1
    os.utime(file, (quiet, quiet))
    assert arrive(tmp_path, "b" * 8, BOB) == [] and file.exists()
    long_gone = time.time() - presence.FORGOTTEN_SECONDS - 1
    os.utime(file, (long_gone, long_gone))
    arrive(tmp_path, "b" * 8, BOB)
    assert not file.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"author": 1}', b"\xff" * 9000])
def test_files_of_others_are_not_trusted(tmp_path, content):
    arrive(tmp_path, "a" * 8, ANN)
    (tmp_path / presence.FOLDER / "strange.json").write_bytes(content)
    assert arrive(tmp_path, "a" * 8, ANN) == []


@pytest.mark.parametrize("token", ["", "../../etc/passwd", "a" * 100, "short"])
def test_a_token_stays_in_the_folder(tmp_path, token):
    with pytest.raises(FormatError):
        arrive(tmp_path, token, ANN)


CHANGES = {
    "a stroke": lambda p: p.annotate(p.samples()[0].id, [line(30, 3, 9, 2)]),
    "an undo": lambda p: p.undo(),
    "a class": lambda p: p.add_class("new", (1, 2, 3)),
    "a lock": lambda p: set_class_view(p, locked=[1]),
    "a sample": lambda p: p.add_sample(picture(7)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_glance_shows_what_another_process_did_and_stays_still_otherwise(project, change):
    project.predict(project.first)
    before = glance(project)
    assert glance(project) == before
    with Project.open(project.path) as other:
        change(other)
        after = glance(project)
        assert after != before and glance(project) == after
        assert same(project.predict(project.first), other.predict(project.first))


def test_a_new_fit_by_another_session_shows(project):
    project.annotate(project.first, [line(30, 3, 9, 2)])
    before, commits = glance(project), glance(project, fits=False)
    project.refit()
    assert glance(project) != before and glance(project, fits=False) == commits


def test_a_glance_does_not_wait_for_a_busy_project(project):
    before, busy, done = glance(project), threading.Event(), threading.Event()

    def hold():
        with project.lock:
            busy.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    busy.wait(10)
    with Project.open(project.path) as other:
        other.annotate(project.first, [line(30, 3, 9, 2)])
    assert glance(project) == before
    done.set()
    holder.join()
    assert glance(project) != before


def test_the_first_sample_of_another_process_opens_the_memory_here(tmp_path):
    with Project.create(tmp_path / "n", name="new", task=TASK) as here, Project.open(tmp_path / "n") as there:
        before = glance(here)
        first = there.add_sample(picture()).id
        assert glance(here) != before
        here.annotate(first, [line(4, 3, 30, 0)], author="here")
        there.annotate(first, [line(20, 16, 22, 1)], author="there")
        here.refresh()
        assert [record.author for record in here.history()[1:]] == ["here", "there"] and here.version == there.version


def test_painting_knows_what_others_did_last(project, monkeypatch):
    """Their classes may be painted with, and what they painted is replaced: also when they commit while this one encodes."""
    def places():
        project.refresh()
        return project.memory.coordinates(project.memory.select(sample=project.first))

    with Project.open(project.path) as other:
        new = other.add_class("new", (1, 2, 3))
        other.annotate(project.first, [line(30, 3, 9, 2)])
        project.annotate(project.first, [line(30, 3, 9, new)])
        assert len(np.unique(places(), axis=0)) == len(places()) and len(project.memory.select(label=new))
        get = project.features.get

        def meanwhile(*args):
            other.annotate(project.first, [line(36, 3, 9, 2)], gesture_id="theirs")
            return get(*args)

        monkeypatch.setattr(project.features, "get", meanwhile)
        result = project.annotate(project.first, [line(36, 3, 9, 0)])
        assert result.entries_removed == result.entries_added and not len(project.memory.select(gesture="theirs"))
        assert len(np.unique(places(), axis=0)) == len(places())
        other.refresh()
        assert same(project.predict(project.first), other.predict(project.first))


def test_a_gesture_that_another_process_has_stored_is_not_stored_twice(project):
    with Project.open(project.path) as other:
        other.annotate(project.first, [line(30, 3, 9, 2)], gesture_id="once")
        assert project.annotate(project.first, [line(30, 3, 9, 2)], gesture_id="once").delta is None
        assert project.version == other.version


def test_a_refused_stroke_leaves_the_predictor_at_the_newest_version(project, monkeypatch):
    project.predict(project.first)
    with Project.open(project.path) as other:
        get = project.features.get
        monkeypatch.setattr(project.features, "get", lambda *a: (other.annotate(project.first, [line(36, 3, 9, 2)]), get(*a))[1])
        with pytest.raises(UnknownNameError):
            project.annotate(project.first, [line(36, 3, 9, 9)])
        monkeypatch.undo()
        glance(project)
        assert same(project.predict(project.first), other.predict(project.first))


PAINT = """
import sys
from parmesan_engine.project import Project
from tests.project.painter import line
path, author = sys.argv[1:]
with Project.open(path) as project:
    first = project.samples()[0].id
    for n in range(6):
        stroke = line(2 + 3 * n + (author == "bob"), 3, 20, n % 3, radius=0)
        project.annotate(first, [stroke], author=author, gesture_id=f"{author}-{n}")
"""


def test_two_processes_paint_at_once_and_nothing_is_lost(project):
    before = len(project.history())
    painters = [subprocess.Popen([sys.executable, "-c", PAINT, str(project.path), name]) for name in ("ann", "bob")]
    assert [painter.wait(120) for painter in painters] == [0, 0]
    project.refresh()
    added = project.history()[before:]
    assert sorted(record.gesture for record in added) == sorted(f"{name}-{n}" for name in ("ann", "bob") for n in range(6))
    assert [record.seq for record in project.history()] == list(range(before + 12)) and project.verify() == []
    for name in ("ann", "bob"):
        own = project.memory.select(author=name)
        assert {row.gesture for row in project.memory.provenance(own)} == {f"{name}-{n}" for n in range(6)}
