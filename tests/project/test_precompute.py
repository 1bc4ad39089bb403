"""What is known of every sample: equal to the project's own answers, at the present version, without the project's lock."""

import threading

import numpy as np
import pytest

from parmesan_engine.errors import FormatError
from parmesan_engine.jobs import Jobs, StoppedError
from parmesan_engine.project import precompute
from parmesan_engine.project.precompute import Survey, standing_of
from parmesan_engine.project.verified import unverify_sample, verified, verify_sample
from parmesan_engine.types import TaskSpec
from tests.project.painter import BLOB, GROUND, line, new_project, teach


@pytest.fixture
def taught(tmp_path, monkeypatch):
    """(project, ids of three samples, survey); the first has examples. Nobody paints: the work need not wait."""
    monkeypatch.setattr(precompute, "QUIET_SECONDS", 0.0)
    project, ids = new_project(tmp_path / "p", seeds=(0, 1, 2))
    teach(project, ids[0])
    yield project, ids, Survey(project)
    project.close()


def nothing(fraction, text):
    """Progress that nobody looks at."""


def test_standings_are_what_the_project_says_of_the_whole_sample(taught):
    project, ids, survey = taught
    assert survey.behind(ids) == ids and survey.standing(ids[1]) is None
    survey.run(ids, nothing)
    assert survey.behind(ids) == []
    for sample_id in ids:
        own, found = project.overview(sample_id), survey.standing(sample_id)
        shares = [(own.labels == c).mean() for c in (*range(len(project.task.classes)), -1)]
        assert found.fractions == pytest.approx(shares) and sum(found.fractions) == pytest.approx(1)
        assert found.doubt == pytest.approx(np.maximum(own.conflict, own.novelty).mean(), abs=1e-6)
        assert (found.version, found.metric, found.middle) == (project.version, project.metric_state()["id"], None)


def test_values_have_a_median(tmp_path):
    project, ids = new_project(tmp_path / "p", seeds=(0,), task=TaskSpec("regression", unit="K"))
    with project:
        project.annotate(ids[0], [line(20, 16, 22, None, value=5.0), line(4, 3, 30, None, value=1.0)])
        own, found = project.overview(ids[0]), standing_of(project.overview(ids[0]))
        known = np.isfinite(own.values).mean()
        assert found.middle == pytest.approx(np.nanmedian(own.values)) and found.fractions == pytest.approx((known, 1 - known))


def test_a_stroke_leaves_all_behind_and_undo_too(taught):
    project, ids, survey = taught
    survey.run(ids, nothing)
    project.annotate(ids[1], [BLOB])
    assert survey.behind(ids) == ids
    survey.run(ids[1:], nothing)
    assert survey.behind(ids) == ids[:1]
    project.undo()
    assert set(survey.behind(ids)) >= set(ids[1:])


def test_without_examples_only_features_are_made(tmp_path):
    project, ids = new_project(tmp_path / "p")
    with project:
        survey = Survey(project)
        survey.run(ids, nothing)
        assert all(project.features.ready(i) for i in ids) and survey.behind(ids) == [] and survey.standing(ids[0]) is None


@pytest.mark.parametrize("labelled", [True, False])
def test_it_is_done_also_when_the_cache_cannot_hold_all_samples(tmp_path, monkeypatch, labelled):
    monkeypatch.setattr(precompute, "QUIET_SECONDS", 0.0)
    project, ids = new_project(tmp_path / "p", seeds=(0, 1, 2))
    with project:
        if labelled:
            teach(project, ids[0])
        project.features.ram = project.features.disk = 1
        survey = Survey(project)
        survey.run(ids, nothing)
        assert not all(project.features.ready(i) for i in ids), "one pushes out the other"
        assert survey.behind(ids) == []


def test_strokes_go_on_while_a_sample_is_encoded(taught, monkeypatch):
    project, ids, survey = taught
    inside, go_on, encode = threading.Event(), threading.Event(), project.encoder.encode

    def slow(*given, **options):
        inside.set()
        assert go_on.wait(30)
        return encode(*given, **options)

    project.features.get(ids[0])
    monkeypatch.setattr(project.encoder, "encode", slow)
    jobs = Jobs()
    job = jobs.start("survey", lambda job: survey.run(ids[1:], job.report))
    assert inside.wait(30)
    assert project.annotate(ids[0], [line(30, 5, 9, 0)]).entries_added  # would hang if the lock were held
    go_on.set()
    assert job.wait(60).state == "done"
    assert survey.standing(ids[1]).version == project.version, "what was found is of the version that was there after the stroke"
    jobs.close()


def test_it_stands_back_while_somebody_paints_and_can_be_cancelled_then(taught, monkeypatch):
    project, ids, survey = taught
    monkeypatch.setattr(precompute, "QUIET_SECONDS", 3600.0)
    project.annotate(ids[0], [GROUND])
    calls = []

    def progress(fraction, text):
        calls.append(fraction)
        if len(calls) > 3:
            raise StoppedError

    assert not survey.resting()
    with pytest.raises(StoppedError):
        survey.run(ids, progress)
    assert len(set(calls)) == 1 and survey.standing(ids[0]) is None


def test_examples_are_counted_as_the_memory_moves(taught):
    project, ids, survey = taught
    assert survey.examples() == {ids[0]: len(project)}
    added = project.annotate(ids[1], [BLOB]).entries_added
    assert survey.examples() == {ids[0]: len(project) - added, ids[1]: added}
    project.undo()
    assert survey.examples() == {ids[0]: len(project)}


def test_a_sample_removed_meanwhile_is_passed_over(taught):
    project, ids, survey = taught
    project.remove_sample(ids[1])
    survey.run(ids, nothing)
    assert survey.standing(ids[1]) is None and survey.standing(ids[2]).version == project.version


def test_marks_last_until_taken_away_or_until_the_sample_goes(tmp_path):
    project, ids = new_project(tmp_path / "p", seeds=(0, 1, 2))
    with project:
        for sample_id in ids:
            verify_sample(project.path, sample_id, author="ann", version=project.version)
        unverify_sample(project.path, ids[1])
        unverify_sample(project.path, ids[1])
        marks = verified(project.path)
        assert set(marks) == {ids[0], ids[2]} and marks[ids[0]].author == "ann" and marks[ids[0]].version == project.version
        project.remove_sample(ids[2])
        assert set(verified(project.path)) == {ids[0]}
        (project.path / "verified" / f"{ids[0]}.json").write_text("[]")
        with pytest.raises(FormatError):
            verified(project.path)
