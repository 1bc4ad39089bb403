"""A block of a volume seen from above a corner: its first slice and its two front sides, as one picture."""

import numpy as np
from PIL import Image

from parmesan_engine import render
from parmesan_engine.types import Sample

RIGHT, LEFT, DOWN = np.array([0.866, 0.5]), np.array([-0.866, 0.5]), np.array([0.0, 1.0])  # of the screen: where x, y and z go
SHADES = {0: 1.0, 1: 0.9, 2: 0.8}  # light on each face, by the axis that it cuts
FINER = 2  # drawn larger, then halved, for smooth edges


def cube(sample: Sample, paint, width: int) -> Image.Image:
    """Return a picture (RGBA) of a volume. paint: (picture (h, w, 3), axis, index) -> (h, w, 3), what to draw on a face."""
    size = np.asarray(sample.spatial_shape) * np.asarray(sample.spacing or (1.0, 1.0, 1.0))
    scale = FINER * width / (0.866 * (size[1] + size[2]))
    z, y, x = size * scale
    canvas = Image.new("RGBA", (FINER * width, int(0.5 * (x + y) + z) + 1))
    top = y * 0.866, 0.0  # where the corner (0, 0, 0) is
    for axis, corner, (across, wide), (down, high) in ((0, top, (RIGHT, x), (LEFT, y)), (1, top + y * LEFT, (RIGHT, x), (DOWN, z)),
                                                      (2, top + x * RIGHT, (LEFT, y), (DOWN, z))):
        index = 0 if axis == 0 else sample.spatial_shape[axis] - 1
        face = paint(render.to_rgb(sample, axis, index), axis, index) * SHADES[axis]
        lit = Image.fromarray(np.dstack([face.astype(np.uint8), np.full(face.shape[:2], 255, np.uint8)]))
        ends = np.stack([across * wide / lit.width, down * high / lit.height], 1)  # screen = corner + ends @ (column, row)
        back = np.linalg.inv(ends)
        offset = -back @ np.asarray(corner)
        drawn = lit.transform(canvas.size, Image.Transform.AFFINE, (*back[0], offset[0], *back[1], offset[1]), Image.Resampling.NEAREST)
        canvas.alpha_composite(drawn)
    return canvas.reduce(FINER)
