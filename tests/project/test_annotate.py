"""Painting: one gesture is one version; later strokes win; erasing, thinning, repeating, and refusing."""

import threading

import numpy as np
import pytest

from parmesan_engine.errors import EmptyMemoryError, FormatError, LimitError, ShapeError, UnknownNameError
from parmesan_engine.gestures import Stroke
from parmesan_engine.project import Project, painting
from tests.helpers import SIDES, TASK, VALUES, same, sample
from tests.project.painter import BLOB, EDGE, GROUND, SHAPE, files_of, line, picture, teach


@pytest.fixture
def project(fresh):
    return fresh


def test_one_gesture_is_one_version_with_where_it_came_from(project):
    before = project.version
    result = project.annotate(project.first, [GROUND, BLOB], author="ann", gesture_id="g1", source="my strokes")
    assert result.gesture == "g1" and result.delta.before == before and result.delta.after == project.version
    assert len(project.history()) == 2 and result.entries_added == len(project) and result.entries_removed == 0
    entry = project.memory.provenance(project.memory.ids[:1])[0]
    assert (entry.sample_id, entry.author, entry.gesture, entry.source) == (project.first, "ann", "g1", "my strokes")
    assert entry.sample_hash == project.read_sample(project.first).content_hash
    painted = project.painted(project.first)
    assert painted.shape == SHAPE and (painted >= 0).sum() == result.entries_added
    assert painted[4, 10] == 0 and painted[20, 18] == 1 and painted[40, 40] == -1 and (project.painted(project.second) == -1).all()


def test_the_same_gesture_twice_is_stored_once(project):
    first = project.annotate(project.first, [GROUND], gesture_id="same")
    again = project.annotate(project.first, [BLOB], gesture_id="same")
    assert again.delta is None and again.entries_added == 0 and again.notes and project.version == first.delta.after
    assert len(project.history()) == 2


def test_later_strokes_paint_over_earlier_ones_within_and_between_gestures(project):
    project.annotate(project.first, [line(10, 5, 20, 0, radius=0), line(10, 12, 30, 1, radius=0)])
    painted = project.painted(project.first)[10]
    assert (painted[5:12] == 0).all() and (painted[12:31] == 1).all()
    result = project.annotate(project.first, [line(10, 25, 35, 2, radius=0)])
    painted = project.painted(project.first)[10]
    assert result.entries_removed == 6 and (painted[12:25] == 1).all() and (painted[25:36] == 2).all()
    assert len(project) == (painted >= 0).sum()


def test_the_eraser_takes_examples_of_this_sample_only(project):
    teach(project, project.first)
    teach(project, project.second)
    result = project.annotate(project.first, [Stroke("eraser", ((0, 0), (44, 48)), radius=60)])
    assert result.entries_added == 0 and result.entries_removed == len(project)
    assert (project.painted(project.first) == -1).all() and (project.painted(project.second) >= 0).any()
    nothing = project.annotate(project.first, [Stroke("eraser", ((5, 5),), radius=3)])
    assert nothing.delta is None and "nothing to change" in nothing.notes[-1]
    half = project.annotate(project.first, [GROUND, Stroke("eraser", ((0, 4.5), (15, 4.5)), radius=4)])
    assert half.entries_added and (project.painted(project.first)[:, :15] == -1).all()


def test_a_stroke_outside_the_picture_changes_nothing(project):
    version = project.version
    result = project.annotate(project.first, [line(500, 900, 950, 1)])
    assert result.delta is None and result.notes and project.version == version


