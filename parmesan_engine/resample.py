"""From nodes back to pixels: linear interpolation between the places where nodes were sampled. Pure, 1-D to 3-D."""

import torch

from parmesan_engine.errors import ShapeError
from parmesan_engine.types import FeatureLevel

Box = tuple[tuple[int, int], ...]  # (start, stop) along each spatial axis


def to_pixels(rows: torch.Tensor, level: FeatureLevel, shape: tuple[int, ...], box: Box | None = None) -> torch.Tensor:
    """Return (L, *shape) from (nodes, L) rows on the grid of `level`; with a box, that part of it, the same bit for bit.

    Node i of an axis was sampled at pixel i * stride, so that pixel gets exactly its row; pixels between two nodes get
    their mixture, pixels after the last node its row. Raises ShapeError for a box that is not inside.
    """
    field = to_grid(rows, level)
    box = box or tuple((0, pixels) for pixels in shape)
    _check(box, shape)
    for axis, (nodes, stride, (start, stop)) in enumerate(zip(level.grid, level.stride, box, strict=True), start=1):
        if stride == 1:
            field = field.narrow(axis, start, stop - start)
            continue
        pixel = torch.arange(start, stop, device=rows.device)
        left = torch.div(pixel, stride, rounding_mode="floor")
        right = (left + 1).clamp(max=nodes - 1)
        mix = ((pixel - left * stride) / stride).reshape(-1, *[1] * (field.ndim - axis - 1))
        field = torch.lerp(field.index_select(axis, left), field.index_select(axis, right), mix)
    return field


def to_grid(rows: torch.Tensor, level: FeatureLevel) -> torch.Tensor:
    """Return (L, *grid) from (nodes, L) rows on the grid of `level`."""
    return rows.T.reshape(rows.shape[1], *level.grid)


def _check(box: Box, shape: tuple[int, ...]) -> None:
    if len(box) != len(shape) or not all(0 <= start < stop <= n for (start, stop), n in zip(box, shape, strict=True)):
        raise ShapeError(f"a box inside {shape}, as (start, stop) along each axis", f"{box}", "choose one inside the sample")
