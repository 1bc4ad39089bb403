"""A compact network from pixels to a pyramid of features: residual blocks in four stages, and a way back down. One code for 1D to 3D.

Blocks are those of ConvNeXt (Liu et al., CVPR 2022, arXiv 2201.03545: depthwise convolution, then a wide pointwise one) with batch
normalisation, which costs nothing once trained; the way down is a feature pyramid (Lin et al., CVPR 2017, arXiv 1612.03144), so
that fine levels know what the coarse ones saw. Knows nothing of samples, files or how it is trained.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

KERNEL = {1: 9, 2: 7, 3: 5}  # of the depthwise convolutions, per number of axes
WIDEN = 4  # channels inside a block over those outside
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class Block(nn.Module):
    """One residual block of `width` channels: each position sees KERNEL of its neighbours per axis. Shapes stay."""

    def __init__(self, width: int, spatial_dims: int) -> None:
        super().__init__()
        conv, kernel = CONVOLUTIONS[spatial_dims - 1], KERNEL[spatial_dims]
        self.spread = conv(width, width, kernel, padding=kernel // 2, groups=width, bias=False)
        self.norm = NORMS[spatial_dims - 1](width)
        self.widen = conv(width, WIDEN * width, 1)
        self.narrow = conv(WIDEN * width, width, 1)
        self.gain = nn.Parameter(torch.ones(width, *(1,) * spatial_dims))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.gain * self.narrow(torch.relu(self.widen(self.norm(self.spread(x)))))


class PyramidNet(nn.Module):
    """Map (batch, channels, *spatial) to one (batch, outputs, *spatial / stride) per stage, finest first, not normalised.

    spatial: multiples of the coarsest stride. widths, depths: channels and blocks of each stage; stem: stride of the first stage,
    each further one has twice that of the one before; outputs: features per level.
    """

    def __init__(self, spatial_dims: int = 2, channels: int = 3, widths: Sequence[int] = (48, 96, 192, 288),
                 depths: Sequence[int] = (1, 2, 4, 2), outputs: int = 48, stem: int = 4) -> None:
        super().__init__()
        self.shape = {"spatial_dims": spatial_dims, "channels": channels, "widths": list(widths), "depths": list(depths),
                      "outputs": outputs, "stem": stem}
        conv, norm = CONVOLUTIONS[spatial_dims - 1], NORMS[spatial_dims - 1]
        # an even kernel of twice the stride: output i is centred on the pixels [i * stem, (i + 1) * stem) that its node covers
        first = nn.Sequential(conv(channels, widths[0], 2 * stem, stride=stem, padding=stem // 2, bias=False), norm(widths[0]))
        halve = [nn.Sequential(norm(a), conv(a, b, 2, stride=2)) for a, b in pairwise(widths)]
        self.entries = nn.ModuleList([first, *halve])
        self.stages = nn.ModuleList([nn.Sequential(*(Block(width, spatial_dims) for _ in range(depth)))
                                     for width, depth in zip(widths, depths, strict=True)])
        inner = 2 * outputs
        self.laterals = nn.ModuleList([nn.Sequential(norm(width), conv(width, inner, 1)) for width in widths])
        self.mixers = nn.ModuleList([nn.Sequential(conv(inner, inner, 5, padding=2, groups=inner, bias=False), norm(inner), nn.ReLU(),
                                                   conv(inner, outputs, 1)) for _ in widths])

    @property
    def strides(self) -> tuple[int, ...]:
        """The stride in pixels of each level."""
        return tuple(self.shape["stem"] * 2**level for level in range(len(self.stages)))

    @property
    def reach(self) -> int:
        """Half width in pixels of what a feature of any level can depend on."""
        dims, depths = self.shape["spatial_dims"], self.shape["depths"]
        blocks = sum(depth * (KERNEL[dims] // 2) * stride for depth, stride in zip(depths, self.strides, strict=True))
        return blocks + 2 * sum(self.strides) + 4 * self.strides[-1]  # mixers, and what striding and interpolating add

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        trunk = []
        for entry, stage in zip(self.entries, self.stages, strict=True):
            x = stage(entry(x))
            trunk.append(x)
        below, levels = None, []
        for x, lateral, mixer in zip(trunk[::-1], self.laterals[::-1], self.mixers[::-1], strict=True):
            own = lateral(x)
            below = own if below is None else own + nn.functional.interpolate(below, scale_factor=2, mode="nearest")
            levels.append(mixer(below))
        return levels[::-1]
