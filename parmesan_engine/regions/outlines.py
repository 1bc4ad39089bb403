"""Outlines along pixel edges, exact: the polygons of an object cover its pixels and nothing else, holes included.

Coordinates are (x, y) corners of pixels: pixel (row, column) covers x from column to column + 1 and y from row to row + 1.
"""

import numpy as np
from skimage import measure

Ring = np.ndarray  # (n, 2) corners in order, the first one again at the end
_STEPS = np.asarray(((1, 0), (0, 1), (-1, 0), (0, -1)))  # (x, y) of directions 0..3: each is the one before, turned clockwise on screen


def outlines(index: np.ndarray) -> dict[int, list[list[Ring]]]:
    """Return for each object of a (y, x) plane its polygons: the outer ring first (positive area), then the holes (negative).

    An object has several polygons where its pixels in this plane do not touch by sides, as a volume's object may.
    Rings never cross, and never pass one corner twice: every polygon is valid in the sense of OGC simple features.
    """
    parts, count = measure.label(index, connectivity=1, background=0, return_num=True)
    owner = np.zeros(count + 1, np.int64)
    owner[parts] = index
    outer: dict[int, Ring] = {}
    holes: dict[int, list[Ring]] = {}
    for part, ring in _rings(parts):
        if _area(ring) > 0:
            outer[part] = ring
        else:
            holes.setdefault(part, []).append(ring)
    found: dict[int, list[list[Ring]]] = {}
    for part in sorted(outer):
        found.setdefault(int(owner[part]), []).append([outer[part], *holes.get(part, [])])
    return found


def _area(ring: Ring) -> float:
    x, y = ring[:, 0].astype(np.float64), ring[:, 1].astype(np.float64)
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2)


def _rings(parts: np.ndarray) -> list[tuple[int, Ring]]:
    """Return (part, ring) of every closed outline, straight stretches as one edge."""
    part, start, direction = _edges(parts)
    if not len(part):
        return []
    follow = _successors(part, start, direction, parts.shape[1] + 1)
    corner = np.zeros(len(part), bool)  # edges at whose start the outline turns
    corner[follow] = direction[follow] != direction
    steps, turns, seen, rings = follow.tolist(), corner.tolist(), bytearray(len(part)), []
    for first in np.flatnonzero(corner).tolist():
        if seen[first]:
            continue
        path, edge = [], first
        while not seen[edge]:
            seen[edge] = 1
            if turns[edge]:
                path.append(edge)
            edge = steps[edge]
        path.append(first)
        rings.append((int(part[first]), start[path]))
    return rings


def _edges(parts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return part (n,), start corner (n, 2) as (x, y), and direction (n,) of all pixel sides where a part ends.

    The part lies on the right-hand side, seen on screen: outer outlines run clockwise there, which is positive in (x, y).
    """
    padded = np.pad(parts, 1)
    inner = padded[1:-1, 1:-1]
    beside = (padded[:-2, 1:-1], padded[1:-1, 2:], padded[2:, 1:-1], padded[1:-1, :-2])  # above, right, below, left
    corners = ((0, 0), (1, 0), (1, 1), (0, 1))  # of the pixel, where the edge on that side starts
    found = []
    for direction, (other, corner) in enumerate(zip(beside, corners, strict=True)):
        y, x = np.nonzero((inner != 0) & (inner != other))
        found.append((inner[y, x], np.stack([x, y], 1) + corner, np.full(len(x), direction)))
    return tuple(np.concatenate(column) for column in zip(*found, strict=True))


def _successors(part: np.ndarray, start: np.ndarray, direction: np.ndarray, width: int) -> np.ndarray:
    """Return (n,): the edge that continues each edge around the same part.

    Where two pixels of a part touch at a corner only, two edges go on. The left turn is taken, which keeps what is *not* the part
    in one piece: so an outline touches its hole at the corner instead of running through it twice.
    """
    end = start + _STEPS[direction]
    span = width * (int(start[:, 1].max(initial=0)) + 1)
    here = (part.astype(np.int64) * span + start[:, 1] * width + start[:, 0]) * 4 + direction
    goal = part.astype(np.int64) * span + end[:, 1] * width + end[:, 0]
    order = np.argsort(here)
    ranked = here[order]
    follow = np.full(len(part), -1)
    for turn in (3, 0, 1):  # left, straight on, right: the first that exists
        wanted = goal * 4 + (direction + turn) % 4
        at = np.minimum(np.searchsorted(ranked, wanted), len(ranked) - 1)
        take = (follow < 0) & (ranked[at] == wanted)
        follow[take] = order[at[take]]
    return follow
