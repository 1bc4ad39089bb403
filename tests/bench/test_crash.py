"""`bench crash`: a short run finds nothing wrong, and what it looks for would be seen."""

import sqlite3

import pytest

from parmesan_engine.bench import crash, crash_steps
from parmesan_engine.memory.manifest import FILE_NAME
from parmesan_engine.project import Project

KILLS = 8


def test_killed_at_random_moments_it_is_the_project_of_the_acknowledged_steps_or_one_more():
    result = crash.measure(KILLS)
    assert result["problems"] == [] and result["failed"] is False and result["kills"] == KILLS
    assert result["unacknowledged_there"] + result["unacknowledged_gone"] == KILLS
    assert result["migrations_done"] + result["migrations_not_begun_or_undone"] == KILLS // crash.OLD_EVERY
    assert sum(result["steps"].values()) == result["acknowledged"]


@pytest.fixture
def pair(tmp_path):
    """A project, its path, and its twin, after the same twenty steps; with the step that follows."""
    stepping, gone = crash_steps.steps(5), []
    done = [next(stepping) for _ in range(20)]
    for name in ("killed", "twin"):
        crash_steps.begin(tmp_path / name)
        with Project.open(tmp_path / name) as project:
            gone = [name for verb, number in done for name in crash_steps.do(project, verb, number)]
    with Project.open(tmp_path / "twin") as twin:
        yield tmp_path / "killed", twin, next(stepping), gone


def test_a_lost_step_and_a_strange_one_are_seen(pair):
    path, twin, following, gone = pair
    assert crash._compare(path, twin, following, list(gone)) == "unacknowledged_gone"
    crash_steps.do(twin, "paint", 77)
    assert "neither the project before nor after" in crash._compare(path, twin, ("tag", 3), list(gone))


def test_damage_and_what_unlearning_left_are_seen(pair):
    path, twin, following, gone = pair
    (path / "left").write_text("gesture-00c0ffee")
    assert "was unlearned and is in the files" in crash._compare(path, twin, following, [*gone, "gesture-00c0ffee"])
    with sqlite3.connect(path / "memory" / FILE_NAME) as manifest:
        manifest.execute("UPDATE versions SET entries = entries + 1 WHERE seq = 3")
    manifest.close()
    assert "does not match its changes" in crash._compare(path, twin, following, list(gone))


def test_an_aged_memory_is_brought_up_and_stays_what_it_was(pair):
    path, twin, following, gone = pair
    crash._age(path / "memory" / FILE_NAME)
    assert crash._format(path / "memory" / FILE_NAME) == 2
    assert crash._compare(path, twin, following, list(gone)) == "unacknowledged_gone"
    assert crash._format(path / "memory" / FILE_NAME) == crash.FORMAT
