"""A branch is the project as it was; a merge is both memories, once, whatever the order."""

import json
import threading

import numpy as np
import pytest

from parmesan_engine.errors import EmptyMemoryError, FormatError, ShapeError, VersionError
from parmesan_engine.project import Project, merging
from parmesan_engine.project.branching import branch
from parmesan_engine.project.class_view import set_class_view
from parmesan_engine.project.classes import merge_classes
from parmesan_engine.project.merging import merge
from parmesan_engine.project.sources import sources, switch
from parmesan_engine.project.truth import keep_truth, truth
from parmesan_engine.types import TaskSpec
from tests.helpers import TASK, VALUES, same, sample
from tests.project.painter import BLOB, EDGE, GROUND, SHAPE, line, new_project, picture, teach


def lab(path, seed, stroke=EDGE, task=TASK, source="strokes"):
    """Return a project of another lab, with one sample of its own."""
    other = Project.create(path, name=path.name, task=task)
    record = other.add_sample(picture(seed))
    other.annotate(record.id, [stroke, GROUND, line(30, 5 + seed, 12 + seed, 1)], author=path.name, source=source)
    return other


def test_a_branch_is_the_project_at_that_version(project, tmp_path):
    before = project.predict(project.first)
    project.annotate(project.first, [line(12, 3, 30, 1, radius=3)])
    set_class_view(project, hidden=[2])
    after = project.predict(project.first)
    folder = branch(project, before.version, tmp_path / "old")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["old", "p"]
    with Project.open(folder) as old:
        assert old.name == "old" and old.class_view()["hidden"] == [2] and old.verify() == []
        assert [r.id for r in old.samples()] == [r.id for r in project.samples()]
        assert same(old.predict(project.first), before)
        assert [r.version for r in old.history()] == [r.version for r in project.history()[:-1]]
        old.annotate(project.second, [GROUND])
        old.undo()
        old.undo()
        assert old.history()[-1].version == project.history()[2].version
    assert same(project.predict(project.first), after) and project.verify() == []


def test_branches_while_others_paint_are_whole(project, tmp_path):
    stop = threading.Event()

    def paint():
        row = 0
        while not stop.is_set():
            row += 1
            project.annotate(project.second, [line(3 + row % 40, 3, 20, row % 3)])

    painter = threading.Thread(target=paint)
    painter.start()
    try:
        for n in range(5):
            version = project.version
            with Project.open(branch(project, version, tmp_path / f"b{n}")) as copy:
                assert copy.version == version and copy.verify() == []
    finally:
        stop.set()
        painter.join()


def test_a_branch_that_cannot_be_made_leaves_nothing(project, tmp_path):
    with pytest.raises(VersionError):
        branch(project, "f" * 32, tmp_path / "new")
    with pytest.raises(FormatError, match="there already"):
        branch(project, project.version, tmp_path / "p")
    assert [p.name for p in tmp_path.iterdir()] == ["p"]
    with Project.create(tmp_path / "empty", name="empty", task=TASK) as empty, pytest.raises(EmptyMemoryError):
        branch(empty, "f" * 32, tmp_path / "new")


def test_a_merge_holds_both_once_as_one_version_that_undo_takes_back(project, tmp_path):
    before, size = project.predict(project.first), len(project)
    with lab(tmp_path / "lab", 5) as other:
        result = merge(project, other, author="ann")
        assert result["entries_added"] == len(other) and result["samples_added"] == 1 and result["classes_added"] == []
        assert result["sources"] == {"strokes": "lab/strokes"} and len(project) == size + len(other)
        assert project.history()[-1].verb == "merge" and project.history()[-1].author == "ann"
        assert project.read_sample(other.samples()[0].id).content_hash == other.samples()[0].content_hash
        assert {s.name: s.authors for s in sources(project.memory)} == {"strokes": ("local",), "lab/strokes": ("lab",)}
        again, versions = merge(project, other), len(project.history())
        assert again["entries_added"] == 0 and len(project.history()) == versions
        switch(other, "strokes", False)
        assert merge(project, other)["entries_added"] == 0
    assert project.verify() == []
    project.undo()
    assert same(project.predict(project.first), before)


def test_two_projects_may_merge_each_other_at_once(tmp_path, monkeypatch):
    one, two = lab(tmp_path / "one", 5, source="a"), lab(tmp_path / "two", 6, BLOB, source="b")
    both = threading.Barrier(2, timeout=20)  # passed twice: before the locks are taken, and when each has its own

    class Meeting(merging._Merging):
        def __init__(self, *args):
            super().__init__(*args)
            both.wait()

        def into(self, memory):
            both.wait()
            return super().into(memory)

    monkeypatch.setattr(merging, "_Merging", Meeting)
    mergers = [threading.Thread(target=merge, args=pair, daemon=True) for pair in ((one, two), (two, one))]
    for merger in mergers:
        merger.start()
    for merger in mergers:
        merger.join(30)
    assert not any(merger.is_alive() for merger in mergers), "each waits for the other"
    assert one.version == two.version and one.verify() == two.verify() == []
    one.close()
    two.close()


