"""The list of classes in the sidebar: what its menus do to the project."""

import pytest

from pages._classes import hard_to_tell, strokes_of
from parmesan_engine.gestures import Stroke
from tests.helpers import TASK


@pytest.fixture
def menu(page, picture):
    """Opens the menu of a class; returns a function that finds what is in it."""
    def find(kind: str, start: str):
        return next(one for one in getattr(page, kind) if (one.key or "").startswith(f"{start}-{picture[0]}"))

    def opened(i: int):
        page.session_state[f"menu-{picture[0]}-{i}"] = True
        page.run()
        return find

    return opened


def test_order_lock_and_hide(page, picture, menu):
    menu(0)("button", "Down").click().run()
    assert picture[1].class_view()["order"] == [1, 0]
    menu(0)("toggle", "locked").set_value(True).run()
    menu(1)("toggle", "hidden").set_value(True).run()
    assert picture[1].class_view() == {"order": [1, 0], "locked": [0], "hidden": [1]}
    menu(0)("toggle", "locked").set_value(False).run()
    assert picture[1].class_view()["locked"] == [] and not page.exception
    assert not [one for one in picture[1].history() if one.verb not in ("create", "add")]


def test_merge_and_its_undo(page, picture, menu):
    before = len(picture[1].memory.select(label=0))
    find = menu(0)
    assert find("button", "merge").disabled
    find("selectbox", "into").select("bright").run()
    menu(0)("button", "merge").click().run()
    assert not page.exception and picture[1].task.in_use == (1,) and picture[1].history()[-1].author == page.session_state["desk"].author
    assert not [one for one in page.text_input if (one.key or "").startswith(f"name-{picture[0]}-0-")]
    picture[1].undo()
    assert picture[1].task.in_use == (0, 1) and len(picture[1].memory.select(label=0)) == before


def test_split_needs_strokes_and_a_name(page, picture, menu):
    project = picture[1]
    project.annotate(picture[2], [Stroke("brush", ((3, 28), (12, 28)), radius=1, label=0)], author="bob", gesture_id="second-0")
    texts = strokes_of(project, 0)
    assert list(texts) == ["second-0", "first-0"] and "two halves" in texts["second-0"] and "bob" in texts["second-0"]
    find = menu(0)
    find("multiselect", "strokes").select("second-0").run()
    menu(0)("text_input", "split-name").input("shade").run()
    menu(0)("button", "split").click().run()
    assert not page.exception and project.task.classes == ("dark", "bright", "shade")
    assert set(project.memory.select(label=2)) == set(project.memory.select(gesture="second-0"))


def test_colours_that_some_eyes_confuse_are_named():
    green_and_red = TASK.replace(colors=((0, 0, 200), (110, 120, 30), (190, 80, 20)))
    assert hard_to_tell(green_and_red) == ("blob", "line")
    assert hard_to_tell(green_and_red.replace(retired=(2,))) is None
    assert hard_to_tell(TASK.replace(classes=("one",), colors=((1, 2, 3),))) is None
