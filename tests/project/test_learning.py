"""Choosing pixels and learning them: a few of each class, the same for the same seed, whatever the order; demos."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from parmesan_engine.errors import FormatError
from parmesan_engine.io import open_dataset
from parmesan_engine.project import demo, learning, scoring
from parmesan_engine.project.entries import node_labels, one_hot
from parmesan_engine.project.sampling import choose_items, choose_pixels
from parmesan_engine.project.truth import truth as known_truth
from tests.helpers import TASK, TinyEncoder, make_dataset, same, sample, truth
from tests.project.painter import line, picture


@settings(max_examples=50, deadline=None)
@given(labels=arrays(np.int16, (7, 6), elements=st.integers(-1, 2)), n=st.integers(1, 9), seed=st.integers(0, 99))
def test_a_few_pixels_of_each_class_never_twice(labels, n, seed):
    at = choose_pixels(labels, n, seed=seed, name="a")
    chosen = labels[tuple(at.T)]
    assert len(np.unique(at, axis=0)) == len(at)
    for c in (-1, 0, 1, 2):
        assert (chosen == c).sum() == (0 if c < 0 else min(n, (labels == c).sum()))
    assert np.array_equal(at, choose_pixels(labels, n, seed=seed, name="a"))


def test_the_choice_depends_on_seed_and_name_alone():
    labels = np.zeros((30, 30), np.int16)
    one = choose_pixels(labels, 20, seed=0, name="a")
    assert not np.array_equal(one, choose_pixels(labels, 20, seed=1, name="a"))
    assert not np.array_equal(one, choose_pixels(labels, 20, seed=0, name="b"))
    values = np.full((10, 10), np.nan, np.float32)
    assert choose_pixels(values, 5, seed=0, name="a").shape == (0, 2)
    values[3, 4] = 2.5
    assert choose_pixels(values, 5, seed=0, name="a").tolist() == [[3, 4]]


def test_items_are_chosen_in_order_and_repeatably():
    items = list("abcdefgh")
    chosen = choose_items(items, 3, seed=1)
    assert len(chosen) == 3 and chosen == sorted(chosen) == choose_items(items, 3, seed=1)
    assert choose_items(items, None, seed=0) == items == choose_items(items, 99, seed=0)
    assert any(choose_items(items, 3, seed=s) != chosen for s in range(5))
    with pytest.raises(FormatError):
        choose_items([], None, seed=0)


def test_a_node_of_several_pixels_gets_their_histogram():
    pyramid = TinyEncoder().encode(sample(2, 0), stride=2)
    at, classes = np.array([[0, 0], [1, 1], [0, 1], [1, 0], [6, 7]]), np.array([0, 0, 0, 1, 2])
    nodes, rows = node_labels(pyramid, at, one_hot(classes, 3))
    assert nodes.tolist() == [0, 33] and rows.tolist() == [[0.75, 0.25, 0], [0, 0, 1]]


def test_learning_all_pixels_gives_them_back(tmp_path):
    data = make_dataset(tmp_path / "data", train=1)
    with learning.project_for(tmp_path / "p", open_dataset(data)) as project:
        result = learning.learn(project, data, per_class=None)
        labels = truth(2, 0)
        assert result["entries_added"] == labels.size - 1
        painted = project.painted(project.samples()[0].id)
        assert painted[0, 0] == -1 and np.array_equal(painted.ravel()[1:], labels.ravel()[1:])
        assert (project.predict(project.samples()[0].id).labels == labels).mean() > 0.97


def test_progress_is_told_and_evaluating_stores_nothing(tmp_path):
    data, seen = make_dataset(tmp_path / "data", test=3), []
    with learning.project_for(tmp_path / "p", open_dataset(data)) as project:
        learning.learn(project, data, per_class=5, progress=seen.append)
        assert seen == [0.5, 1.0]
        version, samples = project.version, project.samples()
        result = scoring.evaluate(project, data, samples=2, progress=seen.append)
        assert result["samples"] == 2 and project.version == version and project.samples() == samples
        assert project.live.predictor().states == {}


def test_learning_that_is_stopped_keeps_what_others_added_and_painted(tmp_path):
    data = make_dataset(tmp_path / "data", train=2)
    with learning.project_for(tmp_path / "p", open_dataset(data)) as project:
        def stop(share):
            if share == 1:
                painted, other = project.samples()[0].id, project.add_sample(sample(2, 9))
                project.annotate(painted, [line(4, 3, 9, 0)], gesture_id="mine")
                project.others = {painted, other.id}
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            learning.learn(project, data, per_class=5, progress=stop)
        assert {record.id for record in project.samples()} == project.others
        assert len(project) == len(project.memory.select(gesture="mine")) > 0


def test_demo_projects_are_made_once_and_a_half_made_one_again(tmp_path, monkeypatch):
    made = []

    def maker(seed):
        made.append(seed)
        return picture(seed), truth(2, seed, (48, 44))

    monkeypatch.setattr(demo, "MAKERS", {"demo-2d": (2, maker, "Tiny (2D)")})
    monkeypatch.setattr(demo, "demo_task", lambda dims: TASK)
    project = demo.open_demo(tmp_path)["demo-2d"]
    assert project.name == "Tiny (2D)" and len(project) > 0 and len(project.samples()) == demo.SAMPLES
    assert all(known_truth(project.path, record.id).shape == record.spatial_shape for record in project.samples())
    first, second = (record.id for record in project.samples())
    assert (project.painted(first) >= 0).any() and (project.painted(second) == -1).all()
    prediction = project.predict(second)
    assert (prediction.labels == truth(2, 1, (48, 44))).mean() > 0.8
    project.close()
    again = demo.open_demo(tmp_path)["demo-2d"]
    assert len(made) == demo.SAMPLES and same(again.predict(second), prediction)
    again.close()
    (tmp_path / "demo-2d" / "ready").unlink()
    with demo.open_demo(tmp_path)["demo-2d"] as repaired:
        assert len(made) == 2 * demo.SAMPLES and same(repaired.predict(second), prediction)
