"""The Export page without a browser."""

import json
import zipfile
from functools import partial

import pytest

from pages import _exports, _state
from pages._shelf import home as folder
from parmesan_engine.gestures import Stroke
from tests.helpers import TASK, VALUES, sample
from tests.pages.choosing import choose


@pytest.fixture
def export_page(page):
    return page.switch_page("export.py").run()


def box(at, start):
    return next(one for one in at.checkbox if start in one.label)


def press(at, start):
    return next(button for button in at.button if button.label.startswith(start)).click().run()


def finished(at):
    for job in _state.jobs().active():
        job.wait(60)
    return at.run()


def test_a_zip_is_made_listed_and_deleted(export_page, picture):
    at, (name, project, _) = export_page, picture
    assert not at.exception and box(at, "Label images").value and not box(at, "COCO").value
    for kind in ("COCO", "Table of objects"):
        box(at, kind).check()
    at = finished(press(at.run(), "Export 1 sample"))
    assert not at.exception and len(at.success) == 1 and project.version[:8] in at.success[0].value
    (one,) = _exports.saved(folder(), name)
    with zipfile.ZipFile(one.path) as packed:
        assert set(packed.namelist()) == {"labels/two halves.png", "coco.json", "objects.csv", "export.json"}
        assert json.loads(packed.read("export.json"))["version"] == project.version
    at = next(button for button in at.button if button.key == f"delete {one.path.name}").click().run()
    assert not at.exception and _exports.saved(folder(), name) == []


def test_options_are_asked_only_where_they_matter(export_page):
    at = export_page
    assert not at.multiselect and not at.number_input
    at = box(at, "GeoJSON").check().run()
    assert at.multiselect[0].value == ["dark", "bright"] and at.number_input[0].value == 1
    at = at.multiselect[0].set_value([]).run()
    assert next(button for button in at.button if button.label.startswith("Export")).disabled
    at = box(box(at, "GeoJSON").uncheck().run(), "Label images").uncheck().run()
    assert next(button for button in at.button if button.label.startswith("Export")).disabled


def test_only_own_sessions_fetch_and_only_exports(export_page, picture):
    at, (name, _, _) = export_page, picture
    for other in (folder() / "secret.zip", folder() / "exports" / name / "mine.zip"):
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_bytes(b"zip")
    desk = at.run().session_state["desk"]
    fetch = partial(_exports.answer, _state.shelf().names())
    assert fetch(desk.secret, name, "mine.zip").path == folder() / "exports" / name / "mine.zip"
    for token, project, file in (("guessed", name, "mine.zip"), (desk.secret, name, "other.zip"), (desk.secret, "..", "secret.zip"),
                                 (desk.secret, name, "../../secret.zip"), (desk.secret, "nobody", "mine.zip")):  # fmt: skip
        assert fetch(token, project, file).status_code == 404
    assert [link.url for link in at.get("link_button")] == [f"api/{desk.secret}/{name}/exports/mine.zip"]


def test_exports_of_one_second_have_names_of_their_own(tmp_path):
    assert len({_exports.new_path(tmp_path, "p") for _ in range(8)}) == 8


def test_the_newest_few_are_kept(tmp_path):
    for number in range(_exports.KEPT + 2):
        path = tmp_path / "exports" / "p" / f"p-{number}.zip"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * number)
    _exports.tidy(tmp_path, "p")
    assert [one.path.name for one in _exports.saved(tmp_path, "p")] == [f"p-{n}.zip" for n in range(_exports.KEPT + 1, 1, -1)]


def test_a_new_project_says_what_to_do_first(at, picture):
    name = _state.shelf().create("nothing-to-export", picture[1].task)
    at.run()
    choose(at, name)
    at = at.run().switch_page("export.py").run()
    assert not at.exception and "nothing to export yet" in at.info[0].value


@pytest.mark.parametrize("dims, task, kinds", [
    (1, TASK, ["Label images", "Probabilities", "Conflict and novelty", "Painted examples", "Table of objects", "Table of regions"]),
    (2, VALUES, ["Value images", "Conflict and novelty", "Table of regions"])])  # fmt: skip
def test_only_what_the_project_can_give_is_offered(at, dims, task, kinds):
    name = _state.shelf().create(f"offer-{dims}-{task.kind}", task)
    project = _state.shelf().project(name)
    record = project.add_sample(sample(dims))
    kind, points = ("interval", ((3, 0), (9, 0))) if dims == 1 else ("point", ((5, 5),))
    project.annotate(record.id, [Stroke(kind, points, radius=2, **({"label": 1} if task.classes else {"value": 5.0}))])
    at.run()
    choose(at, name)
    at = at.run().switch_page("export.py").run()
    assert not at.exception and [one.label.split(":")[0] for one in at.checkbox] == kinds and at.checkbox[0].value
    at = finished(press(at, "Export 1 sample"))
    assert not at.exception and len(at.success) == 1


def test_rows_count_examples(picture):
    (row,) = _exports.sample_rows(picture[1])
    assert row == {"Sample": "two halves", "Size": "32 × 48", "Examples": len(picture[1])}
