"""Novelty: which stored entries are worth using. A pure function of their content, so forgetting is exact by construction.

Greedy in canonical order (tie ascending): an entry is kept unless a kept earlier entry is within `novelty` of it and the
nearest such entry has a compatible label. "Nearest" is by (distance, tie). Since what is kept is computed from what is stored,
forgetting an entry re-admits those it had blocked, as if it had never been learned [ours; the paper keeps novel nodes only].
"""

import numpy as np

BLOCK_ROWS = 1024
KEPT_ROWS = 1 << 14
VALUE_TOLERANCE = 0.05  # relative difference up to which two values are the same label [ours]
UNIT_ROUNDOFF = 2.0**-24


def unit_rows(keys: np.ndarray) -> np.ndarray:
    """Return (n, D + 1) float32 rows of unit length: the features with a constant 1 appended, normalised."""
    lifted = np.concatenate([keys, np.ones((len(keys), 1), keys.dtype)], axis=1).astype(np.float64)
    return (lifted / np.sqrt(np.square(lifted).sum(axis=1, keepdims=True))).astype(np.float32)


def exact_distances(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return (n,) float32 cosine distances of pairs of unit rows, 0.5 * sum (q - x)^2, summed in float64."""
    gap = one.astype(np.float64) - others
    return (0.5 * np.square(gap).sum(axis=-1)).astype(np.float32)


def compatible(one: np.ndarray, other: np.ndarray, values: bool) -> np.ndarray:
    """Return whether labels are the same: equal class ids, or values within 5 % of the larger."""
    if not values:
        return one == other
    return np.abs(one - other) <= VALUE_TOLERANCE * np.maximum(np.abs(one), np.abs(other))


def consolidate(
    keys: np.ndarray,
    labels: np.ndarray,
    ties: np.ndarray,
    novelty: float,
    *,
    values: bool = False,
    block_rows: int = BLOCK_ROWS,
) -> tuple[np.ndarray, np.ndarray]:
    """Return (kept (n,) bool, blocker (n,) int64 row of the kept entry that blocks each pruned one, else -1).

    keys: (n, D) float32; labels: (n,) class ids, or values; ties: (n,) int64 content keys. Rows with equal ties are equal in
    content and the first of them goes first. A float32 product only proposes pairs: all that could decide are computed
    again in float64, so the result does not depend on `block_rows` or on the order of rows.
    """
    order, novelty = np.argsort(ties, kind="stable"), np.float32(novelty)
    units, labels = unit_rows(keys[order]), np.asarray(labels)[order]
    margin = np.float32(4 * (units.shape[1] + 8) * UNIT_ROUNDOFF)  # of 1 - product, against the exact distance
    kept_rows = np.empty_like(units)  # the first `count` rows are those kept so far, in order
    kept_at, count = np.empty(len(units), np.int64), 0
    blocker = np.full(len(units), -1, np.int64)
    for start in range(0, len(units), block_rows):
        block = units[start : start + block_rows]
        near, distance = _nearest(block, kept_rows[:count], novelty, margin)
        near = np.where(near >= 0, kept_at[near], -1)
        within = 1 - block @ block.T <= novelty + margin
        inside = np.flatnonzero((np.tril(within, -1)).any(axis=1)).tolist()
        blocked = (near >= 0) & compatible(labels[start : start + len(block)], labels[near], values)
        blocker[start : start + len(block)] = np.where(blocked, near, -1)
        for row in inside:  # these also depend on earlier rows of the same block, in turn
            earlier = np.flatnonzero(within[row, :row] & (blocker[start : start + row] < 0))
            gaps = exact_distances(block[row], block[earlier])
            if len(gaps) and gaps.min() <= novelty and gaps.min() < distance[row]:
                nearest = start + earlier[gaps.argmin()]  # argmin gives the first, that is the lowest tie
                same = compatible(labels[start + row], labels[nearest], values)
                blocker[start + row] = nearest if same else -1
        new = np.flatnonzero(blocker[start : start + len(block)] < 0)
        kept_rows[count : count + len(new)], kept_at[count : count + len(new)] = block[new], start + new
        count += len(new)
    kept_out, blocker_out = np.empty(len(units), bool), np.full(len(units), -1, np.int64)
    kept_out[order] = blocker < 0
    blocker_out[order] = np.where(blocker >= 0, order[blocker], -1)
    return kept_out, blocker_out


def _nearest(
    block: np.ndarray, kept: np.ndarray, novelty: np.float32, margin: np.float32
) -> tuple[np.ndarray, np.ndarray]:
    """Return for each row the nearest kept row within `novelty` (or -1) and its exact distance (or inf)."""
    near, distance = np.full(len(block), -1, np.int64), np.full(len(block), np.inf, np.float32)
    floor = 1 - novelty - margin  # of the product of a pair that may be within novelty
    for first in range(0, len(kept), KEPT_ROWS):  # bounds the product to 64 MB
        part = kept[first : first + KEPT_ROWS]
        product = block @ part.T
        most = product.max(axis=1)
        maybe = np.flatnonzero(most >= floor)
        rows, columns = np.nonzero(product[maybe] >= np.maximum(most[maybe] - 2 * margin, floor)[:, None])
        rows = maybe[rows]
        gaps = exact_distances(block[rows], part[columns])
        order = np.lexsort((columns, gaps, rows))
        best = order[np.unique(rows[order], return_index=True)[1]]
        best = best[(gaps[best] <= novelty) & (gaps[best] < distance[rows[best]])]  # at a tie the earlier part wins
        near[rows[best]], distance[rows[best]] = first + columns[best], gaps[best]
    return near, distance
