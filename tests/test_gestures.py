"""Strokes against slow, obvious references."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parmesan_engine.errors import FormatError, LimitError
from parmesan_engine.gestures import KINDS, MAX_POINTS, Stroke, rasterise

position = st.floats(-8, 30, allow_nan=False).map(lambda v: round(v, 1))
polyline = st.lists(st.tuples(position, position), min_size=1, max_size=6)


def distance(point, start, end):
    d = np.subtract(end, start)
    length = float(d @ d)
    t = min(1.0, max(0.0, float(np.subtract(point, start) @ d) / length)) if length else 0.0
    return math.dist(point, np.add(start, t * d))


def winding(point, corners):
    total = 0
    for (ax, ay), (bx, by) in zip(corners, [*corners[1:], corners[0]], strict=True):
        side = (bx - ax) * (point[1] - ay) - (point[0] - ax) * (by - ay)
        if ay <= point[1] < by and side > 0:
            total += 1
        if by <= point[1] < ay and side < 0:
            total -= 1
    return total


@settings(max_examples=60, deadline=None)
@given(polyline, st.floats(0, 6).map(lambda v: round(v, 1)))
def test_brush_is_every_pixel_centre_within_the_radius(points, radius):
    got = {tuple(c) for c in rasterise(Stroke("brush", points, radius=radius, label=0), (17, 22)).tolist()}
    segments = list(pairwise(points)) or [(points[0], points[0])]
    for y in range(17):
        for x in range(22):
            near = min(distance((x + 0.5, y + 0.5), a, b) for a, b in segments)
            if near <= radius - 1e-9:
                assert (y, x) in got
            elif near > max(radius, math.sqrt(0.5)) + 1e-9:  # beyond: only pixels that the line runs through may be in
                assert (y, x) not in got


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(position, position), min_size=3, max_size=8))
def test_polygon_is_every_centre_with_a_winding_number(points):
    points = [(x + 0.013, y + 0.007) for x, y in points]  # keep corners off the pixel centres
    got = {tuple(c) for c in rasterise(Stroke("polygon", points, label=0), (17, 22)).tolist()}
    expected = {(y, x) for y in range(17) for x in range(22) if winding((x + 0.5, y + 0.5), points)}
    if expected:
        assert got == expected


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KINDS[:-1]), polyline, st.sampled_from([(40,), (9, 11), (5, 6, 7)]))
def test_result_is_unique_sorted_inside_and_int64(kind, points, shape):
    plane = {"axis": 1, "index": 3} if len(shape) == 3 else {}
    pixels = rasterise(Stroke(kind, points, radius=1.5, label=None if kind == "eraser" else 1, **plane), shape)
    assert pixels.dtype == np.int64 and pixels.shape[1] == len(shape)
    assert (pixels >= 0).all() and (pixels < np.asarray(shape)).all()
    order = np.ravel_multi_index(tuple(pixels.T), shape)
    assert (np.diff(order) > 0).all()
    if plane:
        assert (pixels[:, 1] == 3).all()


def test_thin_brush_never_paints_nothing():
    line = rasterise(Stroke("brush", [(0.2, 0.2), (7.9, 3.1)], radius=0, label=0), (10, 10))
    assert len(line) >= 8 and [0, 0] in line.tolist() and [3, 7] in line.tolist()
    assert rasterise(Stroke("point", [(4.0, 6.0)], radius=0.3, label=0), (10, 10)).tolist() == [[6, 4]]


def test_tiny_lasso_marks_its_own_pixels():
    assert rasterise(Stroke("lasso", [(4.1, 4.1), (4.2, 4.1), (4.2, 4.2)], label=0), (10, 10)).tolist() == [[4, 4]]


def test_a_lasso_that_loops_twice_has_no_hole():
    square = [(1, 1), (9, 1), (9, 9), (1, 9)]
    once, twice = (rasterise(Stroke("lasso", square * n, label=0), (12, 12)) for n in (1, 2))
    assert len(once) == 64 and np.array_equal(once, twice)


def test_interval_covers_first_to_last_sample_either_way():
    for points in ([(10.4, 0), (15.9, 80)], [(15.9, 0), (10.4, 3)]):
        assert rasterise(Stroke("interval", points, label=2), (100,)).ravel().tolist() == list(range(10, 16))
    assert rasterise(Stroke("brush", [(10.5, 0), (12.5, 0)], radius=1, label=2), (100,)).ravel().tolist() == [9, 10, 11, 12, 13]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_planes_of_a_volume(axis):
    volume = np.zeros((6, 7, 8), bool)
    volume[tuple(rasterise(Stroke("brush", [(1.5, 2.5)], radius=1, label=0, axis=axis, index=4), (6, 7, 8)).T)] = True
    plane = np.take(volume, 4, axis)
    assert volume.sum() == plane.sum() == 5 and plane[2, 1] and plane[1, 1] and plane[2, 2]


def test_outside_is_empty():
    assert len(rasterise(Stroke("brush", [(-50, -50)], radius=3, label=0), (10, 10))) == 0
    assert len(rasterise(Stroke("polygon", [(-9, -9), (-5, -9), (-5, -5)], label=0), (10, 10))) == 0
    assert rasterise(Stroke("interval", [(500, 0)], label=0), (10,)).shape == (0, 1)


@pytest.mark.parametrize("raw", [
    7, None, {}, {"kind": "brush"}, {"kind": "spray", "points": [[1, 1]], "label": 0}, {"kind": "brush", "points": [], "label": 0},
    {"kind": "brush", "points": "ab", "label": 0}, {"kind": "brush", "points": [[1]], "label": 0},
    {"kind": "brush", "points": [[1, "2"]], "label": 0},
    {"kind": "brush", "points": [[1, float("nan")]], "label": 0}, {"kind": "brush", "points": [[1, 1e300]], "label": 0},
    {"kind": "brush", "points": [[1, 1]], "radius": -1, "label": 0}, {"kind": "brush", "points": [[1, 1]], "radius": 1e9, "label": 0},
    {"kind": "brush", "points": [[1, 1]]}, {"kind": "brush", "points": [[1, 1]], "label": -1},
    {"kind": "brush", "points": [[1, 1]], "label": 1.5},
    {"kind": "brush", "points": [[1, 1]], "label": True}, {"kind": "brush", "points": [[1, 1]], "label": 0, "axis": "z"},
    {"kind": "brush", "points": [[1, 1]], "value": float("inf")},
])  # fmt: skip
def test_untrusted_strokes_are_refused(raw):
    with pytest.raises(FormatError, match=r"expected .*; got "):
        Stroke.parse(raw)


def test_limits():
    with pytest.raises(LimitError):
        Stroke("brush", [(0, 0)] * (MAX_POINTS + 1), label=0)
    far = [(0, 0), (5000, 5000)] * 20
    with pytest.raises(LimitError):
        rasterise(Stroke("brush", far, radius=1000, label=0), (6000, 6000))


@pytest.mark.parametrize(("stroke", "shape"), [
    (Stroke("brush", [(1, 1)], label=0), (4, 4, 4)), (Stroke("brush", [(1, 1)], label=0, axis=0, index=4), (4, 4, 4)),
    (Stroke("brush", [(1, 1)], label=0, axis=3, index=0), (4, 4, 4)), (Stroke("brush", [(1, 1)], label=0, axis=0, index=0), (4, 4)),
    (Stroke("interval", [(1, 1)], label=0), (4, 4)),
])  # fmt: skip
def test_planes_that_do_not_fit_are_refused(stroke, shape):
    with pytest.raises(FormatError):
        rasterise(stroke, shape)


def test_numbers_too_long_for_a_float_and_boundless_outlines_are_refused():
    for raw in ({"kind": "brush", "points": [[10**400, 1]], "label": 0}, {"kind": "point", "points": [[1, 1]], "value": 10**400}):
        with pytest.raises(FormatError):
            Stroke.parse(raw)
    huge = Stroke("polygon", ((0, 0), (20_000, 0), (20_000, 20_000)), label=0)
    with pytest.raises(LimitError, match="smaller"):
        rasterise(huge, (20_000, 20_000))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(position, position), min_size=1, max_size=4), st.floats(0, 6).map(lambda v: round(v, 1)), st.integers(0, 2),
       st.tuples(*[st.sampled_from([0.5, 1.0, 2.5])] * 3))
def test_a_ball_is_every_voxel_centre_within_the_radius_in_the_world(points, radius, axis, spacing):
    shape, index, rest = (9, 11, 10), 4, [i for i in range(3) if i != axis]
    got = rasterise(Stroke("brush", points, radius=radius, label=0, axis=axis, index=index, ball=True), shape, spacing)
    assert np.array_equal(got, np.unique(got, axis=0)), "row-major order, each once"
    got, steps = {tuple(c) for c in got.tolist()}, np.asarray(spacing) / min(spacing)
    line = np.zeros((len(points), 3))
    line[:, axis], line[:, rest[0]], line[:, rest[1]] = index + 0.5, [y for _, y in points], [x for x, _ in points]
    segments = list(pairwise(line * steps)) or [(line[0] * steps, line[0] * steps)]
    for voxel in np.ndindex(shape):
        near = min(distance((np.asarray(voxel) + 0.5) * steps, a, b) for a, b in segments)
        if near <= radius - 1e-9:
            assert voxel in got
        elif near > radius + 1e-9 and voxel[axis] != index:
            assert voxel not in got


def test_a_ball_without_spacing_has_the_same_extent_along_all_axes():
    got = rasterise(Stroke("point", [(10.5, 10.5)], radius=4, label=0, axis=0, index=10, ball=True), (21, 21, 21))
    assert (got.min(axis=0) == 6).all() and (got.max(axis=0) == 14).all()
    assert abs(len(got) / (4 / 3 * math.pi * 4**3) - 1) < 0.1


def test_a_disc_of_a_ball_is_the_brush_of_its_slice():
    points = [(3.2, 4.1), (12.7, 9.4)]
    ball = rasterise(Stroke("brush", points, radius=3, label=0, axis=1, index=5, ball=True), (16, 12, 18))
    disc = rasterise(Stroke("brush", points, radius=3, label=0, axis=1, index=5), (16, 12, 18))
    assert np.array_equal(ball[ball[:, 1] == 5], disc)


@pytest.mark.parametrize("changes", [{"kind": "lasso"}, {"axis": None, "index": None}, {"ball": 1}, {"ball": "yes"}])
def test_balls_that_make_no_sense_are_refused(changes):
    with pytest.raises(FormatError):
        Stroke.parse({"kind": "brush", "points": [(1, 1)], "radius": 2, "label": 0, "axis": 0, "index": 1, "ball": True, **changes})


def test_balls_have_a_bound():
    stroke = Stroke("brush", [(i % 500, i % 499) for i in range(2000)], radius=200, label=0, axis=0, index=9, ball=True)
    with pytest.raises(LimitError):
        rasterise(stroke, (512, 512, 512))
