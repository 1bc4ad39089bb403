"""Scores of versions: equal to scoring whole predictions, block by block, over samples and over the history."""

import numpy as np
import pytest

from parmesan_engine.errors import EmptyMemoryError, ShapeError, VersionError
from parmesan_engine.evaluation import Score
from parmesan_engine.jobs import StoppedError
from parmesan_engine.project import scoring
from parmesan_engine.project.curve import as_it_was, learning_curve, milestones
from parmesan_engine.project.scoring import Scores, score_dataset, score_samples, with_truth
from parmesan_engine.project.sources import switch
from parmesan_engine.project.truth import keep_truth
from parmesan_engine.types import TaskSpec
from tests.helpers import make_dataset, truth
from tests.project.painter import SHAPE, line, new_project, teach


@pytest.fixture
def known(tmp_path):
    """(project, ids of three samples); the first has examples, the first two have a known truth."""
    project, ids = new_project(tmp_path / "p", seeds=(0, 1, 2))
    teach(project, ids[0])
    for seed, record in enumerate(project.samples()[:2]):
        keep_truth(project.path, record, truth(2, seed, SHAPE))
    yield project, ids
    project.close()


def test_samples_are_scored_as_their_whole_predictions_would_be(known, monkeypatch):
    monkeypatch.setattr(scoring, "BLOCK", 200)  # several blocks per sample
    project, ids = known
    seen = []
    report = score_samples(project, project.snapshot(), unpainted=False, progress=seen.append)
    assert with_truth(project) == ids[:2] == [one.sample_id for one in report.samples]
    assert seen == sorted(seen) and seen[-1] == 1.0 and len(seen) > 2
    total = Score(project.task)
    for seed, one in enumerate(report.samples):
        own, whole = Score(project.task), project.predict(ids[seed])
        for score in (own, total):
            score.add(truth(2, seed, SHAPE), whole.labels, whole.probabilities)
        assert np.array_equal(one.score.counts, own.counts) and np.allclose(one.score.bins, own.bins)
    assert report.total.result()["miou"] == total.result()["miou"]
    assert (report.version, report.metric, report.entries) == (project.version, project.metric_state()["id"], len(project))


def test_painted_pixels_can_be_left_out(known):
    project, ids = known
    painted = int((project.painted(ids[0]) >= 0).sum())
    whole, rest = (score_samples(project, project.snapshot(), unpainted=flag) for flag in (False, True))
    assert painted and whole.total.pixels - rest.total.pixels == painted and rest.unpainted
    assert rest.samples[1].score.pixels == whole.samples[1].score.pixels, "nothing is painted there"


def test_values_are_scored_without_what_is_painted(tmp_path):
    project, ids = new_project(tmp_path / "p", seeds=(0,), task=TaskSpec("regression", unit="K"))
    with project:
        project.annotate(ids[0], [line(20, 16, 22, None, value=5.0), line(4, 3, 30, None, value=1.0)])
        values = truth(2, 0, SHAPE).astype(np.float32)
        keep_truth(project.path, project.samples()[0], values)
        report, own = score_samples(project, project.snapshot(), unpainted=True), project.predict(ids[0]).values
        rest = (project.painted(ids[0]) < 0) & np.isfinite(own)
        assert report.total.result()["mae"] == pytest.approx(np.abs(values - own)[rest].mean())


def test_scoring_needs_truth_and_can_be_cancelled(tmp_path, known):
    project, _ = new_project(tmp_path / "q")
    with project:
        teach(project, project.samples()[0].id)
        with pytest.raises(EmptyMemoryError):
            score_samples(project, project.snapshot(), unpainted=True)

    def stop(fraction):
        raise StoppedError

    with pytest.raises(StoppedError):
        score_samples(known[0], known[0].snapshot(), unpainted=True, progress=stop)


@pytest.mark.parametrize("kind", ["segmentation", "regression"])
def test_a_dataset_is_scored_without_storing_or_holding_a_sample(tmp_path, kind):
    task = None if kind == "segmentation" else TaskSpec("regression", unit="mm", invalid_value=0.0)
    project, ids = new_project(tmp_path / "p", **({"task": task} if task else {}))
    data = make_dataset(tmp_path / "data", kind=kind, test=3)
    with project:
        labels = ({"label": 1}, {"label": 0}) if task is None else ({"label": None, "value": 1500.0}, {"label": None, "value": 1000.0})
        project.annotate(ids[0], [line(20, 16, 22, **labels[0]), line(4, 3, 30, **labels[1])])
        version, snapshot = project.version, project.snapshot()
        report = score_dataset(snapshot, data, samples=2)
        assert len(report.samples) == 2 and {one.sample_id for one in report.samples} == {""} and report.total.pixels > 0
        assert project.version == version and [r.id for r in project.samples()] == ids and snapshot.predictor.states == {}
        other = make_dataset(tmp_path / "other", kind="regression" if task is None else "segmentation")
        with pytest.raises(ShapeError):
            score_dataset(snapshot, other)


