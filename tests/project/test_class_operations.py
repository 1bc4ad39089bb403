"""Merging, splitting and locking classes: one version each, undoable, nothing retrained, nothing else changed."""

import numpy as np
import pytest

from parmesan_engine.errors import EmptyMemoryError, FormatError, UnknownNameError
from parmesan_engine.project import Project
from parmesan_engine.project.class_view import set_class_view
from parmesan_engine.project.classes import merge_classes, split_class
from tests.helpers import TASK, same
from tests.project.painter import line

COLOR = (9, 9, 9)


def reopened(project):
    """The prediction of a project that was opened again: all made anew from what is stored."""
    with Project.open(project.path) as again:
        return again.predict(project.first)


def test_merging_moves_examples_in_one_version_and_retrains_nothing(project):
    before, keys, versions = project.predict(project.first), project.memory.keys(project.memory.ids), len(project.history())
    merge_classes(project, 2, 1, author="ann")
    after = project.predict(project.first)
    assert len(project.history()) == versions + 1 and project.history()[-1].author == "ann"
    assert after.metric == before.metric and np.array_equal(project.memory.keys(project.memory.ids), keys)
    assert project.task.retired == (2,) and project.task.in_use == (0, 1) and project.task.classes == TASK.classes
    assert not len(project.memory.select(label=2)) and not after.probabilities[2].any() and not (after.labels == 2).any()
    assert same(after, reopened(project)) and project.verify() == []
    project.undo()
    assert project.task == before.task and same(project.predict(project.first), before)
    project.redo()
    assert same(project.predict(project.first), after)


def test_a_retired_class_is_not_offered_and_comes_back_under_its_id(project):
    merge_classes(project, 2, 1)
    with pytest.raises(UnknownNameError):
        project.annotate(project.first, [line(30, 3, 9, 2)])
    with pytest.raises(UnknownNameError):
        project.rename_class(2, "other")
    assert project.class_view()["order"] == [0, 1]
    assert project.add_class("line", COLOR) == 2 and project.task.retired == () and project.task.colors[2] == COLOR
    project.annotate(project.first, [line(30, 3, 9, 2)])
    assert len(project.memory.select(label=2))


def test_what_was_painted_over_comes_back_in_the_merged_class(project):
    """Forgetting a stroke revives what lay under it: as if the stroke had never been, so with the class of today."""
    project.annotate(project.first, [line(24, 39, 43, 0)], gesture_id="over")
    merge_classes(project, 2, 1)
    project.forget(gesture="over", purge=False)
    edge = project.memory.select(gesture=f"{project.first}-edge")
    assert len(edge) and (project.memory.labels(edge).argmax(1) == 1).all()
    assert same(project.predict(project.first), reopened(project)) and project.verify() == []


def test_splitting_takes_chosen_strokes_only(project):
    project.annotate(project.first, [line(10, 3, 9, 0)], gesture_id="more")
    before = project.predict(project.first)
    assert split_class(project, ["more"], "dark", COLOR, author="bob") == 3
    after = project.predict(project.first)
    assert project.task.classes[3] == "dark" and after.metric == before.metric
    assert np.array_equal(project.memory.select(label=3), project.memory.select(gesture="more"))
    assert len(project.memory.select(label=0)) == len(project.memory.select(gesture=f"{project.first}-ground"))
    assert same(after, reopened(project)) and project.verify() == []
    project.undo()
    assert project.task == before.task and same(project.predict(project.first), before)


def test_merging_a_split_class_back_restores_every_answer(project):
    project.annotate(project.first, [line(10, 3, 9, 0)], gesture_id="more")
    before = project.predict(project.first)
    merge_classes(project, split_class(project, ["more"], "dark", COLOR), 0)
    after = project.predict(project.first)
    assert project.version == before.version, "the content is that of before"
    assert np.array_equal(after.labels, before.labels) and np.array_equal(after.probabilities[:3], before.probabilities)


@pytest.mark.parametrize(("kind", "label"), [("brush", 0), ("brush", 1), ("eraser", None)])
def test_painting_leaves_examples_of_a_locked_class_alone(project, kind, label):
    set_class_view(project, locked=[2])
    kept = project.memory.select(label=2)
    result = project.annotate(project.first, [line(24, 30, 43, label, kind=kind)])
    assert "locked class (line)" in " ".join(result.notes)
    assert np.array_equal(project.memory.select(label=2), kept)
    set_class_view(project, locked=[])
    assert not project.annotate(project.first, [line(24, 30, 43, label, kind=kind)]).notes
    assert len(project.memory.select(label=2)) < len(kept)


def test_locked_classes_are_not_merged_or_split(project):
    set_class_view(project, locked=[2])
    version = project.version
    for refused in (lambda: merge_classes(project, 2, 1), lambda: merge_classes(project, 1, 2),
                    lambda: split_class(project, [f"{project.first}-edge"], "new", COLOR)):
        with pytest.raises(FormatError, match="unlock"):
            refused()
    assert project.version == version and project.task == TASK


@pytest.mark.parametrize("refused", [lambda p: merge_classes(p, 1, 1), lambda p: merge_classes(p, 1, 7), lambda p: merge_classes(p, -1, 1),
                                     lambda p: split_class(p, [], "new", COLOR), lambda p: split_class(p, ["nobody"], "new", COLOR),
                                     lambda p: split_class(p, [f"{p.first}-edge"], "blob", COLOR)])  # fmt: skip
def test_nonsense_changes_nothing(project, refused):
    versions, task = project.history(), project.task
    with pytest.raises((FormatError, UnknownNameError)):
        refused(project)
    assert project.history() == versions and project.task == task


def test_an_empty_project_says_what_to_do(tmp_path):
    with Project.create(tmp_path / "n", name="new", task=TASK) as project, pytest.raises(EmptyMemoryError, match="import a sample"):
        merge_classes(project, 0, 1)


def test_two_openings_add_classes_and_none_is_lost(project):
    with Project.open(project.path) as other:
        project.add_class("mine", COLOR)
        other.add_class("yours", COLOR)
        other.annotate(project.first, [line(30, 3, 9, 2)])
        merge_classes(project, 2, 1)
        other.refresh()
        assert other.task == project.task and project.task.classes[3:] == ("mine", "yours")
        assert not len(project.memory.select(label=2)), "what the other had just painted is merged too"
        assert same(project.predict(project.first), other.predict(project.first))