def test_a_large_area_is_thinned_evenly_and_said(project, monkeypatch):
    monkeypatch.setattr(painting, "MAX_ENTRIES", 100)
    result = project.annotate(project.first, [Stroke("polygon", ((0, 0), (44, 0), (44, 48), (0, 48)), label=0)])
    assert result.entries_added == 100 and "2,112 places were painted; every 21.1th" in result.notes[0]
    rows = np.argwhere(project.painted(project.first) >= 0)
    assert rows[:, 0].min() == 0 and rows[:, 0].max() == 47 and np.bincount(rows[:, 0] // 12).min() >= 20


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_values_are_painted_as_values(tmp_path, dims):
    with Project.create(tmp_path / "v", name="values", task=VALUES) as project:
        first = project.add_sample(sample(dims, 0)).id
        plane = {"axis": 0, "index": 3} if dims == 3 else {}
        project.annotate(first, [Stroke("brush", ((2, 2), (8, 2)), radius=1.0, value=1200.0, **plane)])
        project.annotate(first, [Stroke("brush", ((2, 9), (8, 9)), radius=1.0, value=1800.0, **plane)])
        assert set(project.memory.labels(project.memory.ids)[:, 0]) <= {1200.0, 1800.0}
        assert (project.painted(first) == 0).sum() == len(project) and project.painted(first).shape == SIDES[dims]
        values = project.predict(first).values
        assert values.shape == SIDES[dims] and np.nanmin(values) >= 1199.9 and np.nanmax(values) <= 1800.1
        with pytest.raises(FormatError, match="a value"):
            project.annotate(first, [Stroke("brush", ((2, 2),), label=1, **plane)])


BAD = [
    ("an unknown class", lambda: [line(3, 1, 5, 7)], UnknownNameError, "a class id from 0 to 2; got 7; add the class first"),
    ("a value for a class", lambda: [line(3, 1, 5, None, value=3.0)], UnknownNameError, "a class id"),
    ("no strokes", list, FormatError, "1 to 512 strokes"),
    ("too many strokes", lambda: [BLOB] * 513, FormatError, "513"),
    ("a plane in a picture", lambda: [Stroke("brush", ((1, 1),), label=0, axis=0, index=2)], FormatError, "no plane"),
    ("a good and a bad one", lambda: [GROUND, line(3, 1, 5, 99)], UnknownNameError, "99"),
    ("an endless brush", lambda: [Stroke("brush", ((0, 0), (44, 48)) * 9000, radius=900.0, label=0)], LimitError, "shorter"),
]


@pytest.mark.parametrize(("strokes", "kind", "text"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_gesture_is_refused_and_nothing_is_stored(project, strokes, kind, text):
    teach(project, project.first)
    before, version, files, seen = project.predict(project.first), project.version, files_of(project.path), len(project.history())
    with pytest.raises(kind, match=text) as caught:
        project.annotate(project.first, strokes(), gesture_id="bad")
    assert caught.value.expected and caught.value.got and caught.value.todo
    assert project.version == version and len(project.history()) == seen and files_of(project.path) == files
    assert same(project.predict(project.first), before) and project.verify() == []
    assert project.annotate(project.first, [EDGE], gesture_id="bad").gesture == "bad", "the id of a refused gesture is free"


def test_unknown_samples_and_projects_without_samples(tmp_path, project):
    for verb in (lambda: project.annotate("0" * 16, [GROUND]), lambda: project.predict("../../etc"), lambda: project.painted("x"),
                 lambda: project.remove_sample("x"), lambda: project.read_sample("x")):
        with pytest.raises(UnknownNameError):
            verb()
    with pytest.raises(EmptyMemoryError, match="label a few pixels first"):
        project.predict(project.first)
    with Project.create(tmp_path / "empty", name="empty", task=TASK) as empty:
        for verb in (empty.undo, empty.refit, lambda: empty.predict_sample(picture()), lambda: empty.forget(author="a")):
            with pytest.raises(EmptyMemoryError):
                verb()
        assert empty.history() == [] and empty.verify() == [] and empty.version == "" and len(empty) == 0
        assert empty.metric_state()["entries_now"] == 0


def test_wrong_shapes_and_channels_are_refused(project):
    files = files_of(project.path)
    with pytest.raises(ShapeError, match="2 spatial axes"):
        project.add_sample(sample(3, 0))
    project.add_sample(sample(2, 5, channels=3, shape=SHAPE))  # colour becomes grey here, and the prediction says so
    with Project.create(project.path / "rgb", name="rgb", task=TASK) as colours:
        colours.add_sample(sample(2, 0, channels=3, shape=SHAPE))
        with pytest.raises(ShapeError, match="3 channels, as in the first sample"):
            colours.add_sample(sample(2, 0, channels=2, shape=SHAPE))
        assert len(colours.samples()) == 1
        grey = colours.add_sample(picture(3))
        teach(colours, grey.id)
        assert "grey repeated" in colours.predict(grey.id).fallbacks[-1]
    assert set(files) < set(files_of(project.path))


def test_eight_threads_label_and_look_at_once(project):
    errors, rows = [], iter(range(1, 41))
    lock = threading.Lock()

    def work(number):
        try:
            for step in range(5):
                with lock:
                    y = next(rows)
                where = (project.first, project.second)[step % 2]
                project.annotate(where, [line(y, 3, 9, number % 3, radius=0)], gesture_id=f"{number}-{step}")
                prediction = project.predict(project.first)
                assert prediction.labels.shape == SHAPE and len(prediction.version) == 32
                project.explain(project.first, (5, 5)), project.painted(project.second), project.history(), project.metric_state()
        except Exception as error:  # handed to the main thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and len(project) == 40 * 7 and len(project.history()) == 41 and project.verify() == []
    live = project.predict(project.first)
    project.live._predictor = None
    assert same(live, project.predict(project.first)), "what threads did together equals what is in the memory"
