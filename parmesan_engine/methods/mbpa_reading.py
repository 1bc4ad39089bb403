"""Memory-based parameter adaptation as pure functions: a linear head, its gradient in closed form, and its adaptation to neighbours.

After Sprechmann et al. (ICLR 2018, arXiv 1802.10542). A query fetches the K nearest of a memory; the head takes T gradient steps on
their labels, answers, and is thrown away. A gradient of a linear head is a sum over its examples, dW = sum_k w_k (p_k - y_k) h_k^T, so
the change stays a sum over the K neighbours, dW = sum_k a_k h_k^T: only (K, L) coefficients are adapted for each query, never (L, D)
parameters, which is exact and asks for D of every pair of neighbours once and not in every step.
"""

from collections.abc import Callable

import torch

NEARNESS = 1e-3  # added to squared distances: what an identical neighbour weighs
TRAINING_STEPS, TRAINING_RATE, MOMENTA = 300, 0.1, (0.9, 0.999)  # of the head on one experience
REPORT = 32  # steps between two reports of progress


def with_constant(features: torch.Tensor) -> torch.Tensor:
    """Return (..., D + 1) features with a last column of ones: the head's constants are weights like others."""
    return torch.cat([features, features.new_ones(*features.shape[:-1], 1)], -1)


def kernel_weights(squared: torch.Tensor) -> torch.Tensor:
    """Return (..., K) weights that sum to 1, of squared distances: 1 / (eps + d^2), normalised."""
    near = 1 / (NEARNESS + squared)
    return near / near.sum(-1, keepdim=True)


def slopes(answers: torch.Tensor, labels: torch.Tensor, classify: bool) -> torch.Tensor:
    """Return (..., L): how the loss falls with each answer, cross-entropy of (..., L) logits or half the squared error of values."""
    return (answers.softmax(-1) if classify else answers) - labels


def train_head(head: torch.Tensor, features: torch.Tensor, labels: torch.Tensor, *, classify: bool,
               progress: Callable[[float], None] | None = None) -> torch.Tensor:
    """Return a (L, D) head trained further on (n, D) features and (n, L) labels, all at once in each step.

    By Adam (Kingma and Ba 2015), in five lines: the first optimiser of PyTorch in a process loads for seconds.
    """
    head, mean, square = head.clone(), torch.zeros_like(head), torch.zeros_like(head)
    for step in range(1, TRAINING_STEPS + 1):
        if progress and step % REPORT == 1:
            progress((step - 1) / TRAINING_STEPS)
        slope = slopes(features @ head.T, labels, classify).T @ features / len(features)
        mean.lerp_(slope, 1 - MOMENTA[0])
        square.lerp_(slope.square(), 1 - MOMENTA[1])
        head -= TRAINING_RATE * (mean / (1 - MOMENTA[0] ** step)) / ((square / (1 - MOMENTA[1] ** step)).sqrt() + 1e-8)
    return head


def adapted(queries: torch.Tensor, near: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, head: torch.Tensor, *, classify: bool,
            steps: int, rate: float, beta: float) -> torch.Tensor:
    """Return (B, Q, L) answers, logits or values, of B heads, each adapted to its own K neighbours and asked Q queries.

    queries: (B, Q, D); near: (B, K, D); labels: (B, K, L); weights: (B, K); head: (L, D), which all start from and which is not changed.
    beta: how strongly a head is held back to where it started. The pull is taken after the gradient, implicitly [ours]: it comes to rest
    where the paper's explicit one does, and is steady for a beta of any size.
    """
    base, likeness = near @ head.T, near @ near.mT
    change = torch.zeros_like(base)
    for _ in range(steps):
        change = (change - rate * weights[..., None] * slopes(base + likeness @ change, labels, classify)) / (1 + beta)
    return queries @ head.T + queries @ near.mT @ change
