"""Class shares from balanced strokes are pulled to what the sample itself says."""

import numpy as np
import torch

from parmesan_engine.calibration import calibrate


def shares_of(truth, prior, seed=0):
    """Posterior shares, under `prior`, of nodes whose true class frequencies are `truth` (two overlapping Gaussians)."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(2, size=4000, p=truth)
    x = rng.normal(labels * 2.0, 1.0)
    density = np.stack([np.exp(-0.5 * x**2), np.exp(-0.5 * (x - 2) ** 2)], 1) * prior
    return torch.tensor(density / density.sum(1, keepdims=True), dtype=torch.float32), labels


def test_shifted_classes_are_found_again():
    shares, labels = shares_of([0.95, 0.05], [0.5, 0.5])
    better = calibrate(shares, torch.tensor([30.0, 30.0]), hold=0.0)
    assert abs(better[:, 1].mean() - 0.05) < 0.02 < abs(shares[:, 1].mean() - 0.05)
    assert (better.argmax(1).numpy() == labels).mean() > (shares.argmax(1).numpy() == labels).mean() + 0.05


def test_hold_one_and_true_priors_change_nothing():
    shares, _ = shares_of([0.5, 0.5], [0.5, 0.5])
    assert torch.allclose(calibrate(shares, torch.tensor([1.0, 1.0]), hold=1.0), shares, atol=1e-5)
    assert torch.allclose(calibrate(shares, torch.tensor([1.0, 1.0])), shares, atol=0.03)


def test_absent_classes_and_unknown_nodes_do_no_harm():
    shares, _ = shares_of([0.9, 0.1], [0.5, 0.5])
    padded = torch.cat([shares, torch.zeros(len(shares), 1)], 1)
    assert torch.equal(calibrate(padded, torch.tensor([5.0, 5.0, 0.0]))[:, :2], calibrate(shares, torch.tensor([5.0, 5.0])))
    padded[7] = torch.nan
    result = calibrate(padded, torch.tensor([5.0, 5.0, 0.0]))
    assert result[7].isnan().all() and torch.isfinite(result[8:]).all() and torch.isfinite(result[:7]).all()
    assert torch.equal(calibrate(torch.ones(5, 1), torch.ones(1)), torch.ones(5, 1))
    assert calibrate(torch.zeros(0, 2), torch.ones(2)).shape == (0, 2)


def test_a_node_without_neighbours_stays_without_shares():
    shares = torch.tensor([[0.0, 0.0], [0.8, 0.2]])
    assert torch.equal(calibrate(shares, torch.ones(2))[0], torch.zeros(2))
