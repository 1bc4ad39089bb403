"""One sample and many methods: the labels are the project's, the answers are what the methods would give alone, nothing is changed."""

import numpy as np
import pytest

from parmesan_engine.compare.picture import Asked, answer, difference, disagreement, learn, nodes_of, samples_of
from parmesan_engine.errors import EmptyMemoryError, FormatError, LimitError, ShapeError, UnknownNameError
from parmesan_engine.evaluation import Score
from parmesan_engine.gestures import Stroke
from parmesan_engine.jobs import StoppedError
from parmesan_engine.project import Project, fitting
from parmesan_engine.project.entries import make_batch, one_hot
from parmesan_engine.project.truth import keep_truth
from parmesan_engine.project.truth import truth as kept_truth
from tests.helpers import TASK, VALUES, TinyEncoder, sample, truth  # noqa: F401 -- the encoder registers itself

QUICK = ["parmesan", "knn", "random_forest:trees=5"]


def make(folder, dims, task=TASK, samples=2):
    """Return a project whose first sample has every ninth pixel as an example, and the second its truth."""
    project = Project.create(folder, name="tiny", task=task, encoder="tiny")
    for seed in range(samples):
        record, labels = project.add_sample(sample(dims, seed)), truth(dims, seed)
        given = 1000.0 + 500 * labels.astype(np.float32) if task is VALUES else labels
        if seed == 0:
            pyramid, nodes = project.features.get(record.id), np.arange(0, given.size, 9)
            rows = given.ravel()[nodes, None] if task is VALUES else one_hot(given.ravel()[nodes], 3)
            project.commit([make_batch(pyramid, nodes, rows, sample_id=record.id, sample_hash=record.content_hash, gesture="labels",
                                       author="tester", source="test", time=0.0)])
        keep_truth(project.path, record, given)
    return project


@pytest.fixture(params=[(1, TASK), (2, TASK), (3, TASK), (2, VALUES)], ids=["1d", "2d", "3d", "values"])
def project(tmp_path, request):
    with make(tmp_path / "tiny", *request.param) as made:
        yield made


def test_methods_answer_and_are_scored_and_the_project_stays_as_it_is(project):
    before = project.version, len(project.history())
    asked = Asked(project, project.samples()[1].id)
    shape = asked.sample.spatial_shape
    for text in QUICK:
        learned = learn(project, text)
        said = answer(learned, asked)
        assert said.values.shape == shape and learned.examples == len(project) and learned.method.bytes > 0
        assert said.checked == np.prod(shape)  # nothing is painted here
        wanted = Score(project.task)
        wanted.add(kept_truth(project.path, asked.sample_id), said.values)
        assert repr(said.score) == repr(wanted.result())  # NaN where nothing is calibrated
        assert said.encode_seconds == asked.seconds > 0
    assert (project.version, len(project.history())) == before


def test_ours_says_what_the_studio_says(project):
    project.refit()
    shown = project.samples()[1].id
    said, known = answer(learn(project, "parmesan"), Asked(project, shown)).values, project.predict(shown)
    np.testing.assert_allclose(said, known.values if known.labels is None else known.labels, rtol=1e-6)


def test_each_method_fits_what_it_needs_itself(tmp_path, monkeypatch):
    fits, fit = [], fitting.fit
    monkeypatch.setattr(fitting, "fit", lambda *given, **named: fits.append(1) or fit(*given, **named))
    with make(tmp_path / "tiny", 2) as project:
        before = len(fits)  # the project's own, of the same examples
        for text in ("parmesan", "hierarchical"):
            learn(project, text)
        assert len(fits) - before == 2


def test_painted_places_are_not_scored(project):
    own = project.samples()[0].id
    said = answer(learn(project, "knn"), Asked(project, own))
    assert said.checked == int((project.painted(own) < 0).sum()) < said.values.size


