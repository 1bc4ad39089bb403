"""Class colours are told apart by usual and by colour-blind eyes."""

import numpy as np
import pytest

from parmesan_engine.io.palette import ENOUGH, VISIONS, distances, distinct_colors, further_color


def closest(colors) -> float:
    apart = distances(colors, colors)
    np.fill_diagonal(apart, np.inf)
    return float(apart.min())


@pytest.mark.parametrize("count", [2, 4, 8, 16, 24])
def test_offered_colours_stay_apart_under_every_vision(count):
    assert closest(distinct_colors(count)) >= ENOUGH - 2


def test_a_palette_for_usual_eyes_only_fails_the_same_measure():
    traffic_light = [(200, 60, 50), (110, 120, 30), (70, 150, 60)]
    usual = np.linalg.norm(np.diff(np.asarray(traffic_light, float), axis=0), axis=1)
    assert closest(traffic_light) < ENOUGH < usual.min()


def test_red_and_green_fall_together_without_one_of_the_cones():
    red, green = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
    for name, eye in VISIONS.items():
        assert np.allclose(eye.sum(axis=1), 1, atol=1e-4), "grey stays grey"
        hue = np.abs((eye @ red - eye @ green)[:2] @ [1, -1])  # red against green
        assert (hue > 1) == (name == "usual")


def test_more_colours_never_change_the_first():
    many = distinct_colors(200)
    assert distinct_colors(9) == many[:9] and len(set(many)) == 200
    assert all(0 <= part <= 255 and type(part) is int for color in many for part in color)


def test_a_further_colour_keeps_off_those_that_people_picked():
    picked = ((0, 110, 180), (228, 160, 10), (40, 40, 40))
    assert distances([further_color(picked)], picked).min() >= ENOUGH
    assert further_color(()) == distinct_colors(1)[0]
