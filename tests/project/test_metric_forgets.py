"""No metric outlives the examples it was fitted from: whoever took them back, and whether anybody was looking or not."""

from parmesan_engine.project import Project
from tests.helpers import same
from tests.project.painter import line, new_project, teach


def _taught(path):
    project, (first, _) = new_project(path)
    teach(project, first)
    project.annotate(first, [line(20, 3, 30, 0, radius=2)], gesture_id="A")
    project.refit()
    return project, first


def test_forgetting_in_a_project_that_was_only_opened(tmp_path):
    """Regression: the metric on disk, fitted on what was forgotten, was used again."""
    for purge in (False, True):
        folder = tmp_path / f"purge-{purge}"
        project, first = _taught(folder)
        project.close()
        with Project.open(folder) as again:
            again.forget(gesture="A", purge=purge)
            shown = again.predict(first)
            again.refit()
            assert same(again.predict(first), shown) and again.metric_state()["entries_then"] == len(again)


def test_undo_in_a_project_that_was_only_opened(tmp_path):
    project, first = _taught(tmp_path / "p")
    project.close()
    with Project.open(tmp_path / "p") as again:
        again.undo()
        shown = again.predict(first)
        again.refit()
        assert same(again.predict(first), shown)


def test_another_process_unlearns_while_this_one_paints(tmp_path):
    """Regression: the unlearning arrived together with this process's own stroke, and went unnoticed."""
    project, first = _taught(tmp_path / "p")
    with project:
        before = project.predict(first).metric
        with Project.open(tmp_path / "p") as other:
            other.forget(gesture="A")
        project.annotate(first, [line(40, 3, 5, 0, radius=0)], gesture_id="mine")
        assert project.predict(first).metric != before
        assert project.metric_state()["entries_then"] <= len(project)


def test_painting_over_fitted_examples_keeps_the_picture_when_opened_again(tmp_path):
    project, first = _taught(tmp_path / "p")
    project.annotate(first, [line(20, 3, 9, 1, radius=1)], gesture_id="over")
    shown = project.predict(first)
    project.close()
    with Project.open(tmp_path / "p") as again:
        assert same(again.predict(first), shown)