def test_maps_of_samples_say_the_same_as_the_examples(project):
    nodes = nodes_of(project.memory, project.encoder, project.features.channels)
    maps = samples_of(nodes, project.features.sample)
    assert len(maps) == len(nodes) == len(project) and len(maps.samples) == 1 and not maps.whole
    given, labels = truth(maps.samples[0].spatial_dims, 0), maps.labels[0]
    known = np.isfinite(labels) if labels.dtype.kind == "f" else labels >= 0
    assert np.array_equal(np.flatnonzero(known), np.arange(0, labels.size, 9))
    wanted = given[known] if project.task.kind == "segmentation" else 1000 + 500 * given[known]
    assert np.array_equal(labels[known], wanted)


def test_examples_that_are_switched_off_are_not_learned(tmp_path):
    with make(tmp_path / "tiny", 2) as project:
        ids = project.memory.ids[:7]
        project.memory.modify(ids, weights=np.zeros(7, np.float32))
        assert learn(project, "knn").examples == len(project) == len(nodes_of(project.memory, project.encoder, 1))


def test_what_novelty_holds_back_is_learned_by_all(tmp_path):
    with Project.create(tmp_path / "new", name="new", task=TASK, encoder="tiny", novelty=0.05) as project:
        record = project.add_sample(sample(2, 0))
        project.annotate(record.id, [Stroke("brush", [(2, 2), (14, 2)], radius=2, label=0)])
        assert len(project) < project.memory.stored == learn(project, "knn").examples


@pytest.mark.parametrize(("text", "error"), [("oracle", UnknownNameError), ("knn:k=many", FormatError), ("knn", EmptyMemoryError)])
def test_what_cannot_be_learned_says_so(tmp_path, text, error):
    with Project.create(tmp_path / "bare", name="bare", task=TASK) as project:
        with pytest.raises(error):
            learn(project, text)
        project.add_sample(sample(2, 0))
        with pytest.raises(error):
            learn(project, text)


def test_a_sample_that_is_too_large_is_refused_before_it_is_answered(tmp_path, monkeypatch):
    with make(tmp_path / "tiny", 2) as project:
        learned, asked = learn(project, "knn"), Asked(project, project.samples()[1].id)
        monkeypatch.setattr("parmesan_engine.compare.picture.MOST", 24 * 20 * 3 - 1)
        with pytest.raises(LimitError):
            answer(learned, asked)
        assert asked.seconds is None
        monkeypatch.setattr("parmesan_engine.compare.picture.MOST", 24 * 20 - 1)
        with pytest.raises(LimitError):
            samples_of(nodes_of(project.memory, project.encoder, 1), project.features.sample)


def test_learning_can_be_cancelled(tmp_path):
    def stop(fraction):
        raise StoppedError

    with make(tmp_path / "tiny", 2) as project, pytest.raises(StoppedError):
        learn(project, "knn", stop)


def test_disagreement_does_not_depend_on_order_and_counts_those_that_differ():
    random = np.random.default_rng(0)
    answers = [random.integers(-1, 3, (9, 7)).astype(np.int16) for _ in range(5)]
    counts = np.stack([np.sum([one == c for one in answers], 0) for c in range(-1, 3)])
    assert np.array_equal(disagreement(answers), 5 - counts.max(0))
    assert np.array_equal(disagreement(answers[::-1]), disagreement(answers)) and not disagreement(answers[:1]).any()


def test_disagreement_of_values_is_their_deviation_and_leaves_the_unknown_out():
    answers = [np.array([1.0, np.nan, 5.0, np.nan], np.float32), np.array([3.0, 2.0, 5.0, np.nan], np.float32)]
    assert np.array_equal(disagreement(answers), np.array([1.0, 0.0, 0.0, np.nan], np.float32), equal_nan=True)
    assert difference(*answers) == pytest.approx(np.sqrt(2.0)) and np.isnan(difference(answers[0][3:], answers[1][3:]))


def test_answers_about_different_samples_are_refused():
    with pytest.raises(ShapeError):
        disagreement([np.zeros((2, 3), np.int16), np.zeros((3, 2), np.int16)])
    with pytest.raises(ShapeError):
        disagreement([])
