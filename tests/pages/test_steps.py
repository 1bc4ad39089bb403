"""Undo and redo say what they did and lead to the sample that it was on."""

import numpy as np
import pytest

from pages._steps import step
from pages._view import View
from parmesan_engine.errors import VersionError
from parmesan_engine.gestures import Stroke
from parmesan_engine.project import Project
from parmesan_engine.types import Sample
from tests.helpers import TASK
from tests.project.painter import line, new_project


@pytest.fixture
def project(tmp_path):
    made, ids = new_project(tmp_path / "p")
    made.first, made.second = ids
    made.annotate(made.first, [line(4, 3, 30, 0)], author="Ann")
    made.annotate(made.second, [line(20, 16, 22, 1)], author="Bob")
    with made:
        yield made


def looking(project, sample) -> View:
    view = View(project="p")
    view.choose(sample)
    return view


def test_undo_leads_to_the_sample_and_says_whose_work_it_was(project):
    view = looking(project, project.first)
    said = step(view, project, "undo", "Cleo")
    assert view.sample == project.second and said.startswith("Undone: painting by Bob at ")
    assert said.endswith(" examples on sample-2d-1.")
    assert "Undone: painting by Ann" in step(view, project, "undo", "Cleo") and view.sample == project.first
    assert "Redone: painting by Ann" in step(view, project, "redo", "Cleo") and view.sample == project.first
    assert "Redone: painting by Bob" in step(view, project, "redo", "Cleo") and view.sample == project.second
    with pytest.raises(VersionError):
        step(view, project, "redo", "Cleo")


@pytest.mark.parametrize("verb", ["undo", "redo"])
def test_a_wish_repeated_after_a_crash_is_carried_out_once(project, verb):
    """The commit was made, but the place of the browser was not written down: it sends its last wish again."""
    if verb == "redo":
        project.undo(), project.undo()
    view = looking(project, project.second)
    step(view, project, verb, "Cleo", "canvas-7")
    after, versions = project.version, len(project.history())
    project.close()
    with Project.open(project.path) as again:
        said = step(view, again, verb, "Cleo", "canvas-7")
        assert said == f"This {verb} was done before." and (again.version, len(again.history())) == (after, versions)
        step(view, again, verb, "Cleo", "canvas-8")
        assert again.version != after and again.verify() == []


def test_undo_works_in_the_next_session(project):
    project.close()
    with Project.open(project.path) as again:
        assert "by Bob" in step(looking(again, project.first), again, "undo", "Bob")


def test_one_stays_where_a_change_of_several_samples_shows(project):
    project.forget(ids=project.memory.ids, purge=False, by="Ann")
    for sample in (project.first, project.second):
        view = looking(project, sample)
        assert "Undone: a removal by Ann" in step(view, project, "undo", "Ann") and view.sample == sample
        step(view, project, "redo", "Ann")


def test_changes_of_classes_and_erasing_have_their_words(project):
    view = looking(project, project.first)
    project.add_class("new", (1, 2, 3))
    assert step(view, project, "undo", "Ann").startswith("Undone: a change of classes") and view.sample == project.first
    project.annotate(project.second, [line(20, 16, 22, None, kind="eraser")], author="Ann")
    assert step(view, project, "undo", "Ann").startswith("Undone: erasing by Ann") and view.sample == project.second


def test_in_a_volume_it_leads_to_a_slice_that_shows_it(tmp_path):
    volume = Sample(np.random.default_rng(0).integers(0, 255, (1, 8, 12, 10)).astype(np.uint8), "scan")
    with Project.create(tmp_path / "v", name="v", task=TASK) as project:
        scan = project.add_sample(volume).id
        project.annotate(scan, [Stroke("brush", ((2, 2), (8, 8)), radius=1, label=1, axis=0, index=5)])
        view = looking(project, scan)
        view.crosshairs[scan] = (1, 0, 0)
        step(view, project, "undo", "Ann")
        assert view.crosshairs[scan][0] == 5 and view.led == 1
        view.crosshairs[scan] = (1, 0, 4)
        step(view, project, "redo", "Ann")
        assert view.crosshairs[scan] == (1, 0, 4) and view.led == 1, "one of these slices shows a part of it"
