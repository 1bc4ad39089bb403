"""The parts of a discrete key-value bottleneck as pure functions: projections, keys without labels, fetching, learning values.

After Traeuble et al. (ICML 2023, arXiv 2207.11240) and the authors' public code. C codebooks of M pairs; a feature of D numbers is
projected to k numbers for each codebook, fetches the value of the nearest key there, and the mean of the C values is the answer.
Only fetched values are ever changed, so what other features fetch stays as it was, to the last bit.
"""

from collections.abc import Callable

import torch

DECAY = 0.95  # of the moving averages that keys are
DEAD = 0.1  # a key with less than this share of its even share of nodes is put elsewhere
SMOOTHING = 0.1  # of labels
CLIP = 1.0  # largest norm of a gradient
BATCH = 256
REPORT = 32  # steps between two reports of progress
CHUNK = 1 << 18  # distances at a time: 1 MiB, which stays in the cache


def projections(channels: int, codebooks: int, dims: int, seed: int) -> torch.Tensor:
    """Return (C, D, k): for each codebook a Gaussian matrix with columns of length 1, fixed from then on."""
    drawn = torch.randn(codebooks, channels, dims, generator=torch.Generator().manual_seed(seed))
    return drawn / drawn.norm(dim=1, keepdim=True)


def project(features: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """Return (C, n, k) points of (n, D) features by (C, D, k) projections."""
    return features @ matrices


def fit_keys(points: torch.Tensor, pairs: int, *, rounds: int, seed: int, progress: Callable[[float], None] | None = None) -> torch.Tensor:
    """Return (C, M, k) keys for (C, n, k) projected nodes: moving averages of the nodes that were nearest to each. No labels.

    Keys start at nodes, and a dead one starts again at one of the batch with the least count that is alive [ours]: the authors
    start at random and leave the averages of dead keys as they were.
    """
    random = torch.Generator().manual_seed(seed)
    books, count, _ = points.shape
    keys = points[:, torch.cat([torch.randperm(count, generator=random) for _ in range(-(-pairs // count))])[:pairs]].clone()
    sizes = torch.full((books, pairs), min(BATCH, count) / pairs)
    sums, least = keys * sizes[..., None], DEAD * min(BATCH, count) / pairs
    for number in range(rounds):
        for rows in torch.randperm(count, generator=random).split(BATCH):
            batch = points[:, rows]
            near = nearest(batch, keys)
            counts = torch.zeros_like(sizes).scatter_add_(1, near, torch.ones(near.shape))
            totals = torch.zeros_like(keys).scatter_add_(1, near[..., None].expand_as(batch), batch)
            sizes, sums = torch.lerp(counts, sizes, DECAY), torch.lerp(totals, sums, DECAY)
            dead = sizes < least
            again = batch.gather(1, torch.randint(len(rows), dead.shape, generator=random)[..., None].expand_as(keys))
            sizes.masked_fill_(dead, least)
            sums = torch.where(dead[..., None], again * least, sums)
            keys = sums / sizes[..., None]
        if progress:
            progress((number + 1) / rounds)
    return keys


def nearest(points: torch.Tensor, keys: torch.Tensor, usable: torch.Tensor | None = None) -> torch.Tensor:
    """Return (C, n): the nearest (Euclidean) of (C, M, k) keys to each of (C, n, k) points, the first of equal ones.

    usable: (C, M) bool, the keys that may be fetched; -1 in codebooks that have none.
    """
    offsets = keys.square().sum(2) / -2  # the nearest key has the largest x . key - |key|^2 / 2
    if usable is not None:
        offsets = offsets.masked_fill(~usable, -torch.inf)
    found, step = torch.empty(points.shape[:2], dtype=torch.int64), max(1, CHUNK // keys.shape[1])
    for book, (mine, own, offset) in enumerate(zip(points, keys, offsets, strict=True)):
        for start in range(0, len(mine), step):
            likeness = torch.addmm(offset, mine[start : start + step], own.T)
            found[book, start : start + step] = torch.from_numpy(likeness.numpy().argmax(1))  # six times as fast as PyTorch's
    if usable is not None:
        found[~usable.any(1)] = -1
    return found


def fetch(values: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
    """Return (n, L): the mean over codebooks of the (C, M, L) values that (C, n) keys fetch; NaN where no codebook has a key."""
    books = torch.arange(len(values))[:, None]
    known = (found >= 0)[..., None]
    return (values[books, found.clamp(min=0)] * known).sum(0) / known.sum(0)


def learn_values(values: torch.Tensor, found: torch.Tensor, targets: torch.Tensor, *, classify: bool, rate: float, steps: int, seed: int,
                 progress: Callable[[float], None] | None = None) -> None:
    """Change (C, M, L) values in place so that the (C, n) fetched ones answer (n, L) class shares or standardised values.

    Cross-entropy of softened labels, or half the squared error; plain stochastic gradient descent without momentum or decay, either of
    which would move values that were not fetched. The gradient of the mean over codebooks is taken times C [ours]: without it a
    value moves by 1/C of the rate, which asks for the authors' thousands of rounds.
    """
    random = torch.Generator().manual_seed(seed)
    (books, pairs, width), count = values.shape, found.shape[1]
    flat, slots = values.view(-1, width), (found + torch.arange(books)[:, None] * pairs).T.contiguous()
    if classify:
        targets = (1 - SMOOTHING) * targets + SMOOTHING / width
    sums, order = torch.zeros_like(flat), torch.empty(0, dtype=torch.int64)
    for step in range(steps):
        if not len(order):
            order = torch.randperm(count, generator=random)
        rows, order = order[:BATCH], order[BATCH:]
        at = slots[rows].flatten()
        old = flat.index_select(0, at)
        answers = old.view(len(rows), books, width).mean(1)
        slopes = ((answers.softmax(1) if classify else answers) - targets[rows]) / len(rows)
        each = slopes.repeat_interleave(books, 0)
        sums.scatter_add_(0, at[:, None].expand_as(each), each)
        mine = sums.index_select(0, at)
        norm = float((mine * each).sum().clamp(min=0).sqrt())  # a row's sum, once for each of its parts: the square of the sum
        flat.index_copy_(0, at, old - rate * min(1.0, CLIP / max(norm, 1e-12)) * mine)  # nodes that share a row write it alike
        sums.index_fill_(0, at, 0.0)
        if progress and step % REPORT == 0:
            progress(step / steps)
