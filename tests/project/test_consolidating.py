"""A memory within a budget: measured first, committed as one version, exact under undo, forgetting and switching."""

import numpy as np
import pytest

from parmesan_engine.errors import EmptyMemoryError, LimitError, VersionError
from parmesan_engine.io import open_dataset
from parmesan_engine.jobs import Job, StoppedError
from parmesan_engine.memory.budget import drawn
from parmesan_engine.project import Project
from parmesan_engine.project.consolidating import consolidate, propose
from parmesan_engine.project.learning import learn, project_for
from parmesan_engine.project.merging import merge
from parmesan_engine.project.sources import switch
from tests.helpers import TASK, make_dataset, same
from tests.project.painter import BLOB, line, new_project, teach


@pytest.fixture(params=["segmentation", "regression"])
def learned(request, tmp_path):
    """A project that learned two sources, three samples."""
    data = make_dataset(tmp_path / "data", kind=request.param, train=3)
    with project_for(tmp_path / "p", open_dataset(data)) as project:
        learn(project, data, per_class=40, source="a", seed=1)
        learn(project, data, per_class=20, source="b", seed=2)
        yield project


def test_it_measures_then_keeps_at_most_so_many_and_undo_takes_it_back(learned):
    before, metric, budget = learned.version, learned.metric_state()["id"], len(learned) // 4
    pictures = [learned.predict(record.id) for record in learned.samples()]
    fractions = []
    found = propose(learned, entries=budget, progress=fractions.append)
    assert learned.version == before and fractions == sorted(fractions) and (fractions[0], fractions[-1]) == (0, 1)
    assert found.before.entries == len(learned) == found.after.entries + len(found.ids) and 0 < found.after.entries <= budget
    assert found.after.index < found.before.index and found.probes == found.before.entries and found.left_out == "sample"
    assert all(score.pixels == found.probes for score in found.score)
    delta = consolidate(learned, found, author="ann")
    assert delta.removed.tolist() == found.ids.tolist() and len(learned) == found.after.entries and learned.verify() == []
    assert [record.verb for record in learned.history()][-1] == "consolidate" and learned.metric_state()["id"] == metric
    ids = learned.memory.ids
    lots, answers = learned.memory.lots(ids), learned.memory.answers(ids)
    assert drawn(lots, answers.astype(int) if learned.task.classes else np.zeros(len(ids), int), budget).all()
    small = learned.predict(learned.samples()[0].id)
    with Project.open(learned.path) as again:
        assert same(again.predict(learned.samples()[0].id), small)  # the metric stays over a restart as well
    learned.undo()
    assert learned.version == before and all(same(learned.predict(p.id), old) for p, old in zip(learned.samples(), pictures, strict=True))
    learned.redo()
    assert learned.version == delta.after and same(learned.predict(learned.samples()[0].id), small)
    with Project.open(learned.path) as again:
        assert same(again.predict(learned.samples()[0].id), small)


