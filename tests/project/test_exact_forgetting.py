"""Order does not matter and forgetting is exact, bit for bit: predictions, versions and metrics."""

import numpy as np
import pytest

from parmesan_engine.errors import VersionError
from parmesan_engine.io import open_dataset
from parmesan_engine.project import Project
from parmesan_engine.project.learning import learn, project_for
from tests.helpers import make_dataset, same
from tests.project.painter import GROUND, holds, line, new_project, picture, teach

NOVELTIES = [0.0, 0.02]


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return make_dataset(folder / "a", train=2), make_dataset(folder / "b", train=5)


def learned(path, datasets, sources, novelty):
    project = project_for(path, open_dataset(datasets[0]), novelty=novelty)
    for source in sources:
        learn(project, datasets["ab".index(source)], source=source, per_class=12, seed="ab".index(source), author=source)
    return project


@pytest.mark.parametrize("novelty", NOVELTIES)
def test_learning_a_then_b_equals_b_then_a(tmp_path, datasets, novelty):
    one, two = learned(tmp_path / "ab", datasets, "ab", novelty), learned(tmp_path / "ba", datasets, "ba", novelty)
    assert len(one) and one.version == two.version and one.metric_state()["id"] == two.metric_state()["id"]
    assert len(one) < one.memory.stored or not novelty, "novelty pruned nothing: the test would show nothing"
    assert same(one.predict_sample(picture(9)), two.predict_sample(picture(9)))


@pytest.mark.parametrize("novelty", NOVELTIES)
@pytest.mark.parametrize("how", ["source", "author", "ids", "undo"])
def test_forgetting_a_equals_never_having_learned_it(tmp_path, datasets, novelty, how):
    never, learnt = learned(tmp_path / "b", datasets, "b", novelty), learned(tmp_path / "ba", datasets, "ba", novelty)
    assert never.version != learnt.version
    if how == "undo":
        learnt.undo()
    else:
        gone = {"source": {"source": "a"}, "author": {"author": "a"}, "ids": {"ids": learnt.memory.select(source="a")}}[how]
        receipt = learnt.forget(**gone)
        assert receipt["entries_removed"] > 0 and receipt["verified"]
    assert learnt.version == never.version and learnt.metric_state()["id"] == never.metric_state()["id"]
    assert same(learnt.predict_sample(picture(9)), never.predict_sample(picture(9)))
    assert learnt.verify() == []


def test_forgetting_the_first_of_two_equals_the_second_alone(tmp_path, datasets):
    never, learnt = learned(tmp_path / "b", datasets, "b", 0.02), learned(tmp_path / "ab", datasets, "ab", 0.02)
    learnt.forget(source="a")
    assert learnt.version == never.version
    assert same(learnt.predict_sample(picture(9)), never.predict_sample(picture(9)))


@pytest.mark.parametrize("novelty", NOVELTIES)
@pytest.mark.parametrize("purge", [True, False])
def test_forgetting_a_stroke_that_painted_over_another_brings_the_old_picture_back(tmp_path, novelty, purge):
    project, (first, _) = new_project(tmp_path / "p", novelty=novelty)
    with project:
        teach(project, first)
        before, painted = project.predict(first), project.painted(first)
        over = project.annotate(first, [line(4, 3, 40, 1, radius=3)], gesture_id="over")
        assert over.entries_removed >= 28 and not np.array_equal(project.predict(first).labels, before.labels)
        receipt = project.forget(gesture="over", purge=purge)
        assert receipt["entries_removed"] == over.entries_added and receipt["entries_returned"] == over.entries_removed
        assert same(project.predict(first), before) and np.array_equal(project.painted(first), painted)
        assert not holds(tmp_path / "p", b"over") or not purge


def test_a_large_stroke_that_made_the_metric_anew_gives_the_old_one_back(tmp_path):
    """Regression: the metric of the old picture had been fitted a few strokes earlier, and was fitted again instead."""
    project, (first, _) = new_project(tmp_path / "p")
    with project:
        teach(project, first, ("blob", "edge"))
        project.predict(first)
        project.annotate(first, [line(12, 5, 8, 0)], gesture_id="small")  # too small for a new fit
        before = project.predict(first)
        assert project.metric_state()["stale"]
        project.annotate(first, [line(34, 3, 40, 0)], gesture_id="large")
        assert project.metric_state()["id"] != before.metric and not project.metric_state()["stale"]
        after = project.predict(first)
        project.undo()
        assert same(project.predict(first), before)
        project.redo()
        assert same(project.predict(first), after)
        project.forget(gesture="large")
        assert same(project.predict(first), before)
    with Project.open(tmp_path / "p") as again:
        assert same(again.predict(first), before)


def test_nothing_of_a_forgotten_author_stays(tmp_path):
    project, (first, second) = new_project(tmp_path / "p")
    with project:
        teach(project, first)
        project.predict(first)
        before = project.predict(first)
        old = project.version
        project.annotate(second, [GROUND], author="Zebulon", source="secret-study")
        withdrawn = project.version
        project.predict(first, version=old)
        assert holds(tmp_path / "p", b"Zebulon") and holds(tmp_path / "p", b"secret-study")
        project.forget(author="Zebulon")
        assert not holds(tmp_path / "p", b"Zebulon") and not holds(tmp_path / "p", b"secret-study")
        with pytest.raises(VersionError):
            project.predict(first, version=withdrawn)
        assert same(project.predict(first), before)


def test_an_old_view_of_what_was_forgotten_is_gone_too(tmp_path):
    """Regression: the history slider kept the checked-out version that held the forgotten examples."""
    project, (first, second) = new_project(tmp_path / "p")
    with project:
        teach(project, first)
        project.annotate(second, [GROUND], author="Zebulon")
        seen = project.version
        project.annotate(first, [line(30, 3, 6, 0)])
        project.predict(first)
        project.predict(first, version=seen)
        project.forget(author="Zebulon")
        with pytest.raises(VersionError):
            project.predict(first, version=seen)


def test_all_conditions_must_hold(tmp_path):
    project, (first, second) = new_project(tmp_path / "p")
    with project:
        teach(project, first, author="ann")
        teach(project, second, author="ben")
        anns = project.memory.select(author="ann")
        receipt = project.forget(author="ann", ids=np.concatenate([anns[:5], project.memory.select(author="ben")[:7]]))
        assert receipt["entries_removed"] == 5 and len(project.memory.select(author="ben")) == len(project) - len(anns) + 5
