"""Correct class shares for the balance of the strokes: a person labels rare classes as often as common ones.

The share of each class in *this* sample is estimated from the sample's own shares by expectation maximisation (Saerens,
Latinne and Decaestecker, Neural Computation 2002), held back towards the memory's shares. Pure; no labels are needed.
"""

import torch

HOLD = 0.15
ITERATIONS = 20
FLOOR = 1e-6  # a share of 0 could never recover
NODES = 4096  # evenly spread nodes are enough to estimate shares from, and keep the answer immediate


def calibrate(shares: torch.Tensor, prior: torch.Tensor, *, hold: float = HOLD) -> torch.Tensor:
    """Return (Q, L) calibrated shares of the (Q, L) shares of one sample's nodes; rows of NaN or 0 stay so.

    prior: (L,) weight of each class in the memory. hold: 0 believes the sample, 1 changes nothing.
    """
    present = prior > 0
    prior = prior.double() / prior.sum()
    some = shares[:: len(shares) // NODES | 1]  # an odd step does not keep to the same columns of a grid
    some = some[torch.isfinite(some).all(dim=1) & (some.sum(dim=1) > 0)].double()
    likely = torch.where(present, some / prior + FLOOR, 0.0)  # a class without examples takes no share
    estimate = prior
    for _ in range(ITERATIONS if len(likely) else 0):
        posterior = likely * estimate
        posterior = posterior / posterior.sum(dim=1, keepdim=True)
        estimate = (1 - hold) * posterior.mean(dim=0) + hold * prior
    result = shares * torch.where(present, estimate / prior, 1.0).to(shares.dtype)
    return result / result.sum(dim=1, keepdim=True).clamp(min=torch.finfo(result.dtype).tiny)
