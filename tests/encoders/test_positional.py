"""Position taken out of features: exactly where it is known where it lies, and from a transformer that shouts it."""

import numpy as np
import torch
from torch.nn.functional import normalize

from parmesan_engine.encoders import Backbone
from parmesan_engine.encoders.positional import positional_basis, without_position
from parmesan_engine.types import Sample
from tests.encoders.tiny_models import write_model

CHANNELS = 24


def scene(seed=0):
    """Return (directions of position, of content, position (2, 9, 7)): orthonormal columns in the same space."""
    basis = torch.linalg.qr(torch.randn(CHANNELS, CHANNELS, generator=torch.Generator().manual_seed(seed)))[0]
    places = torch.stack(torch.meshgrid(torch.linspace(-1, 1, 9), torch.linspace(-1, 1, 7), indexing="ij"))
    return basis[:, :2], basis[:, 2:6], places


def test_the_span_of_position_is_found_and_content_stays():
    spatial, content, places = scene()
    black = 3 * content[:, :1, None] + torch.einsum("cd,dyx->cyx", spatial, places)
    basis = positional_basis(black)
    assert basis.shape[1] == 3  # the plane, and its bend: features lie on a sphere
    torch.testing.assert_close(basis.T @ basis, torch.eye(basis.shape[1]), atol=1e-5, rtol=0)
    what = torch.randn(1, 4, 9, 7, generator=torch.Generator().manual_seed(1))
    what[:, 0] = 0  # the black picture's own content bends into the span: not asked for here
    features = torch.einsum("cd,bdyx->bcyx", content, what) + 2 * torch.einsum("cd,dyx->cyx", spatial, places)
    found = without_position(features, basis)
    wanted = normalize(torch.einsum("cd,bdyx->bcyx", content, what), dim=1)
    assert (found * wanted).sum(1).min() > 0.95 and (normalize(features, dim=1) * wanted).sum(1).min() < 0.5
    torch.testing.assert_close(found.norm(dim=1), torch.ones(1, 9, 7))


def test_at_most_half_of_the_channels_go_and_no_more_than_needed():
    random = torch.randn(CHANNELS, 9, 9, generator=torch.Generator().manual_seed(2))
    assert positional_basis(random).shape == (CHANNELS, CHANNELS // 2)
    spatial, content, places = scene()
    flat = 9 * content[:, :1, None] + 0.1 * torch.einsum("cd,dyx->cyx", spatial[:, :1], places[:1])
    assert positional_basis(flat).shape[1] <= 3  # a line, and its bend: features lie on a sphere


def test_where_nothing_differs_nothing_goes():
    even = torch.rand(CHANNELS, 1, 1).expand(-1, 5, 4)
    for features in (even, even[:, :1, :1]):
        basis = positional_basis(features)
        assert basis.shape == (CHANNELS, 0)
        torch.testing.assert_close(without_position(features[None], basis), normalize(features[None], dim=1))


def shouts(model) -> None:
    """Give a model strong embeddings of the place, and colours that are seen beside them."""
    side = int(model.embeddings.position_embeddings.shape[1] ** 0.5)
    line = torch.linspace(-1, 1, side)
    places = torch.stack(torch.meshgrid(line, line, indexing="ij")).flatten(1).T
    random = torch.Generator().manual_seed(3)
    model.embeddings.position_embeddings[0, 1:] = 2 * places @ torch.randn(2, 32, generator=random)
    weight = model.embeddings.patch_embeddings.projection.weight
    weight.copy_(torch.randn(32, 3, 1, 1, generator=random).expand_as(weight) / 196)


def views(encoder, seeds):
    """Return features (n, D), places (n, 2) and which of four colours, of pictures of patches of colours that vary."""
    rows, places, colours = [], [], []
    palette = np.array([[230, 40, 40], [40, 220, 60], [50, 60, 235], [220, 220, 40]])
    for seed in seeds:
        random = np.random.default_rng(seed)
        kind = random.integers(0, 4, (6, 6))
        shades = np.clip(palette[kind] + random.normal(0, 30, (6, 6, 3)), 0, 255)
        array = shades.repeat(14, 0).repeat(14, 1).transpose(2, 0, 1).astype(np.uint8)
        rows.append(encoder.encode(Sample(array, "patches"), stride=14).levels[0].keys.numpy())
        places.append(np.stack(np.indices((6, 6)), -1).reshape(-1, 2) / 5)
        colours.append(kind.ravel())
    return np.concatenate(rows).astype(np.float64), np.concatenate(places), np.concatenate(colours)


def r_squared(train, test):
    """How well a ridge regression tells the place of a patch in new pictures: 1 exactly, 0 not at all."""
    (x, y, _), (xt, yt, _) = train, test
    mean = x.mean(0)
    weights = np.linalg.solve((x - mean).T @ (x - mean) + 1e-3 * np.eye(x.shape[1]), (x - mean).T @ (y - y.mean(0)))
    return 1 - np.square(yt - y.mean(0) - (xt - mean) @ weights).sum() / np.square(yt - yt.mean(0)).sum()


def same_colour(train, test):
    """The share of patches whose most similar patch in other pictures has their colour."""
    return (train[2][(test[0] @ train[0].T).argmax(1)] == test[2]).mean()


def test_a_transformer_that_shouts_its_positions(tmp_path):
    write_model("dinov2", tmp_path, change=shouts, initializer_range=0.02)
    options = {"model": str(tmp_path), "side": 84, "filters": False, "coordinates": False}
    told, found = {}, {}
    for debias in (False, True):
        encoder = Backbone(debias=debias, **options)
        train, test = views(encoder, range(12)), views(encoder, range(100, 106))
        told[debias], found[debias] = r_squared(train, test), same_colour(train, test)
    assert told[False] > 0.9 and told[True] < 0.2, told
    assert found[True] > 0.95 and found[True] >= found[False], found
