"""Principal components against numpy's singular values; order, sign and poor inputs."""

import numpy as np
import pytest

from parmesan_engine.errors import EmptyMemoryError, ShapeError
from parmesan_engine.project import Project
from parmesan_engine.project.mapping import map_entries
from parmesan_engine.project.sources import switch
from parmesan_engine.projection import principal_axes
from tests.helpers import TASK
from tests.project.painter import new_project, picture, teach


def cloud(rows=200, seed=0):
    random = np.random.default_rng(seed)
    return (random.normal(size=(rows, 6)) * [9, 4, 1, 0.5, 0.2, 0.1]) @ np.linalg.qr(random.normal(size=(6, 6)))[0] + 3


def test_it_equals_singular_values():
    points = cloud()
    placed, shares = principal_axes(points)
    left, values, _ = np.linalg.svd(points - points.mean(0), full_matrices=False)
    expected = left[:, :2] * values[:2]
    assert np.allclose(np.abs(placed), np.abs(expected), atol=1e-4)
    assert np.allclose(shares, (values**2 / (values**2).sum())[:2])


def test_order_and_sign_do_not_matter():
    points = cloud()
    order = np.random.default_rng(1).permutation(len(points))
    assert np.allclose(principal_axes(points[order])[0], principal_axes(points)[0][order], atol=1e-4)
    placed = principal_axes(np.array([[0.0, 0], [-5, 0], [5, 0]]))[0]
    assert placed[2, 0] > 0


@pytest.mark.parametrize("points", [np.zeros((0, 4)), np.ones((1, 4)), np.ones((5, 4)), np.arange(3.0)[:, None]])
def test_too_little_to_spread_gives_zeros_not_nan(points):
    placed, shares = principal_axes(points)
    assert placed.shape == (len(points), 2) and np.isfinite(placed).all() and (placed[:, 1] == 0).all() and shares[1] == 0


def test_wrong_shape_is_refused():
    with pytest.raises(ShapeError):
        principal_axes(np.zeros(4))


def test_the_map_shows_the_active_examples_and_a_bounded_choice_of_many(tmp_path):
    project, (first, second) = new_project(tmp_path / "p")
    with project:
        teach(project, first, source="a")
        teach(project, second, source="b")
        whole = map_entries(project)
        assert np.array_equal(whole.ids, project.memory.ids) and whole.version == project.version and whole.entries == len(project)
        labels = project.memory.labels(whole.ids).argmax(1)
        far = np.linalg.norm(whole.points[:, None] - whole.points, axis=2) + np.diag(np.full(len(labels), np.inf))
        assert (labels[far.argmin(1)] == labels).mean() > 0.8, "what is alike to the metric lies together"
        few = map_entries(project, 10)
        assert len(few.ids) == 10 and few.entries == len(project) and np.array_equal(few.ids, map_entries(project, 10).ids)
        switch(project, "b", False)
        assert np.array_equal(map_entries(project).ids, project.memory.select(source="a"))


def test_an_empty_memory_has_no_map(tmp_path):
    with Project.create(tmp_path / "p", name="p", task=TASK) as project:
        project.add_sample(picture(0))
        with pytest.raises(EmptyMemoryError):
            map_entries(project)
