"""Heads on equal labels: each learns the same entries, answers every pixel, and reports what it keeps."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from parmesan_engine.compare import HEADS, compare
from parmesan_engine.compare.heads import Labelled
from parmesan_engine.errors import EmptyMemoryError, ShapeError, UnknownNameError
from tests.helpers import SIDES, TASK, VALUES, TinyEncoder, batch, make_dataset, sample, truth

ENCODER = TinyEncoder(gain=1 / 64)


def labelled(task, dims=2, classes=(0, 1, 2)):
    batches = []
    for seed in range(3):
        pyramid, labels = ENCODER.encode(sample(dims, seed)), truth(dims, seed).ravel()
        nodes = np.random.default_rng(seed).permutation(np.flatnonzero(np.isin(labels, classes)))[:90]
        rows = np.eye(3)[labels[nodes]] if task is TASK else 1000 + 500.0 * labels[nodes, None]
        batches.append(batch(pyramid, np.sort(nodes), rows[np.argsort(nodes)], gesture=str(seed)))
    return Labelled(batches, task, ENCODER.groups_of(1, dims), ENCODER)


@pytest.mark.parametrize("name", ["parmesan", "hierarchical", "knn", "random_forest"])
@pytest.mark.parametrize("task", [TASK, VALUES], ids=["classes", "values"])
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_every_head_answers_every_pixel_well_and_always_the_same(name, task, dims):
    answers = []
    for _ in range(2):
        head = HEADS.build({"name": name})
        head.fit(labelled(task, dims))
        answers.append(head.predict(ENCODER.encode(sample(dims, 7))))
        assert head.bytes > 0
    assert answers[0].shape == SIDES[dims] and np.array_equal(*answers, equal_nan=True)
    expected = truth(dims, 7)
    if task is TASK:
        assert answers[0].dtype == np.int16 and (answers[0] == expected).mean() > 0.85
    else:
        assert np.nanmean(np.abs(answers[0] - (1000 + 500 * expected))) < 120


@pytest.mark.parametrize("name", ["parmesan", "hierarchical", "knn", "random_forest"])
def test_a_class_without_examples_is_never_answered_and_keeps_its_number(name):
    head = HEADS.build({"name": name})
    head.fit(labelled(TASK, classes=(0, 2)))  # the forest sees two classes of three
    assert set(np.unique(head.predict(ENCODER.encode(sample(2, 7))))) == {0, 2}


def test_the_forest_depends_on_its_seed_and_the_others_have_none():
    answers, entries, random = [], labelled(VALUES), np.random.default_rng(0)
    noise = replace(entries, batches=[replace(b, labels=random.normal(size=b.labels.shape)) for b in entries.batches])
    for seed in (1, 2):
        head = HEADS.build({"name": "random_forest", "keywords": {"seed": seed}})
        head.fit(noise)
        answers.append(head.predict(ENCODER.encode(sample(2, 7))))
    assert not np.array_equal(*answers)
    with pytest.raises(UnknownNameError):
        HEADS.build({"name": "knn", "keywords": {"seed": 1}})


def test_compare_runs_what_was_asked_for_and_stores_nothing(tmp_path):
    data, seen = make_dataset(tmp_path / "data", train=3, test=2), []
    files = sorted(p for p in tmp_path.rglob("*"))
    result = compare(data, samples=2, per_class=8, methods=("knn", "parmesan"), encoder="tiny", seeds=(0, 3), progress=seen.append)
    rows = result["results"]
    assert [(r["method"], r["seed"], r["samples"], r["encoder"]) for r in rows] == [("knn", 0, 2, "tiny"), ("parmesan", 0, 2, "tiny"),
                                                                                      ("knn", 3, 2, "tiny"), ("parmesan", 3, 2, "tiny")]
    assert rows[0]["entries"] == rows[1]["entries"] == 2 * 3 * 8 and seen == sorted(seen) and seen[-1] == 1.0
    assert rows[0]["encode_seconds"] == rows[1]["encode_seconds"] and sorted(p for p in tmp_path.rglob("*")) == files


def test_compare_refuses_what_cannot_be_compared(tmp_path):
    data, values = make_dataset(tmp_path / "data"), make_dataset(tmp_path / "values", kind="regression")
    with pytest.raises(ShapeError, match="same task"):
        compare(data, values, encoder="tiny")
    with pytest.raises(UnknownNameError, match="knn, parmesan, random_forest"):
        compare(data, methods=("oracle",), encoder="tiny")
    for label in (data / "train" / "labels").iterdir():  # nothing labelled at all
        Image.fromarray(np.full(SIDES[2], 255, np.uint8)).save(label)
    with pytest.raises(EmptyMemoryError, match="choose more samples"):
        compare(data, methods=("knn",), encoder="tiny")
