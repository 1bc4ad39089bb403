"""The projects of the home folder."""

import pytest

from pages import _state
from pages._classes import rgb
from pages._sidebar import make_task
from parmesan_engine.errors import FormatError, UnknownNameError


def test_the_demos_come_first_and_are_ready():
    assert _state.shelf().names()[:3] == ["demo-2d", "demo-3d", "demo-1d"]
    assert all(len(_state.shelf().project(name)) for name in _state.shelf().names()[:3])


@pytest.mark.parametrize(("typed", "folder"), [("../../evil", "evil"), ("a b/c", "a-b-c"), ("  x\\y  ", "x-y")])
def test_a_project_stays_inside_the_home_folder(home, typed, folder):
    assert _state.shelf().create(typed, make_task("classes", "a, b", "")) == folder
    assert (home / folder / "project.json").exists()
    with pytest.raises(FormatError):
        _state.shelf().create(typed, make_task("classes", "a, b", ""))


@pytest.mark.parametrize("name", ["", "..", "///", "\u00e9"])
def test_names_without_letters_are_refused(name):
    with pytest.raises(FormatError):
        _state.shelf().create(name, make_task("classes", "a", ""))


@pytest.mark.parametrize("name", ["../demo-2d", "nothing", "/etc"])
def test_unknown_projects_are_refused(name):
    with pytest.raises(UnknownNameError):
        _state.shelf().project(name)


def test_tasks_from_what_was_typed():
    task = make_task("classes", " cell,, nucleus , cell ", "")
    assert task.classes == ("cell", "nucleus") and len(set(task.colors)) == 2
    assert make_task("values", "", " mm ").unit == "mm"
    with pytest.raises(FormatError):
        make_task("classes", " , ", "")


@pytest.mark.parametrize("text", ["red", "#12345", "#12345g", "#1234567"])
def test_colours_that_are_none_are_refused(text):
    with pytest.raises(FormatError):
        rgb(text)
    assert rgb("#0a141E") == (10, 20, 30)
