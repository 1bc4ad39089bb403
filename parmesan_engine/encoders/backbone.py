"""Features of a large pretrained model (DINOv2, DINOv3, ConvNeXt, any vision backbone of Hugging Face), beside the filter bank's.

Of images and volumes; a volume is shown slice by slice along each of its three axes, and a node takes the mean over the three
slices through it: as many features as of one slice, and none of the axes preferred. (Three times as many would say from which side
something was seen, which the filter bank's features know better.) Signals are refused: no model of pictures knows them.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize

from parmesan_engine.encoders import model_folder, pretrained
from parmesan_engine.encoders.beside import BesideFilters
from parmesan_engine.encoders.guided import upsample
from parmesan_engine.encoders.pictures import Pictures, input_size
from parmesan_engine.encoders.positional import positional_basis, without_position
from parmesan_engine.errors import LimitError, ShapeError
from parmesan_engine.registry import recipe_of
from parmesan_engine.types import Sample

log = logging.getLogger(__name__)
MAX_SIDE = 4096  # pixels of a model's input: 65,000 patches
BATCH_PIXELS = 1 << 20  # shown to the model at a time
BLACK = 32  # patches along the edge of the picture without content
WHOLE = 1 << 30  # receptive field of what sees the whole sample


class Backbone(BesideFilters):
    """A pretrained model's features of images and volumes at the nodes, length 1 per feature map, and filter features.

    model: a folder, or a name on the Hugging Face hub; revision: of the hub a commit, tag or branch, of a folder its fingerprint.
    layers: which feature maps, 0 before the first layer; none: the last of a plain transformer, every stage of other networks.
    side: pixels of the longer side of what the model is shown. guided: edges from the sample when features are brought to nodes,
    else by distance alone. debias: take position out of a plain transformer's features (see `positional`).
    filters: append the filter bank. coordinates: append each axis mapped to [-1, 1]. precision: float32 or bfloat16.
    device: where to compute and leave the features. tile: of the filter bank.
    """

    spatial_dims = (2, 3)
    filters_take = 0.25
    max_bytes = 1 << 33
    too_large = "choose fewer layers, a smaller model or a coarser stride, or cut the sample into parts"

    def __init__(self, *, model: str = "facebook/dinov2-small", revision: str = "", layers: Sequence[int] = (), side: int = 518,
                 guided: bool = True, debias: bool = True, filters: bool = True, coordinates: bool = True, precision: str = "float32",
                 device: str = "cpu", tile: int | None = None) -> None:
        self.model = model
        self.revision = revision
        self.layers = layers
        self.side = side
        self.guided = guided
        self.debias = debias
        self.filters = filters
        self.coordinates = coordinates
        self.precision = precision
        self.device = device
        self.tile = tile

    def pinned(self) -> "Backbone":
        """Return the same encoder with the model's place and revision settled. Raises as `encode` where there is no such model."""
        folder, own = model_folder.find(self.model, self.revision), recipe_of(self)["keywords"]
        if Path(self.model).expanduser().is_dir():
            return Backbone(**{**own, "model": str(folder), "revision": model_folder.fingerprint(folder)})
        return Backbone(**{**own, "revision": folder.name})  # the hub's copies are named by their commits

    @cached_property
    def _loaded(self) -> pretrained.Pretrained:
        folder = model_folder.find(self.model, self.revision)
        return pretrained.load(folder, tuple(self.layers), self.precision, self.device)

    @cached_property
    def _bases(self) -> list[torch.Tensor]:
        """Return the (channels, directions) of each feature map in which position is written; no directions where it stays."""
        loaded = self._loaded
        if not (self.debias and loaded.patch):
            return [torch.zeros(n, 0, device=self.device) for n in loaded.channels]
        black = torch.zeros(1, 3, BLACK * loaded.patch, BLACK * loaded.patch)
        return [positional_basis(features[0]) for features in loaded.maps(black)]

    def _learned_groups(self, spatial_dims: int) -> tuple[str, ...]:
        """Return the kind of each feature, as "layer12@14" of the model's layer 12 at 14 of its pixels."""
        if spatial_dims not in self.spatial_dims:
            raise ShapeError("images or volumes, 2 or 3 spatial axes, for the encoder backbone", f"{spatial_dims}, a signal",
                             "use filter_bank or conv_pyramid for signals: no model of pictures knows them")
        loaded = self._loaded
        return tuple(f"layer{layer}@{stride}" for layer, stride, n in zip(loaded.layers, loaded.strides, loaded.channels, strict=True)
                     for _ in range(n))

    @property
    def receptive_field(self) -> int:
        """Half width, in pixels, of what a feature can depend on: the whole sample, of any size."""
        return WHOLE

    def _check_size(self, size: int) -> None:
        super()._check_size(size)
        if not 1 <= self.side <= MAX_SIDE:
            raise LimitError(f"side from 1 to {MAX_SIDE} pixels", f"{self.side}", "correct side=")

    def _write_learned(self, sample: Sample, positions: list[np.ndarray], strides: tuple[int, ...], out: torch.Tensor,
                       progress: Callable[[float], None]) -> None:
        """Write the model's features at the nodes into out (*grid, features)."""
        pictures, dims = Pictures(sample), sample.spatial_dims
        if pictures.separate:
            log.info("%s: the backbone is shown each of %d channels as a grey picture, and features are averaged", sample.name,
                     sample.channels)
        if dims == 2:
            for features in self._planes(sample.array[None], pictures, positions, progress):
                out[:] = features
        else:
            out.zero_()
            shape = sample.spatial_shape
            thick = [axis for axis in range(3) if min(shape[:axis] + shape[axis + 1:]) > 1] or [0]
            for number, axis in enumerate(thick):
                across = np.moveaxis(sample.array, axis + 1, 0)  # (slices, channels, rows, columns)
                flat = [p for other, p in enumerate(positions) if other != axis]
                slices = self._planes(across[positions[axis]], pictures, flat, lambda f, n=number: progress((n + f) / len(thick)))
                for index, features in enumerate(slices):
                    out.select(axis, index).add_(features)
            for part in out.split(self._loaded.channels, dim=-1):
                part.copy_(normalize(part, dim=-1))

    def _planes(self, planes: np.ndarray, pictures: Pictures, positions: list[np.ndarray],
                progress: Callable[[float], None]) -> Iterator[torch.Tensor]:
        """Yield the (*nodes, features) of each of (planes, channels, rows, columns), batch by batch."""
        loaded, shape = self._loaded, planes.shape[2:]
        size = input_size(shape, self.side, loaded.multiple)
        views = planes.shape[1] if pictures.separate else 1
        batch = max(1, BATCH_PIXELS // (size[0] * size[1] * views))
        for start in range(0, len(planes), batch):
            progress(start / len(planes))
            some = planes[start:start + batch]
            maps = [without_position(m, basis).unflatten(0, (len(some), views)).mean(1)
                    for m, basis in zip(loaded.maps(pictures.shown(some, size)), self._bases, strict=True)]
            for number, plane in enumerate(some):
                guide = pictures.intensities(plane[(slice(None), *np.ix_(*positions))]).to(self.device) if self.guided else None
                yield torch.cat([normalize(upsample(m[number], guide, positions, shape), dim=-1) for m in maps], dim=-1)
                progress((start + number + 1) / len(planes))