def test_what_is_measured_is_what_follows(learned):
    found = propose(learned, entries=len(learned) // 2)
    consolidate(learned, found)
    follow = propose(learned, entries=len(learned))
    assert follow.before == follow.after and follow.score[0] is follow.score[1] and not len(follow.ids)
    assert (follow.after.entries, follow.after.classes) == (found.after.entries, found.after.classes)


def test_forgetting_reaches_what_was_taken_out_and_leaves_the_rest_as_it_is(learned):
    consolidate(learned, propose(learned, entries=len(learned) // 3))
    memory = learned.memory
    kept = memory.select(source="b")
    everything = memory.select(source="a", removed=True)
    assert len(everything) > len(memory.select(source="a")) > 0
    receipt = learned.forget(source="a")
    assert receipt["verified"] and memory.ids.tolist() == kept.tolist() and not len(memory.select(source="a", removed=True))
    alone = memory.checkout(memory.version)
    assert learned.metric_state()["entries_then"] == len(alone)  # fitted anew, from what is left
    assert learned.verify() == []


def test_a_source_switched_off_and_on_does_not_bring_back_what_went(learned):
    consolidate(learned, propose(learned, entries=len(learned) // 3))
    version, count = learned.version, len(learned)
    switch(learned, "a", False)
    switch(learned, "a", True)
    assert learned.version == version and len(learned) == count


def test_merging_does_not_bring_it_back_and_into_a_new_project_it_frees_the_disk(learned, tmp_path):
    with Project.create(tmp_path / "copy", name="copy", task=learned.task) as whole, \
            Project.create(tmp_path / "slim", name="slim", task=learned.task) as slim:
        merge(whole, learned)
        consolidate(learned, propose(learned, entries=len(learned) // 10))
        assert merge(learned, whole)["entries_added"] == 0
        merge(slim, learned)
        assert slim.version == learned.version and slim.memory.bytes < learned.memory.bytes


def test_a_budget_of_bytes_is_one_of_the_index_as_measured(learned):
    whole = propose(learned, entries=len(learned)).before
    found = propose(learned, size=whole.index // 2)
    assert 0 < found.after.index <= whole.index // 2 and found.after.entries > len(learned) // 4
    assert not len(propose(learned, size=whole.index).ids)
    with pytest.raises(LimitError, match="one of each class"):
        propose(learned, size=10)


def test_painting_goes_on_and_a_proposal_of_another_version_is_refused(tmp_path):
    project, (first, second) = new_project(tmp_path / "p")
    with project:
        teach(project, first)
        teach(project, second)
        found = propose(project, entries=30)
        consolidate(project, found)
        assert len(project) <= 30 and found.left_out == "sample"
        added = project.annotate(first, [line(12, 3, 30, 1, radius=3)]).entries_added
        assert added and found.after.entries < len(project) and project.verify() == []
        with pytest.raises(VersionError, match="measure again"):
            consolidate(project, found)
        assert len(project) > 30


def test_one_sample_leaves_out_strokes_and_one_stroke_cannot_be_measured(tmp_path):
    project, (first, _) = new_project(tmp_path / "p")
    with project:
        with pytest.raises(EmptyMemoryError):
            propose(project, entries=3)
        project.annotate(first, [BLOB])
        alone = propose(project, entries=3)
        assert alone.score is None and alone.probes == 0 and 0 < alone.after.entries <= 3
        teach(project, first)
        assert propose(project, entries=9).left_out == "stroke"
        for wrong in ({}, {"entries": 5, "size": 5}, {"entries": 0}):
            with pytest.raises(LimitError, match="one of the two"):
                propose(project, **wrong)


def test_cancelling_changes_nothing(learned):
    version, job = learned.version, Job("k", "measuring")

    def stop(fraction):
        if fraction > 0.5:
            raise StoppedError
        job.fraction = fraction

    with pytest.raises(StoppedError):
        propose(learned, entries=9, progress=stop)
    assert learned.version == version and job.fraction > 0 and learned.task.kind in (TASK.kind, "regression")


@pytest.mark.parametrize("verb", [lambda p: consolidate(p, propose(p, entries=len(p) // 4)), lambda p: p.redo()], ids=["it", "its redo"])
def test_the_metric_stays_when_another_process_consolidates(learned, verb):
    """Regression: who only heard of it fitted anew from what was left, and stored that fit for all."""
    consolidate(learned, propose(learned, entries=len(learned) // 4))
    learned.undo()
    with Project.open(learned.path) as looking, Project.open(learned.path) as doing:
        picture, metric = looking.samples()[0].id, learned.metric_state()["id"]
        looking.predict(picture)
        verb(doing)
        looking.refresh()
        assert looking.version == doing.version and looking.metric_state()["id"] == metric
        assert same(looking.predict(picture), doing.predict(picture))
        doing.undo()
        doing.forget(source="b", purge=False)
        looking.refresh()
        assert looking.metric_state()["id"] == doing.metric_state()["id"] != metric, "what is forgotten is fitted without"


def test_what_is_undone_and_done_again_leaves_the_metric_over_a_restart(project):
    """Regression: the undo counted as one that took something back, although it was redone."""
    project.refit()
    metric = project.metric_state()["id"]
    project.annotate(project.second, [line(8, 3, 5, 1)])
    consolidate(project, propose(project, entries=len(project) // 2))
    project.undo()
    project.redo()
    small = project.predict(project.first)
    with Project.open(project.path) as again:
        assert again.metric_state()["id"] == metric == small.metric and same(again.predict(project.first), small)
