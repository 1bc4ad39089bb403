"""From neighbours and their labels to an answer: each neighbour votes, near ones more. Pure; knows no index and no image.

    v_ij = softmax_j(-d_ij / tau + log w_j)      y_i = sum_j v_ij label_j        (PARMESAN, arXiv 2403.11743: transduction)

d is the cosine distance, so the softmax equals that of cosine similarities over tau. The same sum gives a class
distribution (labels are histograms) or a value (labels are values).
"""

import torch
from torch.nn.functional import embedding_bag

from parmesan_engine.types import Neighbors


def votes(neighbors: Neighbors, weights: torch.Tensor, tau: float) -> torch.Tensor:
    """Return (Q, k) vote shares; rows sum to 1, or to 0 where there is no neighbour at all.

    weights: (max_id + 1,) float32 >= 0, the weight of each entry; tau > 0: temperature, in units of cosine distance.

    >>> near = Neighbors(torch.tensor([[0.0, 0.1]]), torch.tensor([[3, 1]]))
    >>> votes(near, torch.ones(4), tau=0.1)
    tensor([[0.7311, 0.2689]])
    """
    logits = (neighbors.distances[:, :1] - neighbors.distances) / tau  # nearest first: no overflow
    logits = logits + weights[neighbors.ids.clamp(min=0)].log()
    logits = logits.masked_fill(neighbors.ids < 0, -torch.inf)
    return torch.softmax(logits, 1).nan_to_num_(0.0)


def transfer(neighbors: Neighbors, shares: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return (Q, L) answers: the vote-weighted mean of (max_id + 1, L) labels."""
    return embedding_bag(neighbors.ids.clamp(min=0), labels, per_sample_weights=shares, mode="sum")


def largest(shares: torch.Tensor) -> torch.Tensor:
    """Return (*spatial) int16: the class with the largest of (classes, *spatial) shares, the first of equal ones.

    One pass a class: ten times as fast as argmax over the first axis.
    """
    best, label = shares[0], torch.zeros(shares.shape[1:], dtype=torch.int16, device=shares.device)
    for c in range(1, len(shares)):
        label.masked_fill_(shares[c] > best, c)
        best = torch.maximum(best, shares[c])
    return label


def conflict(distribution: torch.Tensor) -> torch.Tensor:
    """Return (Q,) in [0, 1]: entropy of a class distribution over its largest possible value; 0 for one class or none."""
    classes = distribution.shape[1]
    if classes < 2:
        return torch.zeros(len(distribution), device=distribution.device)
    total = distribution.sum(1, keepdim=True).clamp(min=1e-12)
    entropy = torch.special.entr(distribution / total).sum(1)
    return entropy / torch.log(torch.tensor(float(classes)))


def spread(neighbors: Neighbors, shares: torch.Tensor, labels: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
    """Return (Q,) vote-weighted standard deviation of neighbour values: the conflict of a regression, in label units."""
    square = transfer(neighbors, shares, labels.square())
    return (square - answer.square()).clamp(min=0).sum(1).sqrt()
