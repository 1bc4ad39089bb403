"""Surfaces of a prediction: in the right place, closed, few, in true proportions."""

from types import SimpleNamespace

import numpy as np
import pytest

from pages import _solid, _state
from parmesan_engine.errors import EmptyMemoryError
from parmesan_engine.project.class_view import set_class_view
from parmesan_engine.types import Prediction, TaskSpec


def ball(size: int, radius: float) -> np.ndarray:
    at = np.indices((size,) * 3) + 0.5 - size / 2
    return (np.sqrt((at**2).sum(0)) <= radius).astype(np.float32)


def volume_of(corners: np.ndarray, triangles: np.ndarray) -> float:
    """Of a closed surface, by the divergence theorem."""
    a, b, c = (corners[triangles[:, i]] for i in range(3))
    return abs(float((a * np.cross(b, c)).sum()) / 6)


def test_a_ball_keeps_its_place_and_its_size_under_unequal_spacing():
    shell = _solid.Shell("ball", (1, 2, 3), ball(24, 8))
    ((_, corners, triangles),) = _solid.meshes([shell], (2.0, 1.0, 0.5))
    assert np.allclose(corners.mean(0), (24, 12, 6), atol=0.2)
    assert np.allclose(np.ptp(corners, axis=0), (32, 16, 8), rtol=0.08)
    assert volume_of(corners, triangles) == pytest.approx(4 / 3 * np.pi * 8**3, rel=0.05)
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all(), "closed"


def test_there_are_never_more_triangles_than_allowed():
    rng = np.random.default_rng(0)
    found = [_solid.Shell(str(i), (0, 0, 0), rng.random((40, 40, 40)).astype(np.float32)) for i in range(3)]
    made = _solid.meshes(found, (1, 1, 1), limit=5_000)
    assert 0 < sum(len(triangles) for _, _, triangles in made) <= 5_000


def test_the_demo_is_drawn_without_hidden_classes_and_with_its_surroundings_off():
    project = _state.shelf().project("demo-3d")
    record = project.samples()[0]
    overview = project.overview(record.id)
    plot = _solid.figure(project, record, overview)
    assert [trace.name for trace in plot.data] == list(project.task.classes)
    assert [trace.visible for trace in plot.data] == ["legendonly", True, True]
    assert sum(len(trace.i) for trace in plot.data) <= _solid.MAX_TRIANGLES and plot.layout.scene.aspectmode == "data"
    set_class_view(project, hidden=[2])
    try:
        assert [trace.name for trace in _solid.figure(project, record, overview).data] == list(project.task.classes)[:2]
    finally:
        set_class_view(project, hidden=[])


def test_values_are_drawn_at_two_levels_and_unknown_is_nothing():
    task = TaskSpec("regression", unit="mm", display_range=(0.0, 10.0))
    values = 10 * ball(16, 6)
    values[0] = np.nan
    prediction = Prediction(task, None, None, values, values * 0, values * 0, "v", "m", {}, 1, 0.0)
    found = _solid.shells(SimpleNamespace(task=task), prediction)
    assert [shell.name for shell in found] == ["3.5 mm", "6.5 mm"]
    made = _solid.meshes(found, (1, 1, 1))
    assert len(made) == 2 and all(np.allclose(corners.mean(0), 8, atol=0.3) for _, corners, _ in made)


def test_nothing_to_draw_is_said(monkeypatch):
    project = _state.shelf().project("demo-3d")
    record = project.samples()[0]
    overview = project.overview(record.id)
    set_class_view(project, hidden=[0, 1, 2])
    try:
        with pytest.raises(EmptyMemoryError):
            _solid.figure(project, record, overview)
    finally:
        set_class_view(project, hidden=[])
