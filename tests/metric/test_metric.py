"""The metric is a pure function of the set of entries, finds the features that count, and survives poor memories."""

import struct
import time

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from parmesan_engine.errors import EmptyMemoryError, FormatError, ShapeError
from parmesan_engine.metric import Metric, fit
from parmesan_engine.metric.fitting import squared_error, surprise
from parmesan_engine.metric.model import Model
from parmesan_engine.metric.scaling import bend, bends
from tests.helpers import plain_metric


def entries(n=600, features=6, samples=8, classes=3, seed=0):
    """Labels depend on feature 0 only."""
    rng = np.random.default_rng(seed)
    keys = rng.normal(size=(n, features)).astype(np.float32)
    classes_of = np.clip((keys[:, 0] * 1.2 + 1.5).astype(int), 0, classes - 1)
    return {"keys": keys, "labels": np.eye(classes, dtype=np.float32)[classes_of], "ties": rng.integers(-2**62, 2**62, n),
            "sample_codes": rng.integers(0, samples, n), "groups": ("a", "b") + ("c",) * (features - 2)}


def reordered(e, order):
    return {name: value if name == "groups" else value[order] for name, value in e.items()}


def test_row_order_changes_no_bit():
    e = entries()
    shuffled = reordered(e, np.random.default_rng(1).permutation(len(e["keys"])))
    shuffled["sample_codes"] = 100 - shuffled["sample_codes"]  # names of samples do not matter, only which are equal
    assert fit(**e).to_bytes() == fit(**shuffled).to_bytes()


def test_number_of_threads_changes_no_bit():
    e = entries(n=3000, features=20)
    with threadpool_limits(1):
        one = fit(**e)
    with threadpool_limits(2):
        assert fit(**e).to_bytes() == one.to_bytes()


def test_written_gradient_equals_finite_differences():
    rng = np.random.default_rng(0)
    model = Model(("a@1", "a@2", "b@1", "c"), rng.normal(size=(4, 3)), np.float64)
    for value in model.values.values():
        value += rng.normal(size=value.shape) * 0.3
    rows, apart, anchors = rng.normal(size=(30, 4)), rng.integers(0, 3, 30), np.arange(5, 15)
    targets = np.eye(2)[rng.integers(0, 2, 30)]
    for loss_of_vote in (surprise, squared_error):
        _, gradient = model.loss_and_gradient(rows, targets, apart, anchors, loss_of_vote)
        for name, value in model.values.items():
            at = np.unravel_index(rng.integers(value.size), value.shape)
            losses = []
            for nudge in (1e-5, -2e-5):
                value[at] += nudge
                losses.append(model.loss_and_gradient(rows, targets, apart, anchors, loss_of_vote)[0])
            value[at] += 1e-5
            assert gradient[name][at] == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-4, abs=1e-8), name


def test_large_memories_are_bounded_and_still_ordered_by_content():
    e = entries(n=20_000, features=8)
    start = time.process_time()
    metric = fit(**e)
    assert time.process_time() - start < 5 and metric.fitted == 20_000
    assert fit(**reordered(e, np.arange(20_000)[::-1])).id == metric.id


def test_the_feature_that_decides_gets_the_weight():
    metric = fit(**entries())
    weight = np.linalg.norm(metric.projection, axis=1)
    assert weight[0] > 3 * weight[1:].max()


def test_regression_finds_its_feature():
    e = entries()
    e["labels"] = e["keys"][:, 1:2] * 1000 + 5000
    weight = np.linalg.norm(fit(**e, kind="regression").projection, axis=1)
    assert weight[1] > 2 * np.delete(weight, 1).max()


@pytest.mark.parametrize("poor", ["one entry", "one class", "one sample", "constant features", "duplicates"])
def test_poor_memories_give_a_finite_metric(poor):
    e = entries(n=40)
    if poor == "one entry":
        e = reordered(e, slice(0, 1))
    elif poor == "one class":
        e["labels"][:] = [1, 0, 0]
    elif poor == "one sample":
        e["sample_codes"][:] = 3
    elif poor == "constant features":
        e["keys"][:, 1:] = 2.0
    elif poor == "duplicates":
        e = reordered(e, np.zeros(40, int))
    metric = fit(**e)
    keys = metric.transform(torch.tensor(entries(seed=2)["keys"]))
    assert torch.isfinite(keys).all() and np.isfinite(metric.tau) and metric.tau > 0
    assert len(torch.unique(keys, dim=0)) == len(keys)  # it did not collapse


def test_keys_do_not_depend_on_the_rows_they_travel_with():
    metric, x = fit(**entries()), torch.tensor(entries(n=5000, seed=3)["keys"])
    keys, order = metric.transform(x), torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    assert torch.equal(metric.transform(x[order]), keys[order])
    for n in (1, 2, 37):
        assert torch.equal(metric.transform(x[100 : 100 + n]), keys[100 : 100 + n])
    assert torch.allclose(keys.norm(dim=1), torch.ones(len(x)), atol=1e-6)


