"""Nearest class mean: one mean a class, whatever the steps were; values by shares."""

from dataclasses import replace

import numpy as np

from parmesan_engine.methods import METHODS, learn_at_once
from parmesan_engine.methods.class_mean import SHARES, condensed
from tests.helpers import VALUES, sample
from tests.methods.lessons import ENCODER, nodes

MEANS = METHODS.get("nearest_class_mean")


def test_each_pixel_gets_the_class_of_the_nearest_mean():
    given, method = nodes(range(3)), MEANS()
    learn_at_once(method, given)
    means = np.stack([given.keys[given.labels[:, c] == 1].mean(0) for c in range(3)])
    pyramid = ENCODER.encode(sample(2, 7))
    distance = np.linalg.norm(pyramid.levels[0].keys.numpy()[:, None] - means, axis=2)
    assert (method.predict(pyramid).ravel() == distance.argmin(1)).mean() > 0.99


def test_a_node_of_two_classes_counts_to_each_by_its_share():
    given = nodes([0])
    batch = given.batches[0]
    two = {name: getattr(batch, name)[:2] for name in ("keys", "labels", "coordinates", "parents")}
    two["labels"] = np.array([[1, 0, 0], [0.25, 0, 0.75]], np.float32)
    kept = condensed(replace(given, batches=[replace(batch, **two)]))
    (one, other), counts = batch.keys[:2], kept.batches[0].weights
    np.testing.assert_allclose(kept.keys, [(one + 0.25 * other) / 1.25, other], rtol=1e-6)
    assert counts.tolist() == [1.25, 0.75] and kept.labels.tolist() == [[1, 0, 0], [0, 0, 1]]


def test_steps_are_merged_as_if_there_had_been_one():
    at_once, apart = MEANS(), MEANS()
    learn_at_once(at_once, nodes(range(4)))
    for seeds in (range(3), [3]):  # of three samples and of one: the means of the two are not of as many nodes
        apart.begin_experience(replace(at_once.experience, name=str(seeds)))
        apart.observe(nodes(seeds))
        apart.end_experience()
    one, two = (method.models["segmentation"].keys for method in (at_once, apart))
    np.testing.assert_allclose(one, two, rtol=1e-5)
    assert apart.bytes == 2 * at_once.bytes == 2 * 3 * 4 * (len(one[0]) + 3)  # three means of a step, float32, with their labels


def test_shares_of_values_are_in_order_and_as_large_as_each_other():
    given = nodes(range(3), task=VALUES)
    kept = condensed(given)
    values, parts = kept.labels[:, 0], np.array_split(np.sort(given.labels[:, 0]), SHARES)
    assert len(kept) == SHARES and (np.diff(values) >= 0).all() and np.ptp(kept.batches[0].weights) <= 1
    assert kept.batches[0].weights.sum() == len(given) and abs(values[0] - parts[0].mean()) < 1 and abs(values[-1] - parts[-1].mean()) < 1


def test_a_few_values_are_a_share_each():
    given = nodes([0], task=VALUES, per_class=1)
    kept = condensed(given)
    order = np.argsort(given.labels[:, 0])
    assert len(given) == 3 and np.allclose(kept.keys, given.keys[order]) and np.allclose(kept.labels, given.labels[order])
    method = MEANS()
    learn_at_once(method, given)
    assert set(np.unique(method.predict(ENCODER.encode(sample(2, 0))))) == set(given.labels[:, 0])
