"""What is written per scale: rotation-invariant features of images and volumes, signed features of signals."""

import numpy as np
import torch

from parmesan_engine.encoders.eigen import sorted_eigenvalues
from parmesan_engine.encoders.octaves import Octaves
from parmesan_engine.encoders.scale import Derivatives, GradientProducts, orders_of

FLOOR = 0.03  # slopes below this are noise; also bounds the slope of the square root, and so rounding errors
ENERGY_SCALE = 3.0  # samples; the fine slope whose energy says where in a signal something happens
# Fixed gains that bring each kind to about unit spread on photographs and electrocardiograms (unit-variance samples)
GAINS = {"intensity": 1.0, "gradient": 4.0, "derivative": 2.0, "laplacian": 3.0, "hessian": 4.0, "structure": 4.0,
         "energy": 3.0, "asymmetry": 1.0}


class GridFeatures:
    """Images and volumes at one scale: nothing here depends on how the sample is turned.

    steps: the grid that must be ready; pixel_reach: how far from a node, per axis, pixels themselves are read.
    """

    @staticmethod
    def widths(channels: int, dims: int) -> dict[str, int]:
        """Return how many features there are of each kind, in order."""
        return {"intensity": channels, "gradient": 1, "laplacian": 1, "hessian": dims, "structure": dims}

    def __init__(self, octaves: Octaves, scale: float) -> None:
        self.channels = octaves.sample.channels
        self.responses = Derivatives(octaves, scale)
        self.tensor = GradientProducts(self.responses, scale)
        self.steps = self.responses.steps
        self.pixel_reach = [r * (max(self.steps) == 1) for r in self.tensor.reach]

    def write(self, positions: list[np.ndarray], out: torch.Tensor) -> None:
        """Write the features at the nodes (positions per axis) into out (features, *nodes)."""
        dims, channels = len(positions), self.channels
        zero, (first, second) = (0,) * dims, orders_of(dims)
        luminance = slice(channels, None) if channels > 1 else slice(None)
        orders = [*first.values(), *second.values()]
        responses = self.responses.at(positions, orders + [zero] * (channels == 1), luminance)
        if channels > 1:
            responses |= self.responses.at(positions, [zero], slice(0, channels))
        torch.mul(responses[zero], GAINS["intensity"], out=out[:channels])
        gradient, laplacian = out[channels], out[channels + 1]
        torch.mul(sum(responses[o][0] ** 2 for o in first.values()).sqrt_(), GAINS["gradient"], out=gradient)
        hessian = {key: responses[o][0] for key, o in second.items()}
        torch.mul(sum(hessian[a, a] for a in range(dims)), GAINS["laplacian"], out=laplacian)
        tensor = self.tensor.at(positions, luminance)
        for value, row in zip(sorted_eigenvalues(hessian, dims), out[channels + 2:channels + 2 + dims], strict=True):
            torch.mul(value, GAINS["hessian"], out=row)
        for value, row in zip(sorted_eigenvalues(tensor, dims), out[channels + 2 + dims:], strict=True):
            torch.mul(_compressed(value), GAINS["structure"], out=row)


class SignalFeatures:
    """Signals at one scale: derivatives keep sign and channel; energy of the fine slope, and which side has more.

    Energy and asymmetry were added because they place a wave in its beat: on electrocardiograms a forest went from
    0.68 to 0.78 mean intersection over union, plain 16-NN from 0.60 to 0.68.
    """

    @staticmethod
    def widths(channels: int, dims: int) -> dict[str, int]:
        """Return how many features there are of each kind, in order."""
        return {"intensity": channels, "derivative": channels, "laplacian": channels, "energy": 1, "asymmetry": 1}

    def __init__(self, octaves: Octaves, scale: float) -> None:
        self.channels = octaves.sample.channels
        self.responses = Derivatives(octaves, scale)
        self.products = GradientProducts(Derivatives(octaves, ENERGY_SCALE), scale)
        self.steps = self.responses.steps
        self.pixel_reach = [max(a, b) for a, b in zip(self.responses.reach, self.products.reach, strict=True)]

    def write(self, positions: list[np.ndarray], out: torch.Tensor) -> None:
        """Write the features at the nodes (positions per axis) into out (features, *nodes)."""
        responses = self.responses.at(positions, [(0,), (1,), (2,)], slice(None))
        for order, kind in enumerate(("intensity", "derivative", "laplacian")):
            torch.mul(responses[order,], GAINS[kind], out=out[order * self.channels:(order + 1) * self.channels])
        energy, change = self.products.along(positions, slice(None))
        torch.mul(_compressed(energy), GAINS["energy"], out=out[-2])
        torch.mul(change / (energy.clamp_min(0) + FLOOR**2), GAINS["asymmetry"], out=out[-1])


def _compressed(energy: torch.Tensor) -> torch.Tensor:
    """Return the square root of an energy, on the scale of a slope, flat at zero."""
    return energy.clamp_min(0).add_(FLOOR**2).sqrt_().sub_(FLOOR)
