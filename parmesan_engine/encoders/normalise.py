"""Robust intensity normalisation of one sample, computed once so that all of its tiles agree."""

from dataclasses import dataclass

import numpy as np

from parmesan_engine.types import Sample

MAX_VALUES = 2**16  # values looked at per channel; percentiles of so many are known to a fraction of a percent
GAIN = 4.65  # the distance from the 1st to the 99th percentile of a normal distribution, in standard deviations
CLIP = 12.0  # a hot pixel must not drown its neighbourhood at the large scales


@dataclass(frozen=True)
class Normaliser:
    """Per channel `(x - centre) * gain`, clipped: median 0, p99 - p1 = 4.65 (unit variance if normal).

    centre, gain: (channels,) float64. Invariant to x -> a x + b with a > 0; a constant channel becomes 0.
    """

    centre: np.ndarray
    gain: np.ndarray

    @classmethod
    def of(cls, sample: Sample) -> "Normaliser":
        """Measure a sample on a regular grid of at most MAX_VALUES pixels: bounded and deterministic."""
        excess = max(1.0, np.prod(sample.spatial_shape, dtype=float) / MAX_VALUES)
        step = int(np.ceil(excess ** (1 / sample.spatial_dims)))
        values = sample.array[(slice(None), *(slice(None, None, step),) * sample.spatial_dims)]
        values = values.reshape(sample.channels, -1).astype(np.float64)
        low, centre, high = np.percentile(values, (1, 50, 99), axis=1)
        extent = high - low
        # sparse bright objects on a constant ground have no percentile range: fall back to the standard deviation
        extent = np.where(extent > 0, extent, GAIN * values.std(axis=1))
        return cls(centre, np.where(extent > 0, GAIN / np.where(extent > 0, extent, 1.0), 0.0))

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Return (channels, *spatial) values normalised, float32, contiguous."""
        shape = (-1, *(1,) * (values.ndim - 1))
        # whole numbers up to 16 bits are exact in float32, and half the memory traffic of float64
        exact = np.float32 if values.dtype.itemsize <= 2 or values.dtype == np.float32 else np.float64
        out = values - self.centre.astype(exact).reshape(shape)
        out *= self.gain.astype(exact).reshape(shape)
        return np.clip(out, -CLIP, CLIP, out=out).astype(np.float32, copy=False)
