"""A plain model of search for the tests: float64, no blocks, no bounds; the order is (distance, tie)."""

import numpy as np
import torch

from parmesan_engine.types import Neighbors


def unit_rows(random: np.random.Generator, n: int, d: int, *, distinct: int | None = None) -> torch.Tensor:
    """Return (n, d) unit rows; `distinct` < n repeats some of them exactly."""
    rows = random.normal(size=(distinct or max(n, 1), d))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return torch.from_numpy(rows[random.integers(0, len(rows), n)] if distinct else rows[:n])


def cosine_distances(queries: torch.Tensor, keys: torch.Tensor) -> np.ndarray:
    """Return (Q, N) half squared distances in float64."""
    difference = queries.double().numpy()[:, None] - keys.double().numpy()[None]
    return 0.5 * np.square(difference).sum(-1)


def check_nearest(found: Neighbors, queries: torch.Tensor, ids: torch.Tensor, keys: torch.Tensor, ties: torch.Tensor, k: int) -> None:
    """Assert that `found` are the k nearest, in order; entries closer together than rounding may change places."""
    assert found.ids.shape == found.distances.shape == (len(queries), k)
    n = min(k, len(ids))
    assert bool((found.ids[:, n:] == -1).all()) and bool(torch.isinf(found.distances[:, n:]).all())
    if n == 0:
        return
    exact = cosine_distances(queries, keys)
    place = {int(i): p for p, i in enumerate(ids)}
    at = np.asarray([[place[int(i)] for i in row[:n]] for row in found.ids])
    assert all(len(set(row)) == n for row in at), "an entry was found twice"
    mine = np.take_along_axis(exact, at, 1)
    np.testing.assert_allclose(found.distances[:, :n].numpy(), mine, atol=1e-6)
    np.testing.assert_allclose(mine, np.sort(exact, 1)[:, :n], atol=2e-6)
    assert bool((found.distances[:, 1:] >= found.distances[:, :-1]).all())
    for row, order in enumerate(at):  # where the stored distances are equal, the tie decides, also against those left out
        stored = found.distances[row, :n].numpy()
        pairs = list(zip(stored.tolist(), ties[order].tolist(), strict=True))
        assert pairs == sorted(pairs)
        left_out = np.setdiff1d(np.flatnonzero((keys == keys[order[-1]]).all(1).numpy()), order)
        assert all(int(ties[other]) > pairs[-1][1] for other in left_out), "an equal entry with a smaller tie was left out"