def test_no_stroke_comes_between_a_merge_and_the_predictor(project, tmp_path, monkeypatch):
    class Watched:
        def __init__(self, lock):
            self.lock, self.depth = lock, 0

        def __enter__(self):
            self.lock.acquire()
            self.depth += 1

        def __exit__(self, *_):
            self.depth -= 1
            if not self.depth:
                told.append("released")
            self.lock.release()

    told, learned, follow = [], project.memory.learn, project.live.follow
    project.lock = Watched(project.lock)
    monkeypatch.setattr(project.memory, "learn", lambda *a, **k: (learned(*a, **k), told.append("committed"))[0])
    monkeypatch.setattr(project.live, "follow", lambda delta: (told.append("followed"), follow(delta)))
    with lab(tmp_path / "lab", 5) as other:
        merge(project, other)
    assert told[told.index("committed") + 1] == "followed"


def test_a_merge_that_is_stopped_keeps_what_others_painted_meanwhile(project, tmp_path):
    def stop(_):
        copied = project.samples()[-1].id
        if len(project.samples()) == 4:
            with Project.open(project.path) as elsewhere:
                elsewhere.annotate(copied, [GROUND], author="ben")
            raise KeyboardInterrupt

    with lab(tmp_path / "lab", 5) as other:
        other.add_sample(picture(6))
        with pytest.raises(KeyboardInterrupt):
            merge(project, other, progress=stop)
        assert len(project.samples()) == 3 and len(project.memory.select(author="ben"))
    assert not any(record.verb == "unlearn" for record in project.history()) and project.verify() == []


def test_merging_predicts_as_learning_it_here_would(tmp_path):
    with lab(tmp_path / "here", 5, source="a") as here, lab(tmp_path / "there", 6, BLOB, source="b") as there:
        merge(here, there)
        with Project.create(tmp_path / "direct", name="direct", task=TASK) as direct:
            record = direct.add_sample(picture(5))
            direct.annotate(record.id, [EDGE, GROUND, line(30, 10, 17, 1)], author="here", source="a")
            other = direct.add_sample(picture(6))
            direct.annotate(other.id, [BLOB, GROUND, line(30, 11, 18, 1)], author="there", source="b")
            direct.refit()
            assert direct.version == here.version
            assert same(direct.predict(record.id), here.predict(record.id))


@pytest.mark.parametrize("source", [None, "own"])
def test_the_order_of_merging_does_not_show(tmp_path, source):
    """Neither among others that clash with this project, nor between two that do not clash."""
    outcomes = []
    for order in ("bc", "cb"):
        folder = tmp_path / order
        with lab(folder / order[0], 5 if order[0] == "b" else 6, source="b" if order[0] == "b" else "c") as project:
            first = project
            if source is None:
                project, _ = new_project(folder / "a")
                teach(project, project.samples()[0].id)
            for name in order if source is None else order[1]:
                with lab(folder / f"{name}.lab" / name, 5 if name == "b" else 6, source="strokes" if source is None else name) as other:
                    merge(project, other)
            outcomes.append((project.version, project.metric_state()["id"]))
            if project is not first:
                project.close()
    assert outcomes[0] == outcomes[1]


def test_a_branch_comes_back_with_only_what_is_new(project, tmp_path):
    folder = branch(project, project.version, tmp_path / "side")
    with Project.open(folder) as side:
        new = side.annotate(project.second, [GROUND, EDGE], author="ben", gesture_id="new-1")
        result = merge(project, side)
        assert result["entries_added"] == new.entries_added and result["sources"] == {"strokes": "strokes"}
        assert project.version == side.version
        project.annotate(project.second, [line(40, 3, 20, 1)])
        side.annotate(project.second, [line(12, 3, 9, 0)], gesture_id="new-2")
        assert merge(project, side)["sources"] == {"strokes": "side/strokes"}
        assert {s.name for s in sources(project.memory)} == {"strokes", "side/strokes"}


def test_what_was_corrected_here_stays_corrected_when_a_branch_comes_back(project, tmp_path):
    with Project.open(branch(project, project.version, tmp_path / "side")) as side:
        project.annotate(project.first, [line(20, 16, 22, 0)])
        project.annotate(project.first, [line(24, 39, 43, None, kind="eraser")])
        version, before = project.version, project.painted(project.first)
        assert merge(project, side)["entries_added"] == 0
        assert project.version == version and np.array_equal(project.painted(project.first), before)


