"""Keys of real pictures: unit rows of the width asked for, by seed, from pictures that are not mixed up."""

import numpy as np
import pytest
import torch

from parmesan_engine.bench import dictionary, features
from parmesan_engine.bench.features import LEARNED, Maker
from parmesan_engine.bench.pictures import open_pictures
from parmesan_engine.errors import EmptyMemoryError
from parmesan_engine.types import Sample
from tests.helpers import make_dataset, sample


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return open_pictures([make_dataset(tmp_path_factory.mktemp("data") / "a", train=3, test=2)])


@pytest.mark.parametrize("name", ["tiny", "filter_bank", LEARNED])
def test_keys_have_unit_length_and_follow_from_the_seed(pictures, name):
    widths = (32, 64)
    maker, again = Maker(name, pictures, widths), Maker(name, pictures, widths)
    entries, queries = maker.entries(300, widths), maker.queries(60)
    for width in widths:
        rows = entries.keys[width]
        assert rows.shape == (300, width) and queries.keys[width].shape == (60, width)
        assert torch.allclose(rows.norm(dim=1), torch.ones(300), atol=1e-6)
        assert torch.equal(rows, again.entries(300, widths).keys[width])
        assert float(torch.cdist(queries.keys[width], rows).min()) > 1e-4  # not a picture of the memory
    assert entries.labels.min() >= 0 and set(maker.how) == set(widths)


def test_the_metric_is_the_project_s_where_the_width_is(pictures):
    maker = Maker("filter_bank", pictures, (64, 32))
    assert "as a project" in maker.how[64] and not np.isnan(maker.metrics[64].score) and "principal" in maker.how[32]


def test_there_are_as_many_entries_as_labelled_nodes(pictures):
    assert len(Maker("tiny", pictures, (8,)).entries(10_000, (8,)).labels) == 3 * (12 * 10 - 1)  # one pixel of each is not labelled


def test_pictures_without_labels_are_refused(pictures):
    def blank():
        return sample(2, channels=3), np.full((24, 20), -1, np.int16)

    maker = Maker("tiny", pictures, (8,))
    maker.pictures = type(pictures)(("blank",), (blank,), (blank,), 1)
    with pytest.raises(EmptyMemoryError):
        maker.queries(5)


def test_coarse_keys_are_those_of_the_encoder_s_coarsest_level():
    def load():
        return sample(2, 3, channels=3, shape=(70, 90)), np.zeros((70, 90), np.int16)

    maker = Maker("filter_bank", features.Pictures(("one",), (load,), (load,), 2), (64,))
    pyramid = features.ENCODERS.build({"name": "filter_bank"}).encode(load()[0], stride=2)
    expected = maker.metrics[64].transform(pyramid.levels[-1].keys)[torch.from_numpy(pyramid.parents(-1))]
    assert torch.allclose(maker.entries(35 * 45, (64,)).coarse_keys(64), expected, atol=1e-5)


def test_queries_stand_together_in_squares():
    nodes = features._squares(np.arange(40 * 40), 40, 128, np.random.default_rng(0))
    assert len(np.unique(nodes)) == 128 and len(np.unique(nodes // 40 // 8 * 40 + nodes % 40 // 8)) == 2


def test_joined_features_are_those_of_the_nodes_around(pictures):
    level = features.ENCODERS.build({"name": "tiny"}).encode(sample(2, channels=3, shape=(40, 40)), stride=2).levels[0]
    grid = level.keys.view(*level.grid, -1)
    joined = features._joined(level, 1, torch.tensor([7 * 20 + 9, 0])).view(2, 3, 3, -1)
    assert torch.equal(joined[0], grid[5:11:2, 7:13:2])
    assert torch.equal(joined[1, 0, 0], grid[0, 0]) and torch.equal(joined[1, 2, 2], grid[2, 2])  # the border repeats


def test_a_dictionary_answers_alike_where_all_is_alike_and_for_every_node():
    learned = dictionary.learn([sample(2, seed, channels=3, shape=(40, 40)) for seed in range(3)], (16,))[16]
    flat = Sample(np.full((3, 21, 15), 9, np.uint8), "flat")
    found = learned.features(dictionary.patches(flat), dictionary.grid_of(flat))
    assert found.shape == (11 * 8, 16) and torch.allclose(found, found[:1].expand_as(found), atol=1e-5)
    busy = sample(2, 5, channels=3, shape=(40, 40))
    assert learned.features(dictionary.patches(busy), dictionary.grid_of(busy)).std(0).max() > 0.05
