"""Strokes: what a hand draws, as geometry; and the pixels that it covers. Pure, no drawing library, no anti-aliasing.

Pixel i of an axis covers [i, i + 1) and its centre is i + 0.5, exactly as on the screen. A stroke lies in one displayed plane:
the sample itself in 2-D, one slice (`axis`, `index`) of a volume, the time axis of a signal (where only x counts).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parmesan_engine.errors import FormatError, LimitError, ShapeError

KINDS = ("brush", "eraser", "polygon", "lasso", "point", "interval")
BALLS = ("brush", "eraser", "point")
MAX_POINTS = 20_000  # a minute of drawing with a 240 Hz pen
MAX_RADIUS = 1_000.0
MAX_POSITION = 1e7
MAX_AREA = 1 << 24  # pixels of the box around a filled outline: about 0.6 GB while it is filled
LARGEST = 2**53
MAX_WORK = 2**28  # pixel-to-segment distances of one brush stroke: about 3 s, far beyond any hand-drawn one


@dataclass(frozen=True)
class Stroke:
    """One continuous movement of one tool.

    points: ((x, y), ...) pixels of the displayed plane; x runs along the last axis, y along the first displayed one.
    radius: of the disc of brush, eraser and point, in pixels. label: class id. value: for regression. An eraser has neither.
    axis, index: the plane of a volume, else None. ball: brush, eraser and point reach into the planes beside as far as within
    their own; the radius then counts steps of the smallest spacing, so that it is round in the world.
    """

    kind: str
    points: tuple[tuple[float, float], ...]
    radius: float = 0.0
    label: int | None = None
    value: float | None = None
    axis: int | None = None
    index: int | None = None
    ball: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise FormatError(f"a stroke of kind {', '.join(KINDS)}", repr(self.kind)[:60], "use one of these tools")
        object.__setattr__(self, "points", _checked_points(self.points))
        if not _is_number(self.radius) or not 0 <= self.radius <= MAX_RADIUS:
            raise FormatError(f"a radius from 0 to {MAX_RADIUS:g} pixels", repr(self.radius)[:60], "correct the brush size")
        if self.label is not None and (not _is_integer(self.label) or not 0 <= self.label < 2**15):
            raise FormatError("a class id from 0 on", repr(self.label)[:60], "pick a class of this project")
        if self.value is not None and not (_is_number(self.value) and math.isfinite(self.value)):
            raise FormatError("a finite value", repr(self.value)[:60], "correct the value")
        for name in ("axis", "index"):
            number = getattr(self, name)
            if number is not None and (not _is_integer(number) or number < 0):
                raise FormatError(f"{name} as an integer from 0 on", repr(number)[:60], "give the plane of the stroke")
        if not isinstance(self.ball, bool) or (self.ball and (self.axis is None or self.kind not in BALLS)):
            raise FormatError("balls of brush, eraser or point in a volume", f"ball {self.ball!r} of {self.kind}"[:60], "draw a disc")
        if self.kind != "eraser" and self.label is None and self.value is None:
            raise FormatError("a class or a value", "neither", "pick a class before drawing")

    @classmethod
    def parse(cls, raw: Any) -> "Stroke":
        """Build a stroke from untrusted JSON. Raises FormatError, LimitError."""
        if not isinstance(raw, dict):
            raise FormatError("a stroke as an object", type(raw).__name__, "send {kind, points, ...}")
        names = ("kind", "points", "radius", "label", "value", "axis", "index", "ball")
        if "kind" not in raw or "points" not in raw:
            raise FormatError("a stroke with kind and points", f"{sorted(map(str, raw))[:8]}", "send both")
        return cls(**{name: raw[name] for name in names if raw.get(name) is not None})


def rasterise(stroke: Stroke, spatial_shape: Sequence[int], spacing: Sequence[float] | None = None) -> np.ndarray:
    """Return the pixels under `stroke` as (n, spatial_dims) int64 coordinates: unique, row-major order, clipped to the sample.

    Brush, eraser, point: pixels whose centre is within `radius` of the line, and those that the line itself runs through.
    Polygon, lasso: pixels whose centre is inside (non-zero winding); the outline's own pixels if that leaves none.
    Interval: samples from the first to the last one touched. Balls: voxels whose centre is within `radius` of the line through the
    centres of its slice, measured by `spacing` (the world size of a step along each axis; None: all alike). Raises ShapeError,
    FormatError, LimitError.
    """
    shape = tuple(int(n) for n in spatial_shape)
    plane, place = _plane(stroke, shape)
    if stroke.ball:
        return _balls(stroke, shape, spacing)
    points = np.asarray(stroke.points, np.float64)
    if len(shape) == 1:
        points = np.stack([points[:, 0], np.full(len(points), 0.5)], axis=1)
    elif stroke.kind == "interval":
        raise FormatError("an interval on a signal", f"a sample of shape {shape}", "use the brush, polygon or lasso")
    if len(shape) == 1 and stroke.kind in ("interval", "polygon", "lasso"):
        pixels = _span(points[:, 0], shape[0])
    elif stroke.kind in ("polygon", "lasso"):
        pixels = _filled(points, plane)
    else:
        pixels = _brushed(points, float(stroke.radius), plane)
    return place(pixels)


def _plane(stroke: Stroke, shape: tuple[int, ...]):
    """Return the (rows, columns) of the drawn plane, and the function from its (n, 2) pixels to coordinates of the sample."""
    if not 1 <= len(shape) <= 3 or min(shape) < 1:
        raise ShapeError("1 to 3 non-empty spatial axes", f"shape {shape}", "pass the spatial shape of the sample")
    if len(shape) < 3:
        if stroke.axis is not None or stroke.index is not None:
            raise FormatError("no plane for a signal or a picture", f"axis {stroke.axis}, index {stroke.index}", "leave both out")
        return ((1, shape[0]) if len(shape) == 1 else shape), (lambda pixels: pixels[:, 2 - len(shape):])
    axis, index = stroke.axis, stroke.index
    if axis is None or index is None or axis > 2 or index >= shape[axis]:
        raise FormatError(f"a plane inside the volume {shape}", f"axis {axis}, index {index}", "give axis 0 to 2 and a slice of it")
    rest = tuple(n for i, n in enumerate(shape) if i != axis)
    return rest, lambda pixels: np.insert(pixels, axis, index, axis=1)


def _brushed(points: np.ndarray, radius: float, plane: tuple[int, int], steps: tuple[float, float] = (1.0, 1.0), *,
             thin: bool = False) -> np.ndarray:
    """Return the (n, 2) pixels within `radius` of the polyline; exact distances, one capsule per segment.

    steps: the size of a pixel along x and y, in the unit of the radius; thin: leave out what only the line itself runs through.
    """
    starts, ends = (points[:-1], points[1:]) if len(points) > 1 else (points, points)
    limits, sizes = np.asarray(plane[::-1]), np.asarray(steps)
    low = np.clip(np.floor(np.minimum(starts, ends) - radius / sizes).astype(np.int64), 0, limits)
    high = np.clip(np.ceil(np.maximum(starts, ends) + radius / sizes).astype(np.int64) + 1, 0, limits)
    work = int(np.prod(np.maximum(high - low, 0), axis=1).sum())
    if work > MAX_WORK:
        raise LimitError(f"a stroke of at most {MAX_WORK} brushed pixels", f"{work}", "draw a shorter stroke or use a smaller brush")
    line = np.empty((0, 2), np.int64) if thin else _on_line(starts, ends, plane)
    corner, far = np.minimum(low.min(axis=0), limits), high.max(axis=0)
    if len(line):
        corner, far = np.minimum(corner, line.min(axis=0)[::-1]), np.maximum(far, line.max(axis=0)[::-1] + 1)
    mask = np.zeros(np.maximum(far - corner, 0)[::-1], bool)
    for (ax, ay), (bx, by), (x0, y0), (x1, y1) in zip(starts, ends, low, high, strict=True):
        if x0 >= x1 or y0 >= y1:
            continue
        px = (np.arange(x0, x1) + 0.5 - ax) * sizes[0]
        py = ((np.arange(y0, y1) + 0.5 - ay) * sizes[1])[:, None]
        dx, dy = (bx - ax) * sizes[0], (by - ay) * sizes[1]
        length = dx * dx + dy * dy
        along = np.clip((px * dx + py * dy) / length, 0.0, 1.0) if length > 0 else 0.0
        inside = (px - along * dx) ** 2 + (py - along * dy) ** 2 <= radius * radius
        mask[y0 - corner[1]:y1 - corner[1], x0 - corner[0]:x1 - corner[0]] |= inside
    mask[line[:, 0] - corner[1], line[:, 1] - corner[0]] = True
    return np.argwhere(mask) + corner[::-1]


def _balls(stroke: Stroke, shape: tuple[int, ...], spacing: Sequence[float] | None) -> np.ndarray:
    """Return the (n, 3) voxels within `radius` smallest steps of the polyline, slice by slice: a slice at a distance cuts the ball
    in a smaller disc. Voxels that the line itself runs through belong to it whatever the radius."""
    steps = np.ones(3) if spacing is None else np.asarray(spacing, np.float64) / min(spacing)
    rest = [i for i in range(3) if i != stroke.axis]
    plane, wide, high = tuple(shape[i] for i in rest), steps[rest[1]], steps[rest[0]]
    points, reach = np.asarray(stroke.points, np.float64), int(stroke.radius / steps[stroke.axis])
    work = len(points) * math.prod(min(2 * stroke.radius / step + 2, n) for step, n in zip(steps, shape, strict=True))
    if work > MAX_WORK:
        raise LimitError(f"balls of at most {MAX_WORK:,} voxels along a stroke", f"{work:,.0f}", "draw a shorter stroke or a smaller ball")
    found = []
    for index in range(max(0, stroke.index - reach), min(shape[stroke.axis], stroke.index + reach + 1)):
        away = (index - stroke.index) * steps[stroke.axis]
        pixels = _brushed(points, math.sqrt(max(stroke.radius**2 - away**2, 0.0)), plane, (wide, high), thin=index != stroke.index)
        found.append(np.insert(pixels, stroke.axis, index, axis=1))
    voxels = np.concatenate(found)
    return voxels[np.lexsort(voxels.T[::-1])]


def _on_line(starts: np.ndarray, ends: np.ndarray, plane: tuple[int, int]) -> np.ndarray:
    """Return the (n, 2) pixels that the segments run through, by steps of a quarter pixel, so that no stroke is ever empty."""
    rows, columns = plane
    inside = ((np.maximum(starts, ends) >= 0) & (np.minimum(starts, ends) < (columns, rows))).all(axis=1)
    starts, ends = starts[inside], ends[inside]
    counts = np.ceil(4 * np.linalg.norm(ends - starts, axis=1)).astype(np.int64) + 1
    if counts.sum() > MAX_WORK // 64:
        raise LimitError("a stroke of at most a million pixels in length", f"{counts.sum() // 4}", "draw a shorter stroke")
    first = np.repeat(np.cumsum(counts) - counts, counts)
    share = ((np.arange(counts.sum()) - first) / np.repeat(np.maximum(counts - 1, 1), counts))[:, None]
    path = np.floor(np.repeat(starts, counts, axis=0) * (1 - share) + np.repeat(ends, counts, axis=0) * share).astype(np.int64)
    return path[((path >= 0) & (path < (columns, rows))).all(axis=1)][:, ::-1]


def _filled(points: np.ndarray, plane: tuple[int, int]) -> np.ndarray:
    """Return the (n, 2) pixels whose centre has a non-zero winding number; each edge adds +-1 to all pixels right of it."""
    rows, columns = plane
    y0, y1 = np.clip([math.floor(points[:, 1].min()), math.ceil(points[:, 1].max())], 0, rows)
    x0, x1 = np.clip([math.floor(points[:, 0].min()), math.ceil(points[:, 0].max())], 0, columns)
    if (y1 - y0) * (x1 - x0) > MAX_AREA:
        raise LimitError(f"an outline within {MAX_AREA:,} pixels", f"{y1 - y0:,} x {x1 - x0:,}", "zoom in and draw a smaller one")
    starts, ends = points, np.roll(points, -1, axis=0)
    upper, lower = np.minimum(starts[:, 1], ends[:, 1]), np.maximum(starts[:, 1], ends[:, 1])
    first = np.clip(np.ceil(upper - 0.5), y0, y1).astype(np.int64)
    counts = np.maximum(np.clip(np.ceil(lower - 0.5), y0, y1).astype(np.int64) - first, 0)
    if counts.sum() > MAX_WORK // 16:
        raise LimitError("an outline that crosses at most 16 million rows", f"{counts.sum()}", "draw a shorter outline")
    edge = np.repeat(np.arange(len(points)), counts)
    row = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    rise = ends[edge, 1] - starts[edge, 1]
    cut = starts[edge, 0] + (row + 0.5 - starts[edge, 1]) / np.where(rise == 0, 1, rise) * (ends[edge, 0] - starts[edge, 0])
    column = np.clip(np.ceil(cut - 0.5), x0, x1).astype(np.int64)
    winding = np.zeros((y1 - y0, x1 - x0 + 1), np.int32)
    np.add.at(winding, (row - y0, column - x0), np.where(rise > 0, 1, -1))
    inside = np.argwhere(np.cumsum(winding, axis=1)[:, :-1] != 0) + np.array([y0, x0])
    return inside if len(inside) else _brushed(np.concatenate([points, points[:1]]), 0.0, plane)


def _span(x: np.ndarray, length: int) -> np.ndarray:
    """Return the (n, 2) pixels (0, t) of a signal from the smallest to the largest touched sample."""
    first, last = max(math.floor(x.min()), 0), min(math.floor(x.max()), length - 1)
    times = np.arange(first, last + 1, dtype=np.int64)
    return np.stack([np.zeros_like(times), times], axis=1)


def _checked_points(points: Any) -> tuple[tuple[float, float], ...]:
    if isinstance(points, (str, bytes, dict)) or not hasattr(points, "__len__") or len(points) == 0:
        raise FormatError("at least one point (x, y)", repr(points)[:60], "send the points of the stroke")
    if len(points) > MAX_POINTS:
        raise LimitError(f"at most {MAX_POINTS} points in a stroke", f"{len(points)}", "lift the pen earlier")
    for point in points:
        if isinstance(point, (str, bytes, dict)) or not hasattr(point, "__len__") or len(point) != 2 or not all(map(_is_number, point)):
            raise FormatError("points of two numbers (x, y)", repr(point)[:60], "send the points in pixels")
        if not all(math.isfinite(value) and abs(value) <= MAX_POSITION for value in point):
            raise FormatError("finite points near the picture", repr(point)[:60], "send the points in pixels")
    return tuple((float(x), float(y)) for x, y in points)


def _is_number(value: Any) -> bool:
    """Whether a value is a number that fits a float: Python's integers may be too long for one."""
    if isinstance(value, int) and abs(value) > LARGEST:
        return False
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
