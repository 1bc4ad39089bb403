"""Photographs with categories: what is read, what a collage says it shows, what a network is asked."""

import numpy as np
import pytest
import torch
from PIL import Image

from parmesan_engine.encoders.pyramid_net import PyramidNet
from parmesan_engine.errors import FormatError
from parmesan_engine.pretrain.categories import Categories
from parmesan_engine.pretrain.photographs import SHORT_SIDE, Photographs


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Three red apples, one blue sea: the colour tells the category."""
    folder = tmp_path_factory.mktemp("photographs")
    colours = {"apple_0001": (255, 0, 0), "apple_0002": (255, 10, 0), "sea_urchin-07": (0, 0, 255), "apple_0003": (250, 0, 9)}
    for name, colour in colours.items():
        Image.new("RGB", (60, 50), colour).save(folder / f"{name}.png")
    Image.new("L", (400, 300), 90).save(folder / "stone_1.jpg")
    (folder / "notes.txt").write_text("not a picture")
    return Photographs(folder)


def test_categories_come_from_names(photographs):
    assert photographs.categories == ["apple", "sea_urchin", "stone"]
    assert photographs.labels.tolist() == [0, 0, 0, 1, 2]
    assert [tuple(i.shape) for i in photographs.images] == [(3, 50, 60)] * 4 + [(3, SHORT_SIDE, 192)]
    assert all(i.dtype == torch.uint8 for i in photographs.images)


def test_rare_categories_are_drawn_more_often_than_their_share(photographs):
    rng = np.random.default_rng(0)
    drawn = np.bincount([photographs._any(rng) for _ in range(4000)], minlength=5)
    expected = np.array([3**-0.5] * 3 + [1, 1])
    np.testing.assert_allclose(drawn / 4000, expected / expected.sum(), atol=0.03)


def test_no_pictures(tmp_path):
    with pytest.raises(FormatError, match="pictures"):
        Photographs(tmp_path)


def test_pictures_of_one_row_are_drawn_too(tmp_path):
    Image.new("RGB", (300, 1), (9, 9, 9)).save(tmp_path / "line_1.png")
    assert torch.isfinite(Photographs(tmp_path).collages(np.random.default_rng(0), 2, 32)[0]).all()


def test_a_collage_says_what_it_shows(photographs, monkeypatch):
    for change in ("coloured", "degraded"):
        monkeypatch.setattr(f"parmesan_engine.pretrain.photographs.{change}", lambda rng, image: image)
    monkeypatch.setattr("parmesan_engine.pretrain.photographs.normalised", lambda image: image)
    pictures, categories = photographs.collages(np.random.default_rng(4), 12, 48)
    assert pictures.shape == (12, 3, 48, 48)
    assert categories.shape == (12, 48, 48)
    assert (categories != categories[:, :1, :1]).any()  # some have more than one
    assert torch.equal(categories == 0, pictures[:, 0] > 0.9)
    assert torch.equal(categories == 1, pictures[:, 2] > 0.9)


def test_the_same_seed_the_same_collages(photographs):
    one, two, other = (photographs.collages(np.random.default_rng(seed), 3, 32) for seed in (1, 1, 2))
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1], two[1])
    assert not torch.equal(one[0], other[0])


def test_the_loss_falls_where_categories_can_be_seen(photographs):
    torch.manual_seed(0)
    objective, net = Categories(photographs), PyramidNet(widths=(8, 8), depths=(1, 1), outputs=6)
    heads = objective.heads(6, 2)
    optimizer = torch.optim.Adam([*net.parameters(), *heads.parameters()], lr=0.01)
    tensors = objective.batch(np.random.default_rng(0), 8, 32)
    losses = []
    for _ in range(25):
        losses.append(objective.loss(net, heads, tensors))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[0] > 0.9
    assert losses[-1] < 0.6 * losses[0]
