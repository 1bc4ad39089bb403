"""Learned features help where they know something, do little harm where not; a function of the set of entries still."""

import numpy as np
import torch

from parmesan_engine.encoders import FilterBank
from parmesan_engine.metric import fit
from parmesan_engine.metric.families import SHARE, Fitted, joined, subsets

CROWD = 24


def entries(seed=0, samples=20, each=24, useful=0.0):
    """Two narrow features of which one tells the class in part; CROWD of a network, that know the class to the degree `useful`, else
    know which sample it is."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (samples, each))
    narrow = np.stack([labels + rng.normal(0, 0.6, labels.shape), rng.normal(0, 1, labels.shape)], -1)
    own = rng.normal(0, 1, (samples, 1, CROWD)) * 2 + rng.normal(0, 1, (samples, each, CROWD))
    direction = np.random.default_rng(99).normal(0, 1, CROWD)
    crowd = own * (1 - useful) + useful * (4 * (labels[..., None] - 0.5) * direction + rng.normal(0, 1, own.shape))
    keys = np.concatenate([narrow, crowd], -1).reshape(samples * each, -1).astype(np.float32)
    return {"keys": keys, "labels": np.eye(2, dtype=np.float32)[labels.ravel()], "ties": rng.permutation(len(keys)) + 1000 * seed,
            "groups": ("filter@1", "coordinates") + ("stage@4",) * CROWD,
            "sample_codes": np.repeat(np.arange(samples), each)}


def right(metric, learned, asked):
    """Return the share of asked entries whose nearest neighbours vote for their class."""
    keys = [metric.transform(torch.tensor(e["keys"])) for e in (learned, asked)]
    nearest = (keys[1] @ keys[0].T).topk(metric.k).indices
    return float((learned["labels"][nearest.numpy()].mean(1).argmax(1) == asked["labels"].argmax(1)).mean())


def without_network(e):
    return e | {"keys": e["keys"][:, :2], "groups": e["groups"][:2]}


def test_what_only_adds_noise_does_little_harm():
    learned, asked = entries(), entries(seed=1)
    alone = right(fit(**without_network(learned)), without_network(learned), without_network(asked))
    assert right(fit(**learned), learned, asked) > alone - 0.05


def test_what_helps_is_used():
    learned, asked = entries(useful=0.3), entries(seed=1, useful=0.3)
    alone = right(fit(**without_network(learned)), without_network(learned), without_network(asked))
    assert right(fit(**learned), learned, asked) > alone + 0.03


def test_the_mean_is_of_squared_distances():
    rng = np.random.default_rng(0)
    rows, projections = rng.normal(size=(50, 9)), [rng.normal(size=(9, 5)), rng.normal(size=(9, 4))]
    mean = joined([Fitted(projections[0], 0.2, 1.0), Fitted(projections[1], 0.5, 2.0)], rows)
    squares = [np.square((rows[:, None] - rows) @ p).sum(-1) for p in (*projections, mean.projection)]
    np.testing.assert_allclose(squares[2], SHARE * squares[0] + (1 - SHARE) * squares[1], atol=1e-8)
    assert (mean.tau, mean.loss) == (SHARE * 0.2 + (1 - SHARE) * 0.5, 1.0)
    alone = Fitted(projections[0], 0.2, 1.0)
    assert joined([alone], rows) is alone


def test_keys_stay_short():
    assert fit(**entries() | {"groups": ("a", "b") + ("stage@4",) * CROWD}).key_dim <= 64


def test_order_changes_nothing():
    e = entries(useful=0.3)
    order = np.random.default_rng(3).permutation(len(e["keys"]))
    shuffled = {name: value if name == "groups" else value[order] for name, value in e.items()}
    assert fit(**e).to_bytes() == fit(**shuffled).to_bytes()


def test_progress_goes_once_from_nothing_to_all():
    seen = []
    fit(**entries(samples=4), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(set(seen)) == len(seen)


def test_with_one_family_there_is_nothing_to_choose():
    assert len(subsets(("stage@4",) * 40)) == 1
    assert len(subsets(("a@1", "a@2", "coordinates"))) == 1
    assert len(subsets(FilterBank().groups_of(32, 1))) == 1  # many channels are no network
    assert [len(s) for s in subsets(("layer12@14",) * 3 + ("a@1",))] == [4, 1]
    assert [s.tolist() for s in subsets(("a@1",) + ("stage@4",) * 16)] == [list(range(17)), [0]]
