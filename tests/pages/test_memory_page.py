"""The Memory page without a browser."""

import pytest

from pages import _ledger
from parmesan_engine.gestures import Stroke


@pytest.fixture
def memory_page(page):
    return page.switch_page("memory.py").run()


def texts(at):
    return " ".join(element.proto.body for element in at.get("html"))


def press(at, label):
    return next(button for button in at.button if button.label == label).click().run()


def test_it_shows_numbers_tables_and_pictures(memory_page, picture):
    assert not memory_page.exception
    numbers = {metric.label: metric.value for metric in memory_page.metric}
    assert numbers["Examples"] == str(len(picture[1])) and numbers["Strokes"] == "2" and numbers["Version"] == picture[1].version[:8]
    assert texts(memory_page).count("<img") == min(len(picture[1].memory.select(gesture="first-1")), _ledger.GALLERY)


@pytest.mark.parametrize("group", _ledger.GROUPS)
def test_groups_add_up_and_give_what_forget_needs(picture, group):
    overview = picture[1].memory.columns()
    rows = _ledger.rows_of(overview, group, picture[1])
    assert sum(row.count for row in rows) == len(picture[1])
    for row in rows:
        arguments = _ledger.forget_arguments(overview, group, row)
        ids = arguments["ids"] if "ids" in arguments else picture[1].memory.select(**arguments)
        assert len(ids) == row.count


def test_remove_can_be_undone(memory_page, picture):
    before, size = picture[1].version, len(picture[1])
    press(memory_page, "Remove")
    assert not memory_page.exception and len(picture[1]) < size
    assert "Undo brings them back" in texts(memory_page)
    press(memory_page, "Undo")
    assert picture[1].version == before


def test_unlearn_asks_first_and_shows_the_receipt(memory_page, picture):
    size = len(picture[1])
    press(memory_page, "Unlearn…")
    assert len(picture[1]) == size
    press(memory_page, "Unlearn")
    assert not memory_page.exception and len(picture[1]) < size
    assert "Nothing of them is left" in texts(memory_page) and "Digest of what went" in texts(memory_page)
    press(memory_page, "Undo")
    assert not memory_page.exception
    assert 'role="alert"' in texts(memory_page)


def test_sizes_are_for_people():
    assert [_ledger.size(n) for n in (12, 1500, 2_500_000, 3e9)] == ["12 bytes", "1.5 kB", "2.5 MB", "3.0 GB"]


def test_remove_takes_what_was_shown_though_others_painted_since(memory_page, picture):
    """Regression: the button acted on the newest stroke of the moment when it was pressed."""
    project = picture[1]
    stroke = Stroke("brush", ((3, 3), (9, 3)), radius=1, label=0)
    project.annotate(project.samples()[0].id, [stroke], gesture_id="another", author="bob")
    press(memory_page, "Remove")
    assert len(project.memory.select(gesture="another")) and not len(project.memory.select(gesture="first-1"))


@pytest.mark.parametrize("group", _ledger.GROUPS)
def test_what_a_button_takes_does_not_grow_after_it_was_drawn(picture, group):
    project = picture[1]
    overview = project.memory.columns()
    row = _ledger.rows_of(overview, group, project)[0]
    shown = _ledger.shown_ids(project, overview, group, row, purge=False)
    assert len(shown) == row.count
    stroke = Stroke("brush", ((3, 3), (9, 3)), radius=1, label=0)
    later = project.annotate(project.samples()[0].id, [stroke], gesture_id="later").delta.added
    project.forget(ids=shown, purge=False)
    assert project.memory.is_stored(later).all()
