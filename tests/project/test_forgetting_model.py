"""Forgetting strokes in any order, painted over or erased in between, against a canvas on which they were never drawn."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from parmesan_engine.errors import UnknownNameError
from parmesan_engine.gestures import Stroke, rasterise
from parmesan_engine.project import Project
from tests.helpers import TASK, sample

SHAPE = (6, 8)
strokes = st.builds(
    lambda kind, y, x, reach, label: Stroke(kind, ((x + 0.5, y + 0.5), (x + reach + 0.5, y + 0.5)), radius=1.0,
                                            label=None if kind == "eraser" else label),
    st.sampled_from(["brush", "brush", "brush", "eraser"]), st.integers(0, 5), st.integers(0, 7), st.integers(0, 4), st.integers(0, 2))
steps = st.lists(st.one_of(strokes, st.tuples(st.just("forget"), st.integers(0, 6), st.booleans())), min_size=2, max_size=9)


def canvas_of(drawn):
    """Return what (stroke or None where forgotten) in order leave on an empty canvas."""
    canvas = np.full(SHAPE, -1, np.int16)
    for stroke in drawn:
        if stroke is not None:
            canvas[tuple(rasterise(stroke, SHAPE).T)] = -1 if stroke.kind == "eraser" else stroke.label
    return canvas


@settings(max_examples=60, deadline=None)
@given(steps=steps, novelty=st.sampled_from([0.0, 0.01]))
def test_forgotten_strokes_were_never_drawn(steps, novelty):
    new = {"task": TASK, "encoder": "tiny", "novelty": novelty}
    with tempfile.TemporaryDirectory() as folder, Project.create(Path(folder) / "p", name="p", **new) as project:
        where, drawn = project.add_sample(sample(2, 0, shape=SHAPE)).id, []
        for step in steps:
            if isinstance(step, Stroke):
                project.annotate(where, [step], gesture_id=f"gesture-{len(drawn)}")
                drawn.append(step)
            elif step[1] < len(drawn):
                try:
                    project.forget(gesture=f"gesture-{step[1]}", purge=step[2])
                except UnknownNameError:
                    continue  # an eraser has no examples, or all of them are painted over and stay in the history
                drawn[step[1]] = None
            if novelty == 0:
                assert np.array_equal(project.painted(where), canvas_of(drawn))
        with Project.create(Path(folder) / "never", name="never", **new) as never:
            never.add_sample(sample(2, 0, shape=SHAPE))
            for stroke in drawn:
                if stroke is not None:
                    never.annotate(where, [stroke])
            assert project.version == never.version and len(project) == len(never) and project.verify() == []


def test_what_lies_under_two_strokes_returns_though_the_middle_one_was_forgotten_first(tmp_path):
    """Regression: found by the test above. The first stroke stayed away where all three lie."""
    drawn = [Stroke("brush", ((0.5, 0.5), (reach + 0.5, 0.5)), radius=1.0, label=0) for reach in (0, 1, 0)]
    with Project.create(tmp_path / "p", name="p", task=TASK, encoder="tiny") as project:
        where = project.add_sample(sample(2, 0, shape=SHAPE)).id
        for number, stroke in enumerate(drawn):
            project.annotate(where, [stroke], gesture_id=str(number))
        for number in (1, 2):
            project.forget(gesture=str(number), purge=False)
            drawn[number] = None
            assert np.array_equal(project.painted(where), canvas_of(drawn))
