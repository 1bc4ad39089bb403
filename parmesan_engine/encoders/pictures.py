"""A sample as the pictures in colour that models of photographs know: intensities in [0, 1], three channels, a bounded size."""

import numpy as np
import torch
from torch.nn.functional import interpolate

from parmesan_engine.types import Sample

MAX_VALUES = 2**16  # looked at per channel for the range of intensities
ENLARGED = 4  # pixels of the model per pixel of the sample at most: more invents nothing
FINER = 4  # a picture is read at about so many times the model's pixels and then reduced: bounds memory


class Pictures:
    """What a model is shown of one sample. 8-bit values count as photographs; others are stretched from the 1st to the 99th percentile.

    Grey is repeated to three channels. Of two channels, or more than three, each is a grey picture by itself.
    """

    def __init__(self, sample: Sample) -> None:
        self.separate = sample.channels not in (1, 3)
        self.low, self.extent = 0.0, 255.0
        if sample.array.dtype != np.uint8:
            step = max(1, int((np.prod(sample.spatial_shape, dtype=float) / MAX_VALUES) ** (1 / sample.spatial_dims)))
            seen = sample.array[(slice(None), *(slice(None, None, step),) * sample.spatial_dims)].astype(np.float64)
            self.low, high = (float(v) for v in np.percentile(seen, (1, 99)))  # of all channels together: colours stay
            self.extent = (high - self.low) or float(np.ptp(seen)) or 1.0

    def intensities(self, values: np.ndarray) -> torch.Tensor:
        """Return values of any shape as float32 in [0, 1]."""
        scaled = (values.astype(np.float32) - np.float32(self.low)) / np.float32(self.extent)
        return torch.from_numpy(np.clip(scaled, 0, 1))

    def shown(self, planes: np.ndarray, size: tuple[int, int]) -> torch.Tensor:
        """Return (planes * views, 3, *size) of (planes, channels, rows, columns) values; views: one, or one for each channel."""
        steps = [max(1, n // (FINER * wanted)) for n, wanted in zip(planes.shape[2:], size, strict=True)]
        values = self.intensities(planes[:, :, ::steps[0], ::steps[1]])
        if self.separate:
            values = values.flatten(0, 1)[:, None]
        values = interpolate(values, size, mode="bilinear", antialias=True, align_corners=False)
        return values.expand(-1, 3, -1, -1)


def input_size(shape: tuple[int, int], side: int, multiple: int) -> tuple[int, int]:
    """Return the size at which a model is shown a picture: sides as multiples of a number, the longer about `side`.

    A small picture is enlarged at most ENLARGED times, so that patches cover few pixels; proportions change by half a patch at most.
    """
    scale = min(side / max(shape), ENLARGED)
    rows, columns = (max(1, round(n * scale / multiple)) * multiple for n in shape)
    return rows, columns
