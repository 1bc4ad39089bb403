"""The k-NN score: features that tell classes apart score high, others do not; test splits stay unread."""

import shutil

import numpy as np
import pytest
import torch

from parmesan_engine.errors import FormatError
from parmesan_engine.pretrain.scoring import knn_score
from parmesan_engine.types import FeatureLevel, FeaturePyramid
from tests.helpers import make_dataset


class Telling:
    """Features (cos, sin) of the brightness, or noise."""

    def __init__(self, blind: bool = False) -> None:
        self.blind = blind
        self.seen = []

    def encode(self, sample):
        self.seen.append(sample.name)
        values = sample.array[0].reshape(-1).astype(np.float32) / 80
        if self.blind:
            values = np.random.default_rng(0).uniform(0, 6, len(values)).astype(np.float32)
        keys = torch.from_numpy(np.stack([np.cos(values), np.sin(values)], 1))
        shape = sample.spatial_shape
        return FeaturePyramid((FeatureLevel(keys, shape, (1,) * len(shape)),), shape, ("a", "a"))


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_good_features_score_high_and_blind_ones_low(dims, tmp_path):
    data = make_dataset(tmp_path / "d", dims, train=5, test=1)
    good, blind = knn_score(Telling(), data), knn_score(Telling(blind=True), data)
    assert good["miou"] > 0.85 > 0.5 > blind["miou"] > 0
    assert good == knn_score(Telling(), data) and good["samples"] == 2


def test_values_are_scored_in_metres(tmp_path):
    data = make_dataset(tmp_path / "d", 2, "regression", train=4)
    good, blind = knn_score(Telling(), data), knn_score(Telling(blind=True), data)
    assert set(good) == {"data", "rmse", "samples"} and good["rmse"] < 0.1 < blind["rmse"] < 1


def test_the_test_split_is_not_even_there(tmp_path):
    data = make_dataset(tmp_path / "d", 2, train=4)
    encoder = Telling()
    expected = knn_score(encoder, data)
    shutil.rmtree(data / "test")
    assert knn_score(Telling(), data) == expected
    assert len(set(encoder.seen)) == len(encoder.seen) == 4  # asked samples are not remembered


def test_one_sample_is_too_few(tmp_path):
    with pytest.raises(FormatError, match="at least 2"):
        knn_score(Telling(), make_dataset(tmp_path / "d", 2, train=1))


def test_progress_can_cancel(tmp_path):
    def stop(fraction):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        knn_score(Telling(), make_dataset(tmp_path / "d", 1, train=3), progress=stop)
