"""A source that is switched off predicts as if it had been removed; on again, as before; versioned, undoable, safe from strokes."""

import numpy as np
import pytest

from parmesan_engine.errors import EmptyMemoryError, UnknownNameError
from parmesan_engine.project import Project
from parmesan_engine.project.sources import contradictions, sources, switch
from tests.helpers import same
from tests.project.painter import EDGE, GROUND, line, new_project, teach


def two_sources(path, novelty=0.0):
    project, (first, second) = new_project(path, novelty=novelty)
    teach(project, first, source="ours", author="ann")
    project.annotate(second, [GROUND, line(30, 4, 12, 1), EDGE], source="theirs", author="ben", gesture_id="theirs-1")
    return project, first, second


def answers(prediction):
    return [prediction.labels, prediction.probabilities, prediction.conflict, prediction.novelty]


@pytest.mark.parametrize("novelty", [0.0, 0.02])
@pytest.mark.parametrize("predicted_before", [True, False])
def test_off_predicts_as_removal_does(tmp_path, novelty, predicted_before):
    off, first, _ = two_sources(tmp_path / "off", novelty)
    gone, _, _ = two_sources(tmp_path / "gone", novelty)
    with off, gone:
        for project in (off, gone):
            if predicted_before:
                project.predict(first)
        delta = switch(off, "theirs", False, author="ann")
        gone.forget(source="theirs", purge=False)
        assert len(delta.removed) and off.history()[-1].verb == "switch" and off.history()[-1].author == "ann"
        one, other = off.predict(first), gone.predict(first)
        assert one.metric == other.metric and len(off) == len(gone)
        assert all(np.array_equal(a, b) for a, b in zip(answers(one), answers(other), strict=True))
        assert {n.source for n in off.explain(first, (20, 18)).neighbors} == {"ours"}
        assert off.verify() == []


def test_on_again_or_undone_is_the_old_picture(tmp_path):
    project, first, _ = two_sources(tmp_path / "p")
    with project:
        before = project.predict(first)
        switch(project, "theirs", False)
        off = project.predict(first)
        assert not same(off, before)
        switch(project, "theirs", True)
        assert same(project.predict(first), before)
        project.undo()
        assert same(project.predict(first), off)
        project.undo()
        assert same(project.predict(first), before)
        project.redo()
    with Project.open(tmp_path / "p") as again:
        assert same(again.predict(first), off) and again.verify() == []


def test_off_without_a_prediction_is_off_after_opening_too(tmp_path):
    """The metric on disk was fitted with the source on: it must not be taken up again."""
    project, first, _ = two_sources(tmp_path / "p")
    with project:
        project.predict(first)
    with Project.open(tmp_path / "p") as fresh:
        switch(fresh, "theirs", False)
        off = fresh.predict(first)
    never, (one, _) = new_project(tmp_path / "never")
    with never:
        teach(never, one, source="ours", author="ann")
        never.refit()
        assert off.metric == never.predict(one).metric


def test_the_table_of_sources(tmp_path):
    project, _, _ = two_sources(tmp_path / "p")
    with project:
        switch(project, "theirs", False)
        ours, theirs = sources(project.memory)
        assert (ours.name, ours.on, ours.off, ours.authors) == ("ours", True, 0, ("ann",))
        assert (theirs.name, theirs.on, theirs.off, theirs.authors, theirs.samples) == ("theirs", False, theirs.examples, ("ben",), 1)
        assert ours.examples == len(project) and ours.examples + theirs.examples == project.memory.stored
        with pytest.raises(UnknownNameError):
            switch(project, "nobody's", False)
        switch(project, "ours", False)
        with pytest.raises(EmptyMemoryError):
            project.predict(project.samples()[0].id)
        assert contradictions(project.memory, "ours") == 0
        assert (project.painted(project.samples()[0].id) == -1).all()


def test_strokes_pass_over_what_is_off_and_forgetting_them_is_exact(tmp_path):
    project, first, _ = two_sources(tmp_path / "p")
    with project:
        before, painted = project.predict(first), project.painted(first)
        switch(project, "ours", False)
        off = project.version
        project.annotate(first, [line(4, 3, 40, 1, radius=3)], gesture_id="over", source="other")
        project.annotate(first, [line(4, 8, 20, None, radius=3, kind="eraser")], gesture_id="rub")
        assert project.memory.is_stored(project.memory.select(source="ours", removed=True)).all()
        project.forget(gesture="over", purge=False)
        assert project.version == off
        switch(project, "ours", True)
        assert same(project.predict(first), before) and np.array_equal(project.painted(first), painted)


@pytest.mark.parametrize("own", [True, False])
def test_what_was_painted_over_a_source_that_was_off_is_counted_when_it_is_on(tmp_path, own):
    project, _, second = two_sources(tmp_path / "p")
    with project:
        assert contradictions(project.memory, "theirs") == contradictions(project.memory, "ours") == 0
        switch(project, "theirs", False)
        over, *_ = [project.annotate(second, [stroke], source="theirs" if own else "other") for stroke in (
            line(4, 3, 30, 2), line(20, 16, 22, 1), EDGE)]  # where theirs says another class, nothing, and the same
        assert contradictions(project.memory, "theirs") == 0
        switch(project, "theirs", True)
        assert contradictions(project.memory, "theirs") == over.entries_added > 0 == contradictions(project.memory, "ours")


def test_what_comes_back_while_its_source_is_off_comes_back_off(tmp_path):
    project, first, _ = two_sources(tmp_path / "p")
    with project:
        project.annotate(first, [line(4, 3, 40, 1, radius=3)], gesture_id="over", source="other")
        switch(project, "ours", False)
        size = len(project)
        project.forget(gesture="over", purge=False)
        assert len(project) < size and [s.on for s in sources(project.memory)] == [False, True]
        switch(project, "ours", True)
        fresh, _, _ = two_sources(tmp_path / "fresh")
        with fresh:
            assert project.version == fresh.version