def test_a_dataset_is_not_scored_by_what_was_unlearned_meanwhile(tmp_path, known):
    project, ids = known
    snapshot = project.snapshot()
    project.forget(gesture=f"{ids[0]}-edge")
    with pytest.raises(VersionError):
        score_dataset(snapshot, make_dataset(tmp_path / "data"))


def test_milestones_span_the_history():
    def record(seq, entries):
        return type("Record", (), {"seq": seq, "entries": entries, "version": str(seq)})()

    history = [record(0, 0), *(record(i, i) for i in range(1, 301)), record(301, 50)]
    chosen = milestones(history, 8)
    sizes = [one.entries for one in chosen]
    assert sizes == sorted(set(sizes)) and sizes[0] == 1 and sizes[-1] == 300 and 50 in sizes and len(sizes) <= 9
    assert next(one for one in chosen if one.entries == 50).seq == 301, "of equally many examples the latest"
    assert milestones([record(0, 0)]) == [] and len(milestones(history[:3], 8)) == 2


def test_the_learning_curve_scores_each_version_as_it_was(known):
    project, _ = known
    kept = Scores()
    points = learning_curve(project, unpainted=True, known=kept.get, keep=lambda report: kept.put(report.version, report))
    records = [record for record in project.history() if record.entries]
    assert [point.record.version for point in points] == [record.version for record in records]
    for point in points:
        own = score_samples(project, as_it_was(project, point.record.version), unpainted=True)
        assert own.total.result() == point.report.total.result() and own.metric == point.report.metric
    assert points[-1].report.metric == project.metric_state()["id"], "the last point is what is seen now"
    assert len({point.report.metric for point in points}) > 1, "earlier ones have a metric of their own"

    def never(report):
        raise AssertionError("scored twice")

    again = learning_curve(project, unpainted=True, known=kept.get, keep=never)
    assert [point.report for point in again] == [point.report for point in points]


def test_the_curve_passes_over_versions_with_all_examples_switched_off(known):
    project, ids = known
    switch(project, "strokes", False)
    off = project.version
    project.annotate(ids[1], [line(30, 5, 20, 0), line(34, 5, 20, 1)], source="others")
    points = learning_curve(project, unpainted=True, known=lambda version: None, keep=lambda report: None)
    versions = [point.record.version for point in points]
    assert off not in versions and versions[-1] == project.version and len(points) == 3
    switch(project, "others", False)
    points = learning_curve(project, unpainted=True, known=lambda version: None, keep=lambda report: None)
    assert project.version not in {point.record.version for point in points}


def test_the_curve_passes_over_what_was_unlearned_meanwhile(known):
    project, ids = known
    points = []

    def progress(fraction):
        if fraction == 0.0 and not points:
            points.append(None)
            project.forget(gesture=f"{ids[0]}-edge")

    curve = learning_curve(project, unpainted=True, known=lambda version: None, keep=lambda report: None, progress=progress)
    assert all(point.record.version in {record.version for record in project.history()} for point in curve)


def test_a_version_that_knew_fewer_classes_is_scored_by_those_of_now(known):
    project, ids = known
    new = project.add_class("crystal", (1, 2, 3))
    labels = truth(2, 0, SHAPE).copy()
    labels[30:34] = new
    keep_truth(project.path, project.store.record(ids[0]), labels)
    project.annotate(ids[0], [line(32, 5, 20, new)])
    points = learning_curve(project, unpainted=True, known=lambda version: None, keep=lambda report: None)
    assert points[0].report.total.result()["iou"]["crystal"] == 0.0 < points[-1].report.total.result()["iou"]["crystal"]
    assert len({point.report.total.pixels for point in points}) == 1, "all versions are scored on the same pixels"


def test_scores_are_bounded():
    kept = Scores(2)
    for name in ("a", "b"):
        kept.put(name, name)
    assert kept.get("a") == "a"
    kept.put("c", "c")
    assert kept.get("b") is None and kept.get("a") == "a" and kept.get("c") == "c"
