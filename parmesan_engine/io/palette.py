"""Colours for classes that come without any: told apart also with colour-blind eyes."""

from collections.abc import Sequence
from functools import cache

import numpy as np

Color = tuple[int, int, int]

# Okabe and Ito, "Color Universal Design" (2008), without black and ordered so that the first few differ most, then "wine" of
# Paul Tol's muted scheme (2021). Both were made for colour-blind readers.
_COLORS = ((0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0), (240, 228, 66), (136, 34, 85))
ENOUGH = 15.0  # distance in CIELAB from which neighbouring patches are told apart at a glance
_STEPS = (16, 56, 96, 136, 176, 216, 248)  # of the grid that further colours come from
_LIGHTNESS = (25, 88)  # CIELAB; darker or lighter ones drown in a picture

# Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color vision deficiency" (2009): what is
# left of linear RGB with usual eyes, without the red and without the green cones.
VISIONS = {
    "usual": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
}
_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
_WHITE = np.array([0.95047, 1.0, 1.08883])  # D65


def distinct_colors(count: int) -> tuple[Color, ...]:
    """Return `count` colours as 0..255 RGB; the first n are the same for every count >= n."""
    colors: list[Color] = []
    while len(colors) < count:
        colors.append(further_color(tuple(colors)))
    return tuple(colors)


@cache
def further_color(taken: tuple[Color, ...]) -> Color:
    """Return a colour that all eyes tell apart from those taken: of the fixed list while one is left, else the one furthest off."""
    if not taken:
        return _COLORS[0]
    for color in _COLORS:
        if distances([color], taken).min() >= ENOUGH:
            return color
    grid = _grid()
    return tuple(int(c) for c in grid[distances(grid, taken).min(axis=1).argmax()])


def distances(colors: Sequence[Color], others: Sequence[Color]) -> np.ndarray:
    """Return (n, m) CIELAB distances between n and m colours, each for the eyes that see the least difference."""
    return np.min([np.linalg.norm(a[:, None] - b[None], axis=2) for a, b in zip(_seen(colors), _seen(others), strict=True)], axis=0)


def _seen(colors: Sequence[Color]) -> np.ndarray:
    """Return (visions, n, 3) CIELAB coordinates of colours as different eyes see them."""
    rgb = np.asarray(colors, float).reshape(-1, 3) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = np.stack([np.clip(linear @ eye.T, 0, 1) @ _XYZ.T / _WHITE for eye in VISIONS.values()])
    x, y, z = np.moveaxis(np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


@cache
def _grid() -> np.ndarray:
    """Return (n, 3) candidates that are neither too dark nor too light."""
    grid = np.stack(np.meshgrid(_STEPS, _STEPS, _STEPS, indexing="ij"), axis=-1).reshape(-1, 3)
    lightness = _seen(grid)[0, :, 0]
    return grid[(lightness >= _LIGHTNESS[0]) & (lightness <= _LIGHTNESS[1])]
