"""Order, lock and hiding of classes: kept beside the memory, seen by every process, harmless when damaged by history."""

import json

import pytest

from parmesan_engine.errors import UnknownNameError
from parmesan_engine.project import Project
from parmesan_engine.project.class_view import cleaned, set_class_view
from tests.helpers import TASK


def test_every_class_is_shown_at_first(project):
    assert project.class_view() == {"order": [0, 1, 2], "locked": [], "hidden": []}


def test_what_is_set_is_kept_and_makes_no_version(project):
    before = project.history()
    set_class_view(project, order=[2, 0], locked=[1])
    set_class_view(project, hidden=[2])
    wanted = {"order": [2, 0, 1], "locked": [1], "hidden": [2]}
    assert project.class_view() == wanted and project.history() == before
    with Project.open(project.path) as other:
        assert other.class_view() == wanted
        set_class_view(other, locked=[])
    assert project.class_view() == wanted | {"locked": []}


def test_an_added_class_comes_last(project):
    set_class_view(project, order=[2, 1, 0])
    project.add_class("more", (1, 2, 3))
    assert project.class_view()["order"] == [2, 1, 0, 3]


@pytest.mark.parametrize("changes", [{"locked": [3]}, {"hidden": [-1]}, {"order": ["0"]}, {"colour": [0]}])
def test_unknown_classes_are_refused(project, changes):
    with pytest.raises(UnknownNameError):
        set_class_view(project, **changes)
    assert project.class_view() == {"order": [0, 1, 2], "locked": [], "hidden": []}


def test_what_is_no_longer_in_use_is_left_out():
    view = {"order": [2, 1, 7, 1], "locked": [1, 2], "hidden": [9]}
    assert cleaned(view, TASK.replace(retired=(1,))) == {"order": [2, 0], "locked": [2], "hidden": []}


def test_a_project_written_before_views_existed_opens(project):
    file = project.path / "project.json"
    description = json.loads(file.read_text())
    del description["task"]["retired"]
    file.write_text(json.dumps(description))
    assert project.class_view()["order"] == [0, 1, 2]


def test_the_view_survives_the_first_sample(tmp_path):
    with Project.create(tmp_path / "n", name="new", task=TASK) as first, Project.open(tmp_path / "n") as second:
        set_class_view(second, hidden=[1])
        first.add_class("fourth", (4, 4, 4))
        assert first.class_view() == {"order": [0, 1, 2, 3], "locked": [], "hidden": [1]}
