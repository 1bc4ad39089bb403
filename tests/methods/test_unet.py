"""The U-Net baseline: any shape, the same by its seed, learns from a few pixels, and says why it stopped."""

import numpy as np
import pytest
import torch

from parmesan_engine.compare import compare
from parmesan_engine.io import open_dataset
from parmesan_engine.jobs import StoppedError
from parmesan_engine.methods import METHODS, learn_at_once
from parmesan_engine.methods.examples import Example
from parmesan_engine.methods.labelled import LabelledSamples, read_labelled
from parmesan_engine.methods.network import Head
from parmesan_engine.methods.unet import UNet
from parmesan_engine.methods.unet_trunk import UNetTrunk
from tests.helpers import SIDES, TASK, VALUES, make_dataset, sample, truth


def lesson(dims, task=TASK, count=6, keep=1.0):
    maps = [truth(dims, seed) for seed in range(count)]
    if task is VALUES:
        maps = [(1000 + 500.0 * labels).astype(np.float32) for labels in maps]
    random = np.random.default_rng(0)
    maps = [np.where(random.random(m.shape) < keep, m, np.nan if task is VALUES else -1).astype(m.dtype) for m in maps]
    return LabelledSamples([sample(dims, seed) for seed in range(count)], maps, task, keep == 1)


@pytest.mark.parametrize("shape", [(1,), (37,), (1, 1), (33, 5), (2, 9, 3)])
def test_answers_have_the_shape_of_the_sample(shape):
    net = UNetTrunk(2, len(shape)).eval()
    with torch.inference_mode():
        assert net(torch.zeros(1, 2, *shape)).shape == (1, net.width, *shape)


@pytest.mark.parametrize(("dims", "task", "keep"), [(1, TASK, 1.0), (2, TASK, 0.1), (2, VALUES, 1.0), (3, TASK, 1.0)])
def test_it_learns_and_says_how(dims, task, keep, monkeypatch):
    monkeypatch.setattr("parmesan_engine.methods.training.PATIENCE", 2)
    monkeypatch.setattr("parmesan_engine.methods.training.STEPS", 20)
    head = UNet()
    learn_at_once(head, lesson(dims, task, keep=keep))
    answer, expected = head.predict(sample(dims, 7)), truth(dims, 7)
    assert answer.shape == SIDES[dims] and head.bytes > 100_000 and "rounds" in head.note
    if task is TASK:
        assert answer.dtype == np.int16 and (answer == expected).mean() > 0.85
    else:
        assert np.abs(answer - (1000 + 500 * expected)).mean() < 150


def test_the_same_seed_gives_the_same_network_and_another_another(monkeypatch):
    monkeypatch.setattr("parmesan_engine.methods.training.PATIENCE", 1)
    monkeypatch.setattr("parmesan_engine.methods.training.STEPS", 2)
    before, nets = torch.random.get_rng_state(), []
    for seed in (0, 0, 1):
        head = UNet(seed=seed)
        learn_at_once(head, lesson(2, count=3))
        nets.append(torch.cat([p.detach().flatten() for p in head.net.parameters()]))
        assert "stopped rising" in head.note
    assert torch.equal(nets[0], nets[1]) and not torch.equal(nets[0], nets[2])
    assert torch.equal(before, torch.random.get_rng_state())


def test_it_stops_within_a_round_when_its_time_is_over():
    head = UNet(minutes=0.0)
    learn_at_once(head, lesson(1, count=2))
    assert "minutes were over" in head.note and " 1 rounds" in head.note


def test_progress_can_stop_it():
    def stop(fraction):
        raise StoppedError

    with pytest.raises(StoppedError):
        learn_at_once(UNet(), lesson(2, count=2), stop)


def test_large_samples_are_averaged_onto_the_nodes_of_the_encoders():
    head, given = UNet(), sample(2, shape=(300, 260))
    values, pyramid = head.seen(given)
    assert pyramid.levels[0].stride == (2, 2) and values.shape == (3, 150, 130)
    labels = np.full((300, 260), -1, np.int16)
    labels[4, 6], labels[5, 7] = 1, 2
    grid = head.grid(Example.of("", 0, given.array, labels), Head(16, 2, TASK))
    assert grid.known.sum() == 1 and grid.labels[:, 2, 3].tolist() == [0, 0.5, 0.5]


def test_compare_gives_it_the_same_pixels_as_the_others_once(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("parmesan_engine.methods.training.PATIENCE", 1)
    monkeypatch.setattr("parmesan_engine.methods.training.STEPS", 1)
    observe = UNet.observe
    monkeypatch.setattr(UNet, "observe", lambda self, given: seen.append(given) or observe(self, given))
    folder = make_dataset(tmp_path / "data", train=3)
    result = compare(folder, samples=3, per_class=4, methods=("knn", "unet:minutes=1"), encoders=("tiny", "skimage"))
    assert [(r["method"], r["encoder"], r["entries"]) for r in result["results"]] == [
        ("knn", "tiny", 36), ("knn", "skimage", 36), ("unet:minutes=1", "pixels", 36)]
    again = read_labelled(open_dataset(folder), "train", 3, [4], 0, 1)[4]
    assert len(seen) == 1 and all(np.array_equal(a, b) for a, b in zip(seen[0].labels, again.labels, strict=True))
    assert METHODS.get("unet").raw and result["results"][-1]["encode_seconds"] == 0
