"""A small U-Net for 1, 2 and 3 spatial axes: the baseline that learns its features from the labels themselves.

After Ronneberger, Fischer and Brox (2015) with the habits of today: padded convolutions, group normalisation (one sample at a
time is learned), upsampling by interpolation. Signals get more levels: a heart beat is hundreds of samples long.
"""

import itertools

import torch
from torch import nn
from torch.nn import functional

from parmesan_engine.methods.network import CONVOLUTION

LEVELS = {1: 8, 2: 5, 3: 4}
WIDTH, WIDEST, GROUPS = 16, 128, 8
POOL = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}


class UNetTrunk(nn.Module):
    """(batch, channels, *spatial) -> (batch, width, *spatial), spatial of any size: all of a U-Net but its last layer."""

    def __init__(self, channels: int, spatial_dims: int) -> None:
        super().__init__()
        self.channels, self.spatial_dims, self.width = channels, spatial_dims, WIDTH
        widths = [min(WIDTH << level, WIDEST) for level in range(LEVELS[spatial_dims])]
        self.pool = POOL[spatial_dims]
        self.down = nn.ModuleList(_pair(before, after, spatial_dims) for before, after in zip([channels, *widths], widths, strict=False))
        self.up = nn.ModuleList(_pair(low + skip, skip, spatial_dims) for skip, low in itertools.pairwise(widths))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shape, multiple = x.shape[2:], 1 << len(self.up)
        x = functional.pad(x, [end for n in reversed(shape) for end in (0, -n % multiple)], mode="replicate")
        skips = []
        for number, block in enumerate(self.down):
            x = block(x if number == 0 else self.pool(x, 2))
            skips.append(x)
        for skip, block in zip(skips[-2::-1], reversed(self.up), strict=True):
            x = block(torch.cat([functional.interpolate(x, skip.shape[2:], mode="nearest"), skip], 1))
        return x[(slice(None), slice(None), *(slice(0, n) for n in shape))]


def _pair(before: int, after: int, dims: int) -> nn.Sequential:
    """Return two convolutions of three pixels, each normalised."""
    convolution = CONVOLUTION[dims]
    return nn.Sequential(convolution(before, after, 3, padding=1, bias=False), nn.GroupNorm(GROUPS, after), nn.ReLU(inplace=True),
                         convolution(after, after, 3, padding=1, bias=False), nn.GroupNorm(GROUPS, after), nn.ReLU(inplace=True))
