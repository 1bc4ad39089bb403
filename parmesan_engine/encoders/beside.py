"""What encoders with learned features have in common: these at the nodes, beside them the filter bank's, or the place alone."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch

from parmesan_engine.encoders.filter_bank import FilterBank, write_coordinates
from parmesan_engine.encoders.tiling import node_positions, pooled_levels, strides_of
from parmesan_engine.errors import LimitError, UnknownNameError
from parmesan_engine.types import FeatureLevel, FeaturePyramid, Sample

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def dtype_of(precision: str) -> torch.dtype:
    """Return the type of a network's numbers. Raises UnknownNameError."""
    if precision not in PRECISIONS:
        raise UnknownNameError(f"a precision ({', '.join(PRECISIONS)})", repr(precision), "correct it")
    return PRECISIONS[precision]


class BesideFilters(ABC):
    """The interface of an encoder; a subclass says which features it has learned and writes them.

    A subclass holds the keywords filters, coordinates, device and tile, as `ConvPyramid` describes them.
    """

    filters: bool
    coordinates: bool
    device: str
    tile: int | None
    filters_take = 0.5  # of the time of encoding, as progress tells it
    max_bytes = 1 << 40  # of the features of one sample: the nodes are bounded already
    too_large = "choose a coarser stride, or cut the sample into parts"

    @abstractmethod
    def _learned_groups(self, spatial_dims: int) -> tuple[str, ...]:
        """Return the kind of each learned feature for samples of so many axes; none where there are none. Raises ShapeError."""

    @abstractmethod
    def _write_learned(self, sample: Sample, positions: list[np.ndarray], strides: tuple[int, ...], out: torch.Tensor,
                       progress: Callable[[float], None]) -> None:
        """Write the learned features at the nodes (positions per axis) into out (*grid, features), which holds anything."""

    def _check_size(self, size: int) -> None:
        """Raise LimitError where features of so many bytes are too many."""
        if size > self.max_bytes:
            raise LimitError(f"a sample whose features take at most {self.max_bytes >> 30} GiB", f"{size / 2**30:.1f} GiB", self.too_large)

    @cached_property
    def _bank(self) -> FilterBank:
        return FilterBank(coordinates=self.coordinates, device=self.device, tile=self.tile)

    def groups_of(self, sample_channels: int, spatial_dims: int) -> tuple[str, ...]:
        """Return the kind of each feature, "stage@8" for what was learned at stride 8, then as the filter bank names its own."""
        places = ("coordinates",) * (spatial_dims * self.coordinates)
        learned = self._learned_groups(spatial_dims)
        return (*learned, *(self._bank.groups_of(sample_channels, spatial_dims) if self.filters else places))

    def channels_of(self, sample_channels: int, spatial_dims: int) -> int:
        """Return the number of features for samples of so many channels and axes."""
        return len(self.groups_of(sample_channels, spatial_dims))

    def strides_for(self, spatial_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the strides of the finest level that `encode` chooses for a sample of this shape."""
        return strides_of(None, spatial_shape)

    def encode(self, sample: Sample, *, stride: int | tuple[int, ...] | None = None,
               progress: Callable[[float], None] | None = None) -> FeaturePyramid:
        """Return three levels of features, the finest at `stride` pixels (chosen by size when None).

        progress is called with the fraction done and may raise to cancel. Raises ShapeError for a bad stride or axes that are not
        known, LimitError, and UnknownNameError, FormatError, VersionError for weights that are not there or not as they were.
        """
        progress = progress or (lambda fraction: None)
        strides = strides_of(stride, sample.spatial_shape)
        groups = self.groups_of(sample.channels, sample.spatial_dims)
        learned = len(self._learned_groups(sample.spatial_dims))
        positions = [node_positions(n, s) for n, s in zip(sample.spatial_shape, strides, strict=True)]
        grid = tuple(len(p) for p in positions)
        self._check_size(4 * math.prod(grid) * len(groups))
        with torch.inference_mode(False), torch.no_grad():  # a caller's inference mode must not leak into what is kept
            keys = torch.empty(*grid, len(groups), device=self.device)
            if self.filters:
                bank = self._bank.encode(sample, stride=strides, progress=lambda f: progress(self.filters_take * f))
                keys[..., learned:] = bank.levels[0].keys.view(*grid, -1)
            elif self.coordinates:
                write_coordinates(keys[..., learned:].movedim(-1, 0), positions, sample.spatial_shape)
            if learned:
                self._write_learned(sample, positions, strides, keys[..., :learned],
                                    lambda f: progress(self.filters_take + (1 - self.filters_take) * f))
            levels = pooled_levels(FeatureLevel(keys.view(-1, len(groups)), grid, strides))
        progress(1.0)
        return FeaturePyramid(levels, sample.spatial_shape, groups)