def test_a_merge_that_was_undone_may_be_done_again(project, tmp_path):
    with lab(tmp_path / "lab", 5) as other:
        size = len(other)
        assert merge(project, other)["entries_added"] == size
        version = project.version
        project.undo()
        assert merge(project, other)["entries_added"] == size and project.version == version
        project.undo()
        project.redo()
        assert merge(project, other)["entries_added"] == 0


def test_gestures_of_another_project_are_not_taken_for_ones_of_this(project, tmp_path):
    other, (first, _) = new_project(tmp_path / "other", seeds=(5, 6))
    with other:
        other.annotate(first, [GROUND, BLOB], gesture_id=f"{project.first}-blob")
        merge(project, other)
    size = len(project)
    receipt = project.forget(gesture=f"{project.first}-blob", purge=False)
    assert len(project) == size - receipt["entries_removed"] and len(project.memory.select(source="tiny/strokes"))


def test_classes_are_matched_by_name_and_missing_ones_come_along(project, tmp_path):
    task = TaskSpec("segmentation", ("line", "rim", "blob"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)))
    with lab(tmp_path / "lab", 5, task=task) as other:
        there = other.memory.labels(other.memory.ids).argmax(1)
        known = np.resize(np.arange(-1, 3), SHAPE).astype(np.int16)
        keep_truth(other.path, other.samples()[0], known)
        result = merge(project, other)
        assert result["classes_added"] == ["rim"] and project.task.classes == ("ground", "blob", "line", "rim")
        ids = project.memory.select(source="lab/strokes")
        here = project.memory.labels(ids).argmax(1)
        assert np.array_equal(np.sort(here), np.sort(np.array([2, 3, 1])[there]))
        assert np.array_equal(truth(project.path, other.samples()[0].id), np.array([2, 3, 1, -1])[known])
        assert set(np.unique(project.predict(project.first).labels)) <= {-1, 0, 1, 2, 3}


def test_truths_of_a_class_that_the_other_project_merged_come_as_the_class_it_became(project, tmp_path):
    task = TaskSpec("segmentation", ("ground", "rim", "blob"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)))
    with lab(tmp_path / "lab", 5, task=task) as other:
        labels = np.resize(np.arange(-1, 3), SHAPE).astype(np.int16)
        keep_truth(other.path, other.samples()[0], labels)
        merge_classes(other, 1, 2)
        assert merge(project, other)["classes_added"] == []
        assert np.array_equal(truth(project.path, other.samples()[0].id), np.array([0, 1, 1, -1])[labels])


def test_a_retired_class_of_that_name_is_taken_back(project, tmp_path):
    merge_classes(project, 2, 0)
    assert project.task.retired == (2,)
    with lab(tmp_path / "lab", 5) as other:
        assert merge(project, other)["classes_added"] == ["line"] and project.task.retired == ()


def test_values_merge_too_and_an_empty_project_takes_all(tmp_path):
    with Project.create(tmp_path / "a", name="a", task=VALUES) as a, Project.create(tmp_path / "b", name="b", task=VALUES) as b:
        record = b.add_sample(picture(3))
        b.annotate(record.id, [line(20, 16, 22, None, value=2.5), line(4, 3, 30, None, value=1.0)])
        merge(a, b)
        assert a.version == b.version and same(a.predict(record.id), b.predict(record.id))


def test_what_cannot_share_a_memory_is_refused_and_nothing_is_stored(project, tmp_path):
    version, names = project.version, [r.id for r in project.samples()]
    refused = [(project, FormatError)]
    empty = Project.create(tmp_path / "empty", name="empty", task=TASK)
    values = Project.create(tmp_path / "values", name="values", task=VALUES)
    values.annotate(values.add_sample(picture(3)).id, [line(20, 16, 22, None, value=2.5)])
    color = Project.create(tmp_path / "color", name="color", task=TASK)
    color.annotate(color.add_sample(sample(2, 3, channels=3, shape=SHAPE)).id, [GROUND])
    lab(tmp_path / "encoder", 7).close()
    text = json.loads((tmp_path / "encoder" / "project.json").read_text())
    text["encoder"]["keywords"]["scales"] = [1.0, 2.0]
    (tmp_path / "encoder" / "project.json").write_text(json.dumps(text))
    encoder = Project.open(tmp_path / "encoder")
    refused += [(empty, EmptyMemoryError), (values, ShapeError), (color, ShapeError), (encoder, FormatError)]
    for other, error in refused:
        with pytest.raises(error):
            merge(project, other)
    with lab(tmp_path / "good", 9) as other:
        def stop(_):
            raise KeyboardInterrupt
        with pytest.raises(KeyboardInterrupt):
            merge(project, other, progress=stop)
    assert project.version == version and [r.id for r in project.samples()] == names
    for other, _ in refused[1:]:
        other.close()