def test_bytes_come_back_equal_and_damage_is_refused():
    metric = fit(**entries())
    data = metric.to_bytes()
    assert Metric.from_bytes(data).to_bytes() == data and Metric.from_bytes(data).id == metric.id
    assert plain_metric(4).id != plain_metric(5).id
    assert Metric.from_bytes(plain_metric(4).to_bytes()).id == plain_metric(4).id
    older = b"PMETRIC1" + plain_metric(4).to_bytes()[8 : -4 * 4]  # of before features were bent
    assert Metric.from_bytes(older).id == plain_metric(4).id
    damaged = [b"", data[:10], data[:-1], data + b"\0", b"X" + data[1:], data[:-4] + np.float32(np.nan).tobytes(),
               data.replace(b'"k"', b'"q"'), data[:8] + b"\xff\xff\xff\xff" + data[12:],
               *(data[:8] + struct.pack("<I", len(header)) + header
                 for header in (b"[" * 100_000, b'{"features": Infinity, "fitted": 1, "k": 1, "outputs": 1, "score": null, "tau": 1}'))]
    for bad in damaged:
        with pytest.raises(FormatError):
            Metric.from_bytes(bad)


def wide(n=900, features=300, seed=0):
    """As `entries`; 2 coordinates that decide beside blocks of many features that vary together, as those of networks do."""
    e, rng = entries(n=n, features=2, seed=seed), np.random.default_rng(seed + 9)
    blocks = [rng.normal(size=(n, 8)) @ rng.normal(size=(8, (features - 2) // 2)) for _ in range(2)]
    groups = ("coordinates",) * 2 + ("stage@4",) * blocks[0].shape[1] + ("stage@8",) * blocks[1].shape[1]
    return e | {"keys": np.concatenate([e["keys"], *blocks], 1).astype(np.float32), "groups": groups}


def vote_accuracy(metric, learned, asked):
    keys = [metric.transform(torch.tensor(e["keys"])) for e in (learned, asked)]
    nearest = (keys[1] @ keys[0].T).topk(metric.k).indices
    return float((learned["labels"][nearest.numpy()].mean(1).argmax(1) == asked["labels"].argmax(1)).mean())


def test_wide_features_give_short_keys_that_keep_what_decides():
    e = wide() | {"groups": ("stage@2",) * 20 + ("stage@4",) * 140 + ("stage@8",) * 140}  # all of a network: there is nothing to choose
    shuffled = reordered(e, np.random.default_rng(1).permutation(900))
    metric = fit(**e)
    assert metric.key_dim == 64 and metric.to_bytes() == fit(**shuffled).to_bytes()
    assert Metric.from_bytes(metric.to_bytes()).id == metric.id
    unseen = {name: value[600:] if name != "groups" else value for name, value in e.items()}
    part = reordered(e, slice(0, 600))
    assert vote_accuracy(fit(**part), part, unseen) > 0.8 > 0.6 > vote_accuracy(plain_metric(300), part, unseen)


def test_outliers_and_monotone_units_do_little_harm():
    e, seen = entries(), []
    for power in (1, 3):
        stretched = e | {"keys": np.sign(e["keys"]) * np.abs(e["keys"]) ** power}
        seen.append(vote_accuracy(fit(**stretched), stretched, stretched))
    assert min(seen) > 0.93
    broken = e | {"keys": e["keys"].copy()}
    broken["keys"][::100] *= 1e6
    asked = entries(seed=5)
    assert vote_accuracy(fit(**broken), broken, asked) > vote_accuracy(fit(**e), e, asked) - 0.05


def test_bends_centre_what_they_bend():
    rows = np.random.default_rng(0).lognormal(0, 2, size=(500, 7))
    rows[:, 0] = np.random.default_rng(1).normal(size=500)
    centre, curve = bends(rows)
    bent = bend(rows, centre, curve)
    assert curve[0] == 0 and np.array_equal(bent[:, 0], rows[:, 0] - centre[0]) and (curve[1:] > 0).all()
    assert np.abs(bent.mean(0) * curve).max() < 1e-3 and np.abs(bent * curve).max() <= 1
    metric = Metric(centre, np.eye(7), curve=curve)
    keys = metric.transform(torch.tensor(rows, dtype=torch.float32))
    assert torch.allclose(keys[:, :-1] / keys[:, -1:], torch.tensor(bent, dtype=torch.float32), atol=1e-4)


def test_wrong_arguments_are_named():
    e = entries()
    with pytest.raises(EmptyMemoryError):
        fit(**reordered(e, slice(0, 0)))
    with pytest.raises(ShapeError):
        fit(**{**e, "groups": ("a",)})
    with pytest.raises(ShapeError):
        plain_metric(4).transform(torch.zeros(3, 5))
