"""What changes a picture without moving anything in it: light, colour, contrast, blur, noise. Pictures of any dimension."""

import numpy as np
import torch

WAVES = 3  # of smooth light over a picture
REACH = 3  # pixels, radius of the blur


def disturbed(pictures: torch.Tensor, random: np.random.Generator, strength: float = 1.0) -> torch.Tensor:
    """Return (B, C, *S) pictures, each under its own light, colour, contrast, blur and noise; strength 0 changes nothing.

    Values are meant to lie around 0 to 1, but need not.
    """
    if strength == 0:
        return pictures
    batch, channels = pictures.shape[:2]
    ones = (batch, *(1,) * (pictures.ndim - 1))
    middle = pictures.mean(tuple(range(1, pictures.ndim)), keepdim=True)
    contrast = _tensor(np.exp(random.normal(0, 0.35 * strength, ones)))
    shift = _tensor(random.normal(0, 0.12 * strength, ones))
    tint = _tensor(np.exp(random.normal(0, 0.15 * strength, (batch, channels, *ones[2:]))))
    out = ((pictures - middle) * contrast + middle + shift) * tint * _light(pictures.shape, random, strength)
    if channels == 3:
        out = torch.lerp(out, out.mean(1, keepdim=True), _tensor(np.clip(random.uniform(-0.6, 1.0, ones), 0, 1) * min(strength, 1.0)))
    out = blurred(out, _tensor(np.maximum(random.uniform(-0.5, 1.3, batch), 0.05) * strength))
    noise = _tensor(np.maximum(random.uniform(-0.04, 0.08, ones), 0) * strength)
    return out + noise * torch.from_numpy(random.standard_normal(out.shape, np.float32))


def blurred(pictures: torch.Tensor, sigmas: torch.Tensor) -> torch.Tensor:
    """Return (B, C, *S) pictures, each smoothed by a Gaussian of its own sigma (B,) in pixels, up to about REACH / 2."""
    steps = torch.arange(-REACH, REACH + 1)
    weights = torch.exp(-0.5 * (steps / sigmas.clamp(min=0.05)[:, None]).square())
    weights = (weights / weights.sum(1, keepdim=True)).reshape(-1, len(steps), *(1,) * (pictures.ndim - 1))
    for axis in range(2, pictures.ndim):
        size = pictures.shape[axis]
        wide = pictures.index_select(axis, torch.arange(-REACH, size + REACH).clamp_(0, size - 1))
        pictures = sum(weights[:, number] * wide.narrow(axis, number, size) for number in range(len(steps)))
    return pictures


def _light(shape: torch.Size, random: np.random.Generator, strength: float) -> torch.Tensor:
    """Return (B, 1, *S) smooth positive factors around 1: a few waves longer than the picture."""
    batch, sizes = shape[0], shape[2:]
    total = torch.zeros(batch, 1, *sizes)
    for _ in range(WAVES):
        angle = _tensor(random.uniform(0, 2 * np.pi, (batch, *(1,) * (len(sizes) + 1))))
        for axis, size in enumerate(sizes):
            turns = _tensor(random.uniform(-4, 4, angle.shape))
            angle = angle + turns * torch.linspace(-0.5, 0.5, size).view(*(-1 if a == axis else 1 for a in range(len(sizes))))
        total += torch.sin(angle) * _tensor(random.normal(0, 0.15 * strength, (batch, *(1,) * (len(sizes) + 1))))
    return total.exp_()


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))
