"""Whatever is painted, undone, forgotten or reopened: the picture is that of the memory, and its metric saw nothing unlearned."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from parmesan_engine.errors import UnknownNameError, VersionError
from parmesan_engine.gestures import Stroke
from parmesan_engine.predictor import Predictor
from parmesan_engine.project import Project
from tests.helpers import TASK, same, sample

SHAPE = (12, 14)
strokes = st.builds(
    lambda y, x, reach, radius, label: Stroke("brush", ((x + 0.5, y + 0.5), (x + reach + 0.5, y + 0.5)), radius=radius, label=label),
    st.integers(0, 11), st.integers(0, 13), st.integers(0, 12), st.sampled_from([0.0, 1.0, 3.0]), st.integers(0, 2))
steps = st.lists(st.one_of(strokes, strokes, st.sampled_from(["undo", "redo", "look back", "reopen", "class"]),
                           st.tuples(st.integers(0, 5), st.booleans())), min_size=2, max_size=9)


def act(project, step, number, first):
    """Do one step and return the project, which may have been opened again."""
    if isinstance(step, Stroke):
        project.annotate(first, [step], gesture_id=f"gesture-{number}")
    elif step in ("undo", "redo"):
        project.undo() if step == "undo" else project.redo()
    elif step == "look back":
        for record in project.history():
            if record.entries:
                project.predict(first, version=record.version)
    elif step == "class":
        project.add_class(f"class {number}", (1, 2, 3))
    elif step == "reopen":
        project.close()
        return Project.open(project.path)
    else:
        project.forget(gesture=f"gesture-{step[0]}", purge=step[1])
    return project


def check(project, first):
    """Assert that the live picture is that of a fresh predictor, and that the metric was fitted on content that still exists."""
    prediction, live = project.predict(first), project.live
    fresh = Predictor(project.encoder, project.memory, live.predictor().metric, task=project.task)
    fresh.set_sample("x", project.read_sample(first))
    assert same(prediction, fresh.predict("x")) and prediction.version == project.version
    assert live.fitted_on in {record.version for record in project.history()}
    assert same(project.predict(first, version=project.version), prediction)


@settings(max_examples=25, deadline=None)
@given(steps=steps, novelty=st.sampled_from([0.0, 0.0, 0.01]))
def test_the_picture_is_always_that_of_the_memory(steps, novelty):
    with tempfile.TemporaryDirectory() as folder:
        project = Project.create(Path(folder) / "p", name="p", task=TASK, encoder="tiny", novelty=novelty)
        try:
            first = project.add_sample(sample(2, 0, shape=SHAPE)).id
            for number, step in enumerate(steps):
                try:
                    project = act(project, step, number, first)
                except (UnknownNameError, VersionError):
                    continue  # nothing to undo or to forget
                if len(project):
                    check(project, first)
            assert project.verify() == []
        finally:
            project.close()
