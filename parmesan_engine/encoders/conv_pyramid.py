"""The learned encoder: a compact trained network's features at several strides, beside the filter bank's.

The network sees what things are and how far they reach, the filters where exactly they end: the memory's metric weighs both. Samples
with other axes than the weights were trained for get the filters alone (shipped weights are for images).
"""

from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from torch.nn.functional import normalize, pad

from parmesan_engine.encoders.filter_bank import FilterBank, write_coordinates
from parmesan_engine.encoders.normalise import Normaliser
from parmesan_engine.encoders.pyramid_net import PyramidNet
from parmesan_engine.encoders.tiling import node_positions, pooled_levels, strides_of, tiles
from parmesan_engine.encoders.weights import digest, load
from parmesan_engine.encoders.workers import pool
from parmesan_engine.errors import ShapeError, UnknownNameError, VersionError
from parmesan_engine.registry import recipe_of
from parmesan_engine.types import FeatureLevel, FeaturePyramid, Sample

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
TILE_PIXELS = {1: 1 << 20, 2: 1024, 3: 128}  # edge of a tile: bounds working memory, changes no result


def _never_cancelled(fraction: float) -> None:
    """Progress callback for callers that do not ask."""


class ConvPyramid:
    """Learned features of any sample with as many axes as the weights, and filter features; one result for every tile size.

    weights: shipped ones by name, or the path of a .safetensors file of the pretrain command. precision: float32, or bfloat16,
    which halves the time where the processor or the card knows it. filters: append the filter bank. coordinates: append each axis
    mapped to [-1, 1]. device: where to compute and leave the features. tile: edge in pixels of the pieces, None for a good one.
    digest: of the file that the weights must be (see `weights.digest`), empty for whichever it is.
    """

    def __init__(self, *, weights: str = "photographs", precision: str = "float32", filters: bool = True, coordinates: bool = True,
                 device: str = "cpu", tile: int | None = None, digest: str = "") -> None:
        self.weights = weights
        self.digest = digest
        self.precision = precision
        self.filters = filters
        self.coordinates = coordinates
        self.device = device
        self.tile = tile

    @cached_property
    def net(self) -> PyramidNet:
        """The network, loaded when it is first asked for. Raises FormatError, UnknownNameError."""
        if self.precision not in PRECISIONS:
            raise UnknownNameError(f"a precision ({', '.join(PRECISIONS)})", repr(self.precision), "correct it")
        if self.digest and (found := digest(self.weights)) != self.digest:
            raise VersionError(f"the weights {self.weights} that the memory was made with (digest {self.digest})", f"others ({found})",
                               "put the old file back, or learn anew with these")
        net, _ = load(self.weights)
        return net.to(self.device, PRECISIONS[self.precision], memory_format=_layout(net))

    def pinned(self) -> "ConvPyramid":
        """Return the encoder bound to the weights as they are now: features of other weights would mean nothing to a memory."""
        return ConvPyramid(**recipe_of(self)["keywords"] | {"digest": digest(self.weights)})

    @cached_property
    def _bank(self) -> FilterBank:
        return FilterBank(coordinates=self.coordinates, device=self.device)

    def groups_of(self, sample_channels: int, spatial_dims: int) -> tuple[str, ...]:
        """Return the kind of each feature: "stage@8" for those learned at stride 8, then as the filter bank names its own."""
        places = ("coordinates",) * (spatial_dims * self.coordinates)
        hand_made = self._bank.groups_of(sample_channels, spatial_dims) if self.filters else places
        return (*self._learned_groups(spatial_dims), *hand_made)

    def channels_of(self, sample_channels: int, spatial_dims: int) -> int:
        """Return the number of features for samples of so many channels and axes."""
        return len(self.groups_of(sample_channels, spatial_dims))

    def _learned_groups(self, spatial_dims: int) -> tuple[str, ...]:
        if spatial_dims != self.net.shape["spatial_dims"]:
            if not self.filters:
                raise ShapeError(f"samples of {self.net.shape['spatial_dims']} axes for the weights {self.weights}", f"{spatial_dims}",
                                 "keep the filters, or train weights with pretrain --dims")
            return ()
        return tuple(f"stage@{stride}" for stride in self.net.strides for _ in range(self.net.shape["outputs"]))

    @property
    def receptive_field(self) -> int:
        """Half width, in pixels, of what a feature can depend on."""
        return max(self.net.reach, self._bank.receptive_field if self.filters else 0)

    def strides_for(self, spatial_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the strides of the finest level that `encode` chooses for a sample of this shape."""
        return strides_of(None, spatial_shape)

    def encode(self, sample: Sample, *, stride: int | tuple[int, ...] | None = None,
               progress: Callable[[float], None] | None = None) -> FeaturePyramid:
        """Return three levels of features, the finest at `stride` pixels (chosen by size when None).

        progress is called with the fraction done and may raise to cancel. Raises ShapeError for a bad stride.
        """
        progress = progress or _never_cancelled
        strides = strides_of(stride, sample.spatial_shape)
        positions = [node_positions(n, s) for n, s in zip(sample.spatial_shape, strides, strict=True)]
        grid = tuple(len(p) for p in positions)
        groups = self.groups_of(sample.channels, sample.spatial_dims)
        learned = len(self._learned_groups(sample.spatial_dims))
        with torch.inference_mode(False), torch.no_grad():  # as in the filter bank: nothing kept may be an inference tensor
            keys = torch.empty(*grid, len(groups), device=self.device)
            if self.filters:
                bank = self._bank.encode(sample, stride=strides, progress=lambda f: progress(f / 2))
                keys[..., learned:] = bank.levels[0].keys.view(*grid, -1)
            elif self.coordinates:
                write_coordinates(keys[..., learned:].movedim(-1, 0), positions, sample.spatial_shape)
            if learned:
                self._write_learned(sample, positions, strides, keys[..., :learned], lambda f: progress(0.5 + f / 2))
            levels = pooled_levels(FeatureLevel(keys.view(-1, len(groups)), grid, strides))
        progress(1.0)
        return FeaturePyramid(levels, sample.spatial_shape, groups)

    def _write_learned(self, sample: Sample, positions: list[np.ndarray], strides: tuple[int, ...], out: torch.Tensor,
                       progress: Callable[[float], None]) -> None:
        """Write the network's features at the nodes into out (*grid, features), tile by tile."""
        shape, normaliser = sample.spatial_shape, Normaliser.of(sample)
        pieces = list(tiles(tuple(out.shape[:-1]), strides, self.tile or TILE_PIXELS[len(shape)]))
        for index, tile in enumerate(pieces):
            at = [p[s] for p, s in zip(positions, tile, strict=True)]
            windows = [self._window(p, n) for p, n in zip(at, shape, strict=True)]
            values = normaliser.apply(sample.array[(slice(None), *(slice(a, min(b, n)) for (a, b), n in zip(windows, shape, strict=True)))])
            # on one thread: how sums are split over threads shows in the last bit, and features must not depend on the machine's
            run = pool().map if self.device == "cpu" else map
            [levels] = run(self.net, [self._pixels(values, [b - a for a, b in windows])])
            done = 0
            for level, step in zip(levels, self.net.strides, strict=True):
                read = normalize(level[0].float().movedim(0, -1), dim=-1)
                for axis, (p, (low, _)) in enumerate(zip(at, windows, strict=True)):
                    read = _read(read, axis, (p - low + 0.5) / step - 0.5)
                out[(*tile, slice(done, done + read.shape[-1]))] = read
                done += read.shape[-1]
            progress((index + 1) / len(pieces))

    def _window(self, positions: np.ndarray, pixels: int) -> tuple[int, int]:
        """Return the first pixel of what the network must see along an axis, and one past the last, both whole coarse nodes."""
        coarse = self.net.strides[-1]
        low = max(0, int(positions[0]) - self.net.reach) // coarse * coarse
        return low, min(-(-pixels // coarse), -(-(int(positions[-1]) + 1 + self.net.reach) // coarse)) * coarse

    def _pixels(self, values: np.ndarray, window: list[int]) -> torch.Tensor:
        """Return (1, channels, *window) of (channels, *spatial) values: channels as the network takes them, edges repeated."""
        wanted = self.net.shape["channels"]
        if len(values) != wanted:
            values = np.broadcast_to(values.mean(0, keepdims=True, dtype=np.float32), (wanted, *values.shape[1:]))
        x = torch.from_numpy(np.ascontiguousarray(values, np.float32))[None]
        missing = [amount for n, there in zip(window[::-1], x.shape[:1:-1], strict=True) for amount in (0, n - there)]
        x = pad(x, missing, mode="replicate") if any(missing) else x
        return x.to(self.device, PRECISIONS[self.precision]).contiguous(memory_format=_layout(self.net))


def _layout(net: PyramidNet) -> torch.memory_format:
    """Return the layout that convolutions of images want: channels beside each other."""
    return torch.channels_last if net.shape["spatial_dims"] == 2 else torch.contiguous_format


def _read(field: torch.Tensor, dim: int, at: np.ndarray) -> torch.Tensor:
    """Return `field` read between its nodes along `dim`, linearly, at (n,) places; beyond the ends the last node counts."""
    at = np.clip(at, 0, field.shape[dim] - 1)
    low = np.minimum(at.astype(np.int64), max(field.shape[dim] - 2, 0))
    share = torch.from_numpy((at - low).astype(np.float32)).to(field.device).reshape(-1, *(1,) * (field.ndim - dim - 1))
    index = torch.from_numpy(low).to(field.device)
    below = field.index_select(dim, index)
    return below.lerp(field.index_select(dim, (index + 1).clamp(max=field.shape[dim] - 1)), share)
