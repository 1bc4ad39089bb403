"""Another encoder for the same examples: tried in RAM, or in a project of its own; the old project stays as it is."""

from dataclasses import replace

import numpy as np
import pytest

from parmesan_engine.errors import EmptyMemoryError, FormatError, UnknownNameError
from parmesan_engine.jobs import StoppedError
from parmesan_engine.memory.copying import batches_of
from parmesan_engine.project import Project
from parmesan_engine.project.reencoding import project_with
from parmesan_engine.project.truth import keep_truth, truth
from parmesan_engine.project.trying import ALL, look, parts_of, try_encoder
from parmesan_engine.registry import recipe_of
from parmesan_engine.types import Sample
from tests.helpers import TinyEncoder, same
from tests.helpers import truth as labels_of
from tests.project.painter import BLOB, SHAPE, files_of, new_project, teach

TEXT = "tiny:gain=0.01"


@pytest.fixture
def taught(tmp_path):
    project, ids = new_project(tmp_path / "old")
    teach(project, ids[0], author="ada")
    teach(project, ids[1], author="bob", source="second")
    keep_truth(project.path, project.store.record(ids[0]), labels_of(2, 0, SHAPE))
    with project:
        yield project, ids


def origins(project):
    memory = project.memory
    rows = memory.provenance(memory.select())
    return sorted((*(vars(row).items()), memory.answers([i])[0], memory.weights([i])[0])
                  for i, row in zip(memory.select(), rows, strict=True))


def test_another_encoder_keeps_every_example_with_where_it_comes_from(taught, tmp_path):
    project, ids = taught
    project.memory.switch(False, source="second")
    project.refresh()
    before = files_of(project.path), project.version, len(project.history())
    folder = project_with(project, TEXT, tmp_path / "new", author="eve")
    assert (files_of(project.path), project.version, len(project.history())) == before
    with Project.open(folder) as other:
        assert recipe_of(other.encoder) == recipe_of(TinyEncoder(gain=0.01)) and not other.verify()
        assert str(origins(other)) == str(origins(project)) and other.task == project.task
        assert [r.id for r in other.samples()] == ids and np.array_equal(truth(other.path, ids[0]), truth(project.path, ids[0]))
        (record,) = [r for r in other.history() if r.verb == "add"]
        assert record.author == "eve" and "old" not in record.note and "encoded by tiny" in record.note
        entry = other.memory.ids[0]
        at = other.memory.coordinates([entry])[0]
        pyramid = other.encoder.encode(other.read_sample(other.memory.provenance([entry])[0].sample_id))
        assert np.array_equal(other.memory.keys([entry])[0], pyramid.levels[0].keys[pyramid.levels[0].nodes_of(at[None])[0]].numpy())
        assert other.annotate(ids[0], [BLOB], author="ada").entries_added and other.predict(ids[0]).encoder["name"] == "tiny"


def test_the_same_encoder_gives_the_same_project(taught, tmp_path):
    project, ids = taught
    with Project.open(project_with(project, "filter_bank", tmp_path / "new")) as other:
        project.refit()
        assert other.version == project.version and same(other.predict(ids[1]), project.predict(ids[1]))


def test_cancelled_or_impossible_nothing_stays(taught, tmp_path):
    project, _ = taught

    def stop(fraction):
        raise StoppedError

    with pytest.raises(StoppedError):
        project_with(project, TEXT, tmp_path / "new", progress=stop)
    with pytest.raises(UnknownNameError):
        project_with(project, "oracle", tmp_path / "new")
    with pytest.raises(UnknownNameError, match="cpu or cuda"):
        project_with(project, "filter_bank:device=tpu", tmp_path / "new")
    with pytest.raises(FormatError, match="which is there already"):
        project_with(project, TEXT, project.path)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_examples_of_single_pixels_are_encoded_at_single_pixels(tmp_path, monkeypatch):
    strides, encode = [], TinyEncoder.encode
    monkeypatch.setattr(TinyEncoder, "strides_for", lambda self, shape: (2, 2))
    monkeypatch.setattr(TinyEncoder, "encode", lambda self, given, stride=None, **more: strides.append(stride) or encode(self, given))
    project, _ = new_project(tmp_path / "old", seeds=())
    with project:
        noise = np.random.default_rng(0).integers(0, 255, (1, 300, 260)).astype(np.uint8)  # so large that a node covers 2 x 2 pixels
        record = project.add_sample(Sample(noise, "large"))
        project.annotate(record.id, [BLOB])
        project_with(project, TEXT, tmp_path / "strokes")
        pixel = replace(next(batches_of(project.memory, project.memory.ids[:1])), coordinates=np.array([[7, 8]]), gesture="pixel")
        project.commit([pixel])
        project_with(project, TEXT, tmp_path / "pixels")
    assert strides == [None, 1]


def test_a_trial_scores_and_shows_without_touching_the_project(taught):
    project, ids = taught
    before, seen = (files_of(project.path), project.version), []
    trial = try_encoder(project, TEXT, seen.append)
    assert seen == sorted(seen) and seen[-1] == 1.0 and trial.version == project.version
    assert trial.left_out == "sample" and trial.own["miou"] > 0.5 and trial.checked == 1 and trial.truth["miou"] > 0.5
    assert (trial.entries, trial.channels, trial.bytes_per_entry) == (len(project), 4, 16)
    shown = look(trial, project.read_sample(ids[1]), 1)
    assert shown.answer.shape == SHAPE and set(shown.pictures) == {ALL} and shown.pictures[ALL].shape == (*SHAPE, 3)
    assert not trial.predictor.states and len(np.unique(shown.pictures[ALL])) > 50
    trial.predictor.set_sample("s", project.read_sample(ids[1]))
    assert np.array_equal(shown.answer, trial.predictor.overview("s").labels) and set(np.unique(shown.answer)) == {0, 1, 2}
    assert (files_of(project.path), project.version) == before


def test_a_trial_of_the_own_encoder_predicts_what_the_project_does(taught):
    project, ids = taught
    project.refit()
    trial = try_encoder(project, "filter_bank")
    trial.predictor.set_sample("s", project.read_sample(ids[1]))
    assert np.array_equal(trial.predictor.predict("s").probabilities, project.predict(ids[1]).probabilities)


def test_without_examples_there_is_nothing_to_try(tmp_path):
    project, _ = new_project(tmp_path / "old")
    with project, pytest.raises(EmptyMemoryError):
        try_encoder(project, TEXT)


def test_parts_of_learned_features_and_of_filters():
    parts = parts_of(("stage@4",) * 48 + ("stage@16",) * 48 + ("edges@16", "hessian@16", "edges@2", "coordinates"))
    assert {k: len(v) for k, v in parts.items()} == {ALL: 99, "stage at stride 4": 48, "stage at stride 16": 48, "filters at scale 16": 2,
                                                    "filters at scale 2": 1}
