"""Outlines against shapely and against the pixels themselves."""

import json

import numpy as np
import pytest
from shapely.geometry import Point, shape
from shapely.strtree import STRtree

from parmesan_engine.errors import ShapeError
from parmesan_engine.regions import features, find_objects
from parmesan_engine.regions.outlines import outlines
from parmesan_engine.types import TaskSpec

TASK = TaskSpec("segmentation", ("ground", "a", "b"), ((0, 0, 0), (1, 2, 3), (4, 5, 6)))


def noise(seed, size=(23, 31), classes=3):
    return np.random.default_rng(seed).integers(-1, classes, size).astype(np.int16)


def polygons_of(labels, classes=(0, 1, 2), **options):
    return list(features(find_objects(labels, classes, **options), TASK))


def rasterised(found, size):
    """Return the object numbers under the pixel centres, by shapely."""
    tree, painted = STRtree([shape(f["geometry"]) for f in found]), np.zeros(size, np.int32)
    for y in range(size[0]):
        for x in range(size[1]):
            hits = tree.query(Point(x + 0.5, y + 0.5), predicate="within")
            assert len(hits) <= 1
            painted[y, x] = found[hits[0]]["properties"]["object"] if len(hits) else 0
    return painted


@pytest.mark.parametrize("seed", range(12))
def test_polygons_of_noise_are_valid_and_cover_exactly_their_pixels(seed):
    labels = noise(seed, classes=1 + seed % 3)
    objects = find_objects(labels, (0, 1, 2))
    found = list(features(objects, TASK))
    assert [f["properties"]["object"] for f in found] == list(range(1, len(objects) + 1))
    for feature in found:
        polygon = shape(feature["geometry"])
        assert polygon.is_valid and polygon.geom_type == "Polygon" and polygon.area == feature["properties"]["pixels"]
        assert polygon.exterior.is_ccw and not any(ring.is_ccw for ring in polygon.interiors)
    assert np.array_equal(rasterised(found, labels.shape), objects.index)


def test_straight_stretches_are_one_edge_and_a_hole_is_a_hole():
    labels = np.zeros((7, 9), np.int16)
    labels[1:6, 2:8] = 1
    labels[3, 4:6] = 0
    (feature,) = polygons_of(labels, (1,))
    outer, hole = feature["geometry"]["coordinates"]
    assert {tuple(p) for p in outer} == {(2, 1), (8, 1), (8, 6), (2, 6)} and len(outer) == 5 and outer[0] == outer[-1]
    assert {tuple(p) for p in hole} == {(4, 3), (6, 3), (6, 4), (4, 4)}


def test_a_ring_that_touches_itself_at_a_corner_is_valid():
    """The hard case: a loop of pixels closed by a corner only. Its inside is a hole that touches the outline at one point."""
    labels = np.asarray([[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0]], np.int16)
    (feature,) = polygons_of(labels, (1,))
    polygon = shape(feature["geometry"])
    assert polygon.is_valid and len(polygon.interiors) == 1 and polygon.area == 7


def test_corners_do_not_connect():
    assert len(polygons_of(np.eye(4, dtype=np.int16), (1,))) == 4


def test_small_ones_are_left_out_and_the_rest_is_numbered_on():
    labels = np.zeros((6, 8), np.int16)
    labels[0, 0], labels[2:4, 2:5], labels[5, 7], labels[5, 0:2] = 1, 1, 1, 2
    found = polygons_of(labels, (1, 2), smallest=2)
    assert [(f["properties"]["object"], f["properties"]["class_id"], f["properties"]["pixels"]) for f in found] == [(1, 1, 6), (2, 2, 2)]


def test_a_volume_has_its_objects_plane_by_plane():
    labels = np.zeros((3, 5, 6), np.int16)
    labels[0, 1:4, 1:3] = labels[1, 1:4, 1:5] = labels[2, 1:4, 1:2] = 1
    labels[2, 1:4, 3:5] = 1  # hangs on the same object by the plane above
    found = polygons_of(labels, (1,))
    assert [f["properties"]["z"] for f in found] == [0, 1, 2] and {f["properties"]["object"] for f in found} == {1}
    assert [f["geometry"]["type"] for f in found] == ["Polygon", "Polygon", "MultiPolygon"]
    assert [shape(f["geometry"]).area for f in found] == [(labels[z] == 1).sum() for z in range(3)]
    assert found[2]["geometry"]["plane"] == {"c": -1, "z": 2, "t": 0}


@pytest.mark.parametrize("seed", range(6))
def test_planes_of_a_noisy_volume_are_valid(seed):
    labels = np.random.default_rng(seed).integers(0, 2, (4, 12, 13)).astype(np.int16)
    found = polygons_of(labels, (1,))
    assert all(shape(f["geometry"]).is_valid for f in found)
    assert sum(shape(f["geometry"]).area for f in found) == (labels == 1).sum()


def test_physical_coordinates_follow_the_spacing():
    labels = np.zeros((4, 5), np.int16)
    labels[1:3, 1:5] = 1
    (feature,) = features(find_objects(labels, (1,)), TASK, (0.5, 0.25))
    assert shape(feature["geometry"]).bounds == (0.25, 0.5, 1.25, 1.5)


def test_it_is_json_with_the_class_as_qupath_reads_it():
    labels = np.full((2, 2), 2, np.int16)
    (feature,) = json.loads(json.dumps(polygons_of(labels)))
    assert feature["properties"]["classification"] == {"name": "b", "color": [4, 5, 6]}
    assert feature["properties"]["objectType"] == "annotation"


def test_nothing_gives_nothing_and_signals_are_refused():
    assert outlines(np.zeros((3, 4), np.int32)) == {} and polygons_of(np.full((3, 4), -1, np.int16)) == []
    with pytest.raises(ShapeError, match="signal"):
        polygons_of(np.zeros(9, np.int16))
