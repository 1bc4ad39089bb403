"""Hummingbird: the formulas of the paper, rare classes first, and the mistakes of the public evaluation code avoided."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from parmesan_engine.methods import METHODS, learn_at_once
from parmesan_engine.methods.hummingbird import rarity, thinned
from parmesan_engine.methods.labelled import LabelledSamples, encode_samples
from parmesan_engine.types import EntryBatch
from tests.helpers import TASK, VALUES, TinyEncoder, sample, truth
from tests.methods.lessons import ENCODER, nodes, query


def taught(given, **keywords):
    method = METHODS.build({"name": "hummingbird", "keywords": keywords})
    learn_at_once(method, given)
    return method


def entries(labels, sample_hash="picture"):
    count = len(labels)
    keys = np.random.default_rng(0).normal(size=(count, 2)).astype(np.float32)
    places = np.arange(count)
    return EntryBatch(keys, np.asarray(labels, np.float32), places[:, None], keys[:0], places, "id", sample_hash, "g", "a", "s", 0.0)


@pytest.fixture
def given():
    return nodes(range(3))


@pytest.mark.parametrize(("k", "tau"), [(30, 0.02), (5, 0.5)])
@pytest.mark.parametrize("task", [TASK, VALUES], ids=["classes", "values"])
def test_answers_are_those_of_the_formula(task, k, tau):
    given = nodes(range(3), task=task)
    keys, queries = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (given.keys.astype(float), query_keys()))
    cosine = queries @ keys.T
    nearest = np.argsort(-cosine, axis=1, kind="stable")[:, :k]
    raised = np.exp(np.take_along_axis(cosine, nearest, 1) / tau)
    expected = np.einsum("qk,qkl->ql", raised / raised.sum(1, keepdims=True), given.labels[nearest])
    answer = taught(given, k=k, tau=tau).predict(ENCODER.encode(sample(2, 7))).ravel()
    if task is TASK:
        assert (answer == expected.argmax(1)).mean() > 0.99  # nearly equal cosines may change places
    else:
        assert np.quantile(np.abs(answer - expected[:, 0]), 0.99) < 1


def query_keys():
    return ENCODER.encode(sample(2, 7)).levels[0].keys.numpy().astype(float)


def test_one_neighbour_gives_a_memorised_picture_its_own_labels_back():
    labels = np.random.default_rng(0).integers(0, 3, (24, 20)).astype(np.int16)
    given, _ = encode_samples(ENCODER, LabelledSamples([sample(2, 0)], [labels], TASK, False), "lesson")
    for keywords in ({"k": 1}, {"tau": 1e-6}):
        assert np.array_equal(taught(given, **keywords).predict(ENCODER.encode(sample(2, 0))), labels)


def test_only_the_direction_of_features_counts(given):
    longer = replace(given, batches=[replace(batch, keys=batch.keys * np.float32(2) ** (np.arange(len(batch.keys))[:, None] % 8))
                                     for batch in given.batches])
    pyramid = ENCODER.encode(sample(2, 7))
    further = replace(pyramid, levels=(replace(pyramid.levels[0], keys=8 * pyramid.levels[0].keys), *pyramid.levels[1:]))
    assert np.array_equal(taught(given).predict(pyramid), taught(longer).predict(further))


def test_shares_of_classes_are_interpolated_before_one_is_chosen():
    keys = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    batch = replace(entries([[1, 0, 0], [0.4, 0.6, 0]]), keys=keys.numpy())
    method = taught(replace(nodes([0]), batches=[batch], groups=("a", "b")), k=1)
    level = replace(ENCODER.encode(sample(1, 0)).levels[0], keys=keys, grid=(2,), stride=(8,))
    answer = method.predict(replace(ENCODER.encode(sample(1, 0)), levels=(level,), spatial_shape=(16,)))
    share = 1 - 0.6 * np.minimum(np.arange(16), 8) / 8  # of class 0: 1 at the first node, 0.4 at the second
    assert np.array_equal(answer, (share < 0.5).astype(np.int16))


def test_pixels_without_a_label_are_no_class():
    labels = np.where(truth(2, 0) == 0, -1, truth(2, 0)).astype(np.int16)  # nothing says where the ground is
    given, _ = encode_samples(TinyEncoder(), LabelledSamples([sample(2, 0)], [labels], TASK, True), "lesson")
    assert len(given) == (labels >= 0).sum() and not given.labels[:, 0].any()
    assert 0 not in taught(given).predict(TinyEncoder().encode(sample(2, 0)))


def test_rarity_counts_nodes_by_class():
    labels = [[1, 0, 0]] * 4 + [[0.2, 0.8, 0]] + [[0, 0, 1]] * 2
    assert rarity(np.array(labels)).tolist() == [5, 5, 5, 5, 6, 2, 2]


def test_rare_classes_come_first():
    kept = [thinned(entries(np.eye(2)[np.repeat([0, 1], [190, 10])]), 20, seed, classes=True).labels.sum(0) for seed in range(50)]
    alike = [thinned(entries(np.eye(2)[np.repeat([0, 1], [190, 10])]), 20, seed, classes=False).labels.sum(0) for seed in range(50)]
    # of 10 draws times 10 nearly all are below the 20th smallest of 190 draws times 190; by lot alone one of ten nodes is kept
    assert np.mean(kept, 0)[1] > 7 and np.mean(alike, 0)[1] < 2


def test_fewer_nodes_are_a_part_of_more_and_too_few_are_all():
    batch = entries(np.eye(3)[np.arange(40) % 3])
    kept = [set(thinned(batch, count, 1, classes=True).coordinates[:, 0]) for count in (3, 10, 40, 400)]
    assert kept[0] < kept[1] < kept[2] == kept[3] == set(range(40)) and [len(k) for k in kept[:2]] == [3, 10]


def test_the_choice_depends_on_seed_and_sample_and_rows_stay_together():
    labels = np.eye(3)[np.arange(60) % 3]
    kept = [thinned(entries(labels, name), 20, seed, classes=True) for name, seed in (("a", 0), ("a", 0), ("b", 0), ("a", 1))]
    places = [tuple(batch.coordinates[:, 0]) for batch in kept]
    assert places[0] == places[1] and len(set(places)) == 3
    whole = entries(labels, "a")
    assert np.array_equal(kept[0].keys, whole.keys[list(places[0])]) and np.array_equal(kept[0].labels, whole.labels[list(places[0])])


@pytest.mark.parametrize("task", [TASK, VALUES], ids=["classes", "values"])
def test_what_is_kept_of_a_sample_is_bounded(task):
    given = nodes(range(3), task=task)
    method = taught(given, per_sample=7)
    row = given.keys[0].nbytes + given.labels[0].nbytes
    assert method.bytes == 3 * 7 * row and taught(given).bytes == len(given) * row
    assert method.predict(query(method)).shape == (24, 20)
