"""scikit-image's features as an encoder: what its tutorials (and convpaint) train a random forest on, to compare with.

`skimage.feature.multiscale_basic_features` with its own range of scales (sigma 0.5 to 16, doubling): per channel and scale the
smoothed intensity, the Sobel edges and the eigenvalues of the Hessian. Its gradients need two axes of two pixels, so a signal is
given as a picture of two equal rows (its edges then have no sign, its second derivative is split by sign into the two
eigenvalues), and axes of one pixel are doubled. Spacing is not used: scikit-image does not know it. Intensities are
normalised as for every encoder here; the tutorials do not do that, and their forests are worse for it between samples.
"""

import math
from collections.abc import Callable

import numpy as np
import torch

from parmesan_engine.encoders.filter_bank import write_coordinates
from parmesan_engine.encoders.normalise import Normaliser
from parmesan_engine.encoders.separable import checked_scales
from parmesan_engine.encoders.tiling import node_positions, pooled_levels, strides_of
from parmesan_engine.errors import FormatError, LimitError
from parmesan_engine.types import FeatureLevel, FeaturePyramid, Sample

MAX_BYTES = 1 << 33  # of the features of all pixels, which scikit-image makes before nodes are read from them
REACH = 4  # sigmas at which SciPy cuts its Gaussian off


class SkimageFeatures:
    """Features of any 1-D, 2-D or 3-D sample by scikit-image, read at the nodes.

    sigma_min, sigma_max: of its Gaussians, in pixels; coordinates: append each axis mapped to [-1, 1]; device: where to leave the
    features (they are computed on the CPU).
    """

    def __init__(self, *, sigma_min: float = 0.5, sigma_max: float = 16, coordinates: bool = True, device: str = "cpu") -> None:
        self.sigma_min = sigma_min
        self.sigma_max = sigma_max
        self.coordinates = coordinates
        self.device = device

    def groups_of(self, sample_channels: int, spatial_dims: int) -> tuple[str, ...]:
        """Return the kind and scale of each feature, as "texture@2"; the last are "coordinates"."""
        kinds = ("intensity", "edges", *("texture",) * max(spatial_dims, 2))
        groups = [f"{kind}@{sigma:g}" for _ in range(sample_channels) for sigma in self._sigmas() for kind in kinds]
        return (*groups, *("coordinates",) * (spatial_dims * self.coordinates))

    def channels_of(self, sample_channels: int, spatial_dims: int) -> int:
        """Return the number of features for samples of so many channels and axes."""
        return len(self.groups_of(sample_channels, spatial_dims))

    @property
    def receptive_field(self) -> int:
        """Half width, in pixels, of what a feature can depend on."""
        return int(REACH * self.sigma_max + 0.5) + 2

    def strides_for(self, spatial_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the strides of the finest level that `encode` chooses for a sample of this shape."""
        return strides_of(None, spatial_shape)

    def encode(self, sample: Sample, *, stride: int | tuple[int, ...] | None = None,
               progress: Callable[[float], None] | None = None) -> FeaturePyramid:
        """Return three levels of features, the finest at `stride` pixels (chosen by size when None).

        progress is called with the fraction done and may raise to cancel. Raises ShapeError for a bad stride, LimitError for a
        sample whose features do not fit into memory.
        """
        progress = progress or (lambda fraction: None)
        strides = strides_of(stride, sample.spatial_shape)
        groups = self.groups_of(sample.channels, sample.spatial_dims)
        positions = [node_positions(n, s) for n, s in zip(sample.spatial_shape, strides, strict=True)]
        grid = tuple(len(p) for p in positions)
        if (size := 4 * math.prod(sample.spatial_shape) * len(groups)) > MAX_BYTES:
            raise LimitError(f"a sample whose features take at most {MAX_BYTES >> 30} GiB", f"{size / 2**30:.1f} GiB",
                             "cut it into parts, or use an encoder that works in tiles")
        keys = np.empty((*grid, len(groups)), np.float32)
        values, each = Normaliser.of(sample).apply(sample.array), len(self._sigmas()) * (2 + max(sample.spatial_dims, 2))
        for channel in range(sample.channels):
            progress(channel / sample.channels)
            keys[..., channel * each : (channel + 1) * each] = self._features(values[channel])[np.ix_(*positions)]
        if self.coordinates:
            write_coordinates(torch.from_numpy(keys)[..., -sample.spatial_dims:].movedim(-1, 0), positions, sample.spatial_shape)
        finest = torch.from_numpy(keys.reshape(-1, len(groups))).to(self.device)
        levels = pooled_levels(FeatureLevel(finest, grid, strides))
        progress(1.0)
        return FeaturePyramid(levels, sample.spatial_shape, groups)

    def _sigmas(self) -> np.ndarray:
        """Return the scales as scikit-image chooses them: doubled from the smallest. Raises FormatError for those out of bounds."""
        checked_scales((self.sigma_min, self.sigma_max), "sigma_min and sigma_max")
        if self.sigma_min > self.sigma_max:
            raise FormatError("sigma_min of at most sigma_max", f"{self.sigma_min} and {self.sigma_max}", "correct them")
        count = int(np.log2(self.sigma_max) - np.log2(self.sigma_min) + 1)
        return np.logspace(np.log2(self.sigma_min), np.log2(self.sigma_max), num=count, base=2)

    def _features(self, values: np.ndarray) -> np.ndarray:
        """Return (*spatial, features) of one (*spatial) channel."""
        from skimage.feature import multiscale_basic_features  # here: half a second that no other encoder should wait for

        shape = values.shape
        grown = values[None] if len(shape) == 1 else values
        grown = np.pad(grown, [(0, int(n == 1)) for n in grown.shape], mode="edge")
        found = multiscale_basic_features(grown, sigma_min=self.sigma_min, sigma_max=self.sigma_max, workers=torch.get_num_threads())
        return found[0, : shape[0]] if len(shape) == 1 else found[tuple(slice(0, n) for n in shape)]
