"""Folders of any samples as views, and the contrastive objective: what a step sees follows from its seed, and it can be learned."""

import numpy as np
import pytest
import torch
from torch import nn

from parmesan_engine.errors import FormatError, LimitError, ShapeError
from parmesan_engine.pretrain import unlabelled
from parmesan_engine.pretrain.objectives import DenseContrast
from parmesan_engine.pretrain.unlabelled import Unlabelled
from tests.helpers import sample, write_image

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
SHAPES = {1: (64,), 2: (32, 32), 3: (12, 12, 12)}
dimensions = pytest.mark.parametrize("dims", [1, 2, 3])


class TwoLevels(nn.Module):
    """The smallest pyramid: strides 2 and 4."""

    strides = (2, 4)

    def __init__(self, dims: int, channels: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fine = CONVOLUTIONS[dims](channels, 8, 4, stride=2, padding=1)
        self.coarse = CONVOLUTIONS[dims](8, 8, 2, stride=2)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        fine = self.fine(x)
        return [fine, self.coarse(torch.relu(fine))]


def folder_of(path, dims, count=3):
    path.mkdir()
    for seed in range(count):
        write_image(path / f"file{seed}", sample(dims, seed).array[0], dims)
    (path / ("notes.txt" if dims > 1 else "notes.md")).write_text("not a picture")
    return path


@dimensions
def test_a_folder_becomes_views(dims, tmp_path):
    held = Unlabelled(folder_of(tmp_path / "f", dims), spatial_dims=dims, channels=2)
    assert len(held.pictures) == 3 and all(p.shape[0] == 2 and torch.equal(p[0], p[1]) for p in held.pictures)
    shape = tuple(n // 2 for n in SHAPES[dims])
    one, again, other = (held.views(seed, 4, shape) for seed in (1, 1, 2))
    assert one.first.shape == (4, 2, *shape) and torch.equal(one.second, again.second) and not torch.equal(one.first, other.first)


def test_a_file_of_one_row_is_named_at_once(tmp_path):
    write_image(folder_of(tmp_path / "f", 2) / "line", np.zeros((1, 30), np.uint8), 2)
    with pytest.raises(ShapeError, match="line"):
        Unlabelled(tmp_path / "f", spatial_dims=2, channels=1)


def test_large_files_are_reduced_and_kept_to_scale(tmp_path, monkeypatch):
    monkeypatch.setitem(unlabelled.LARGEST, 2, 200)
    held = Unlabelled(folder_of(tmp_path / "f", 2), spatial_dims=2, channels=1)
    high, wide = held.pictures[0].shape[1:]
    assert 100 < high * wide <= 200 and abs(high / wide - 24 / 20) < 0.1
    assert 0.3 < held.pictures[0].float().median() < 0.6


def test_folders_that_cannot_serve_are_refused(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError):
        Unlabelled(tmp_path / "empty", spatial_dims=2, channels=3)
    monkeypatch.setattr(unlabelled, "MAX_BYTES", 1000)
    with pytest.raises(LimitError):
        Unlabelled(folder_of(tmp_path / "f", 2), spatial_dims=2, channels=3)


@dimensions
def test_a_batch_is_decided_by_its_generator(dims):
    objective = DenseContrast.of_scenes(dims, 1)
    one, again, other = (objective.batch(np.random.default_rng(seed), 4, SHAPES[dims][0]) for seed in (4, 4, 5))
    assert len(one) == 5 and all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not torch.equal(one[0], other[0])
    assert one[0].shape == (4, 1, *SHAPES[dims]) and one[1].max() == 1  # two pictures, two views of each


def test_pictures_have_no_regions_and_scenes_have(tmp_path):
    held = Unlabelled(folder_of(tmp_path / "f", 2), spatial_dims=2, channels=3)
    batches = [o.batch(np.random.default_rng(0), 4, 16) for o in (DenseContrast.of_pictures(held, 2), DenseContrast.of_scenes(2, 3))]
    assert [len(batch) for batch in batches] == [4, 5]


@dimensions
def test_the_loss_can_be_learned(dims):
    objective = DenseContrast.of_scenes(dims, 1)
    net, tensors = TwoLevels(dims, 1), objective.batch(np.random.default_rng(0), 4, SHAPES[dims][0])
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        loss = objective.loss(net, objective.heads(8, 2), tensors)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(p.grad.abs().sum() > 0 for p in net.parameters()) and losses[-1] < 0.8 * losses[0]


def test_views_are_normalised_as_encoders_do():
    pictures = DenseContrast.of_scenes(2, 3).batch(np.random.default_rng(0), 4, 64)[0]
    low, middle, high = np.percentile(pictures.flatten(2).numpy(), (1, 50, 99), axis=2)
    assert np.allclose(middle, 0, atol=1e-3) and np.allclose(high - low, 4.65, atol=0.05)
