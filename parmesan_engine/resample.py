"""From nodes back to pixels, whole or a box: linear interpolation between the places where nodes were sampled. Pure, 1-D to 3-D."""

import math
from collections.abc import Iterator

import torch

from parmesan_engine.errors import ShapeError
from parmesan_engine.types import FeatureLevel

Box = tuple[tuple[int, int], ...]  # (start, stop) along each spatial axis


def blocks(shape: tuple[int, ...], pixels: int) -> Iterator[Box]:
    """Yield boxes that cover a shape, cut across its first axis, of at most `pixels` where one step of that axis allows it.

    >>> list(blocks((5, 4), 8))
    [((0, 2), (0, 4)), ((2, 4), (0, 4)), ((4, 5), (0, 4))]
    """
    step = max(1, pixels // math.prod(shape[1:]))
    for start in range(0, shape[0], step):
        yield ((start, min(start + step, shape[0])), *((0, n) for n in shape[1:]))


def slices(box: Box) -> tuple[slice, ...]:
    """Return a box as an index of arrays."""
    return tuple(slice(start, stop) for start, stop in box)


def to_pixels(rows: torch.Tensor, level: FeatureLevel, shape: tuple[int, ...], box: Box | None = None) -> torch.Tensor:
    """Return (L, *shape) from (nodes, L) rows on the grid of `level`; with a box, that part of it, the same bit for bit.

    Node i of an axis was sampled at pixel i * stride, so that pixel gets exactly its row; pixels between two nodes get
    their mixture, pixels after the last node its row. Raises ShapeError for a box that is not inside.
    """
    field = to_grid(rows, level)
    box = box or tuple((0, pixels) for pixels in shape)
    _check(box, shape)
    for axis, (stride, (start, stop)) in enumerate(zip(level.stride, box, strict=True), start=1):
        field = field.narrow(axis, start, stop - start) if stride == 1 else _stretched(field, axis, stride, start, stop)
    return field


def to_grid(rows: torch.Tensor, level: FeatureLevel) -> torch.Tensor:
    """Return (L, *grid) from (nodes, L) rows on the grid of `level`."""
    return rows.T.reshape(rows.shape[1], *level.grid)


def _stretched(field: torch.Tensor, axis: int, stride: int, start: int, stop: int) -> torch.Tensor:
    """Return the pixels from `start` to `stop` of one axis. One pass for each place between two nodes: no pixel is looked up."""
    first, nodes = start // stride, field.shape[axis]
    left = field.narrow(axis, first, (stop - 1) // stride - first + 1)
    pixels = field.new_empty(*field.shape[:axis], stop - start, *field.shape[axis + 1 :])
    right = field.index_select(axis, torch.arange(first + 1, first + 1 + left.shape[axis], device=field.device).clamp(max=nodes - 1))
    for phase in range(stride):
        low, high = -((phase - start) // stride) - first, (stop - 1 - phase) // stride - first + 1
        if low < high:
            out = pixels.movedim(axis, 0)[(first + low) * stride + phase - start :: stride].movedim(0, axis)
            torch.lerp(left.narrow(axis, low, high - low), right.narrow(axis, low, high - low), phase / stride, out=out)
    return pixels


def _check(box: Box, shape: tuple[int, ...]) -> None:
    if len(box) != len(shape) or not all(0 <= start < stop <= n for (start, stop), n in zip(box, shape, strict=True)):
        raise ShapeError(f"a box inside {shape}, as (start, stop) along each axis", f"{box}", "choose one inside the sample")
