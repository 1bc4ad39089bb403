"""Colours for classes that come without any: told apart also with colour-blind eyes."""

import colorsys

# Okabe and Ito's palette, "Color Universal Design" (2008), without black and ordered so that the first few differ most;
# then from Paul Tol's "muted" scheme (2021). Both were made for colour-blind readers.
_COLORS = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (213, 94, 0),
    (240, 228, 66),
    (136, 34, 85),
    (68, 170, 153),
    (153, 153, 51),
    (51, 34, 136),
    (221, 204, 119),
)
_GOLDEN = 0.618034  # steps of the golden ratio keep hues apart however many follow


def distinct_colors(count: int) -> tuple[tuple[int, int, int], ...]:
    """Return `count` colours as 0..255 RGB; the first n are the same for every count >= n."""
    colors = list(_COLORS[:count])
    for i in range(len(_COLORS), count):
        lightness = (0.45, 0.65, 0.3)[i % 3]  # hues alone are not enough for colour-blind eyes
        colors.append(tuple(round(255 * v) for v in colorsys.hls_to_rgb(i * _GOLDEN % 1.0, lightness, 0.65)))
    return tuple(colors)
