"""Pictures to measure on: whatever datasets are given, all in three channels and with classes counted through."""

import numpy as np
import pytest

from parmesan_engine.bench import pictures as module
from parmesan_engine.bench.pictures import open_pictures, photographs
from parmesan_engine.errors import FormatError
from tests.helpers import make_dataset


def test_datasets_take_turns_and_their_classes_are_counted_through(tmp_path):
    make_dataset(tmp_path / "a", train=3)
    make_dataset(tmp_path / "b", train=2)
    make_dataset(tmp_path / "c", 3)  # volumes: left out of a folder of datasets
    found = open_pictures([tmp_path])
    assert (len(found.train), len(found.test), found.classes) == (5, 2, 6)
    loaded = [load() for load in found.train]
    assert all(sample.channels == 3 for sample, _ in loaded)
    assert [int(labels.max()) for _, labels in loaded] == [2, 5, 2, 5, 2]
    assert all(labels.flat[0] == -1 for _, labels in loaded)  # what is not labelled stays so


def test_the_order_follows_from_the_seed(tmp_path):
    folder = make_dataset(tmp_path / "a", train=6)

    def names(seed):
        return [load()[0].name for load in open_pictures([folder], seed=seed).train]

    assert names(1) == names(1) and sorted(names(1)) == sorted(names(2)) and any(names(1) != names(seed) for seed in (2, 3, 4))


@pytest.mark.parametrize("make", [lambda path: make_dataset(path, 1), lambda path: make_dataset(path, kind="regression"),
                                  lambda path: path.mkdir()])
def test_data_that_cannot_be_measured_is_refused(tmp_path, make):
    make(tmp_path / "a")
    with pytest.raises(FormatError, match="images with classes"):
        open_pictures([tmp_path / "a"])


def test_without_any_data_pictures_are_generated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = open_pictures(())
    assert found.names == ("generated tissue",) and found.train[0]()[0].channels == 3
    assert not np.array_equal(found.train[0]()[0].array, found.test[0]()[0].array)
    source, samples = photographs(2, found)
    assert source == "generated tissue" and len(list(samples)) == 2


def test_photographs_are_used_where_they_are(tmp_path, monkeypatch):
    folder = make_dataset(tmp_path / "a")
    monkeypatch.setattr(module, "PHOTOGRAPHS", folder / "train" / "images")
    source, samples = photographs(1, open_pictures([folder]))
    assert source.endswith("images") and [sample.channels for sample in samples] == [3]
