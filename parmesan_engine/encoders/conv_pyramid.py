"""The learned encoder: a compact trained network's features at several strides, beside the filter bank's.

The network sees what things are and how far they reach, the filters where exactly they end: the memory's metric weighs both. Samples
with other axes than the weights were trained for get the filters alone (shipped weights are for images).
"""

from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from torch.nn.functional import normalize, pad

from parmesan_engine.encoders.beside import BesideFilters, dtype_of
from parmesan_engine.encoders.normalise import Normaliser
from parmesan_engine.encoders.pyramid_net import PyramidNet
from parmesan_engine.encoders.tiling import tiles
from parmesan_engine.encoders.weights import digest, load
from parmesan_engine.encoders.workers import on_one_thread
from parmesan_engine.errors import ShapeError, VersionError
from parmesan_engine.registry import recipe_of
from parmesan_engine.types import Sample

TILE_PIXELS = {1: 1 << 20, 2: 1024, 3: 128}  # edge of a tile: bounds working memory, changes no result


class ConvPyramid(BesideFilters):
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
        dtype = dtype_of(self.precision)
        if self.digest and (found := digest(self.weights)) != self.digest:
            raise VersionError(f"the weights {self.weights} that the memory was made with (digest {self.digest})", f"others ({found})",
                               "put the old file back, or learn anew with these")
        net, _ = load(self.weights)
        return net.to(self.device, dtype, memory_format=_layout(net))

    def pinned(self) -> "ConvPyramid":
        """Return the encoder bound to the weights as they are now: features of other weights would mean nothing to a memory."""
        return ConvPyramid(**recipe_of(self)["keywords"] | {"digest": digest(self.weights)})

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

    def _write_learned(self, sample: Sample, positions: list[np.ndarray], strides: tuple[int, ...], out: torch.Tensor,
                       progress: Callable[[float], None]) -> None:
        """Write the network's features at the nodes into out (*grid, features), tile by tile."""
        shape, normaliser = sample.spatial_shape, Normaliser.of(sample)
        pieces = list(tiles(tuple(out.shape[:-1]), strides, self.tile or TILE_PIXELS[len(shape)]))
        for index, tile in enumerate(pieces):
            at = [p[s] for p, s in zip(positions, tile, strict=True)]
            windows = [self._window(p, n) for p, n in zip(at, shape, strict=True)]
            values = normaliser.apply(sample.array[(slice(None), *(slice(a, min(b, n)) for (a, b), n in zip(windows, shape, strict=True)))])
            levels = on_one_thread(self.net, self._pixels(values, [b - a for a, b in windows]))
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
        return x.to(self.device, dtype_of(self.precision)).contiguous(memory_format=_layout(self.net))


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
