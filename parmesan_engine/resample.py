"""From nodes back to pixels: linear interpolation between the places where nodes were sampled. Pure, 1-D to 3-D."""

import torch

from parmesan_engine.types import FeatureLevel


def to_pixels(rows: torch.Tensor, level: FeatureLevel, shape: tuple[int, ...]) -> torch.Tensor:
    """Return (L, *shape) from (nodes, L) rows on the grid of `level`.

    Node i of an axis was sampled at pixel i * stride, so that pixel gets exactly its row; pixels between two nodes get
    their mixture, pixels after the last node its row.
    """
    field = rows.T.reshape(rows.shape[1], *level.grid)
    for axis, (nodes, stride, pixels) in enumerate(zip(level.grid, level.stride, shape, strict=True), start=1):
        if stride == 1:
            continue
        pixel = torch.arange(pixels, device=rows.device)
        left = torch.div(pixel, stride, rounding_mode="floor")
        right = (left + 1).clamp(max=nodes - 1)
        mix = ((pixel - left * stride) / stride).reshape(-1, *[1] * (field.ndim - axis - 1))
        field = torch.lerp(field.index_select(axis, left), field.index_select(axis, right), mix)
    return field
