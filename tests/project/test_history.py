"""Versions of a project: undo, redo, restore, looking back, opening again; classes; the state of the metric."""

import numpy as np
import pytest

from parmesan_engine.errors import EmptyMemoryError, FormatError, UnknownNameError, VersionError
from parmesan_engine.project import Project
from tests.helpers import TASK, same
from tests.project.painter import GROUND, line, picture


def test_undo_and_redo_walk_through_every_picture(project):
    pictures = [project.predict(project.first)]
    for n, stroke in enumerate([line(10, 3, 9, 2), line(12, 3, 30, 1, radius=3), line(40, 3, 9, 0)]):
        project.annotate(project.first, [stroke], gesture_id=f"more-{n}")
        pictures.append(project.predict(project.first))
    assert len({p.version for p in pictures}) == 4
    for expected in reversed(pictures[:-1]):
        assert project.undo(author="ann").verb == "undo"
        assert same(project.predict(project.first), expected)
    for expected in pictures[1:]:
        project.redo()
        assert same(project.predict(project.first), expected)
    with pytest.raises(VersionError):
        project.redo()
    assert project.history()[-1].verb == "redo" and project.verify() == []


def test_undoing_everything_leaves_an_empty_memory_that_can_begin_again(project):
    then = project.predict(project.first)
    for _ in range(3):
        project.undo()
    with pytest.raises(EmptyMemoryError):
        project.predict(project.first)
    with pytest.raises(VersionError, match="a memory as it was at first"):
        project.undo()
    for _ in range(3):
        project.redo()
    assert np.array_equal(project.predict(project.first).labels, then.labels) and project.version == then.version


def test_restore_brings_a_version_back_as_a_new_one(project):
    before = project.predict(project.first)
    project.annotate(project.first, [line(12, 3, 30, 1, radius=3)])
    project.annotate(project.second, [GROUND])
    seen = len(project.history())
    delta = project.restore(before.version, author="ann")
    assert delta.after == before.version and len(project.history()) == seen + 1
    assert same(project.predict(project.first), before)
    project.undo()
    assert project.version == delta.before
    for unknown in ("f" * 32, "", "zz"):
        with pytest.raises(VersionError):
            project.restore(unknown)


def test_looking_back_shows_what_was_predicted_then(project):
    project.refit()
    seen = []
    for y in (30, 33, 36, 39):
        project.annotate(project.first, [line(y, 3, 6, y % 3, radius=0)])
        seen.append((project.predict(project.first), project.predict(project.second)))
    assert len({p.metric for p, _ in seen}) == 1, "small strokes leave the metric alone"
    for then in reversed(seen):
        for sample_id, expected in zip((project.first, project.second), then, strict=True):
            assert same(project.predict(sample_id, version=expected.version), expected)
    assert same(project.predict(project.first), seen[-1][0]), "looking back changes nothing"
    start = project.history()[0].version
    with pytest.raises(EmptyMemoryError, match="choose a later one"):
        project.predict(project.first, version=start)
    with pytest.raises(VersionError):
        project.predict(project.first, version="0" * 32)


def test_opening_again_gives_the_same_prediction(project):
    project.annotate(project.second, [line(30, 3, 8, 0)])
    before, state, history = project.predict(project.first), project.metric_state(), project.history()
    project.close()
    with Project.open(project.path) as again:
        assert same(again.predict(again.samples()[0].id), before) and again.metric_state() == state
        assert again.history() == history and again.task == before.task and again.name == "tiny"


def test_opening_again_after_many_strokes_without_a_look(project):
    """Regression: the metric stored on the first strokes was kept however much the memory had grown."""
    project.predict(project.first)
    project.close()
    strokes = [line(y, 3, 40, 0, radius=1) for y in (30, 34, 38, 42)]
    with Project.open(project.path) as again:
        for n, stroke in enumerate(strokes):
            again.annotate(again.samples()[0].id, [stroke], gesture_id=f"s{n}")
        assert again.metric_state()["entries_then"] > 150


def test_metric_state_says_how_far_the_memory_has_moved_on(project):
    project.refit()
    state = project.metric_state()
    assert state == {"id": project.predict(project.first).metric, "fitted_on": project.version, "entries_then": len(project),
                     "entries_now": len(project), "stale": False, "due": False}
    project.annotate(project.second, [line(30, 3, 5, 0, radius=0)])
    state = project.metric_state()
    assert state["stale"] and state["entries_now"] == state["entries_then"] + 3
    assert project.refit()["stale"] is False


def test_two_openings_of_one_project_see_each_other(project):
    project.predict(project.first)
    with Project.open(project.path) as other:
        other.annotate(project.first, [line(30, 3, 9, 2)])
        project.refresh()
        assert project.version == other.version and same(project.predict(project.first), other.predict(project.first))


def test_classes_are_added_renamed_and_recoloured(project):
    before = project.predict(project.first)
    assert project.add_class("  dark   line ", (9, 9, 9)) == 3 and project.task.classes[3] == "dark line"
    project.rename_class(0, "floor")
    project.recolor_class(1, (1, 2, 3))
    now = project.predict(project.first)
    assert project.version == before.version and np.array_equal(now.labels, before.labels) and now.task == project.task
    assert np.array_equal(now.probabilities[:3], before.probabilities) and not now.probabilities[3].any()
    project.annotate(project.first, [line(44, 3, 30, 3)])
    assert (project.predict(project.first).labels == 3).any()
    with Project.open(project.path) as again:
        assert again.task.classes == ("floor", "blob", "line", "dark line") and again.task.colors[1] == (1, 2, 3)
        assert same(again.predict(project.first), project.predict(project.first))
    project.undo()  # the stroke
    for _ in range(3):
        project.undo()
    assert project.task == before.task and same(project.predict(project.first), before)


def test_bad_classes_are_refused(project):
    task = project.task
    for name in ("", "   ", "blob", " blob "):
        with pytest.raises(FormatError):
            project.add_class(name, (1, 2, 3))
    with pytest.raises(FormatError):
        project.rename_class(0, "line")
    for index in (-1, 3):
        with pytest.raises(UnknownNameError):
            project.rename_class(index, "x")
        with pytest.raises(UnknownNameError):
            project.recolor_class(index, (0, 0, 0))
    for color in ((1, 2), (1, 2, 300), "red", (1.5, 2, 3)):
        with pytest.raises(FormatError):
            project.recolor_class(0, color)
        with pytest.raises(FormatError):
            project.add_class("new", color)
    assert project.task == task


def test_classes_before_the_first_sample(tmp_path):
    with Project.create(tmp_path / "n", name="new", task=TASK) as project:
        project.add_class("fourth", (4, 4, 4))
        project.rename_class(0, "floor")
        first = project.add_sample(picture()).id
        assert project.task.classes == ("floor", "blob", "line", "fourth")
        project.annotate(first, [line(3, 3, 9, 3)])
    with Project.open(tmp_path / "n") as again:
        assert again.task.classes[3] == "fourth" and len(again) > 0


def test_explaining_names_samples_gestures_and_strokes(project):
    found = project.explain(project.first, (20, 18))
    assert found.label == 1 and found.neighbors[0].sample_id == project.first and found.neighbors[0].gesture == f"{project.first}-blob"
    assert set(found.opponents) == {"ground", "line"} and found.version == project.version
    visiting = project.explain_sample(project.read_sample(project.first), [20, 18])
    assert [n.entry for n in visiting.neighbors] == [n.entry for n in found.neighbors]
    assert len(project.samples()) == 2
