"""Collages of photographs whose category is known at every pixel: what a network learns to see from a folder of pictures.

A collage is one photograph with parts of others laid over it at random sizes, so that the network must tell what is where, not only what
is somewhere. Categories come from file names, NAME_0001.jpg [ours]; a folder without them serves the contrastive objective.
"""

import re
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate

from parmesan_engine.encoders.normalise import Normaliser
from parmesan_engine.errors import FormatError
from parmesan_engine.types import Sample

SUFFIXES = (".jpg", ".jpeg", ".png")
SHORT_SIDE = 144  # photographs are kept this large: more is not seen by the crops
MAX_BYTES = 4 << 30
OVERLAYS = 2  # at most, over the ground


class Photographs:
    """A folder of photographs in memory. images: list of (3, y, x) uint8; labels: (n,) int64 category of each; categories: names.

    Raises FormatError for a folder without pictures, or with more than fit in MAX_BYTES.
    """

    def __init__(self, folder: str | Path) -> None:
        paths = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in SUFFIXES)
        if not paths:
            raise FormatError(f"a folder with pictures ({', '.join(SUFFIXES)})", f"{folder} without any", "give another --images")
        names = [re.sub(r"[_-]?\d+$", "", p.stem) for p in paths]
        self.categories = sorted(set(names))
        self.labels = np.array([self.categories.index(name) for name in names])
        counts = np.bincount(self.labels)
        chances = counts[self.labels] ** -0.5  # between every picture alike and every category alike
        self._upto = np.cumsum(chances / chances.sum())
        self.images, held = [], 0
        for path in paths:
            with Image.open(path) as picture:
                picture.draft("RGB", (2 * SHORT_SIDE, 2 * SHORT_SIDE))
                scale = SHORT_SIDE / min(picture.size)
                if scale < 1:
                    picture = picture.resize([max(1, round(n * scale)) for n in picture.size], Image.Resampling.BOX)
                array = np.asarray(picture.convert("RGB"))
            held += array.nbytes
            if held > MAX_BYTES:
                raise FormatError(f"at most {MAX_BYTES >> 30} GiB of pictures", f"more in {folder}", "give a smaller folder")
            self.images.append(torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1))))

    def collages(self, rng: np.random.Generator, batch: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (batch, 3, size, size) float32 normalised pictures and (batch, size, size) int64 categories."""
        made = [self._collage(rng, size) for _ in range(batch)]
        return torch.stack([m[0] for m in made]), torch.stack([m[1] for m in made])

    def _any(self, rng: np.random.Generator) -> int:
        return min(int(np.searchsorted(self._upto, rng.random())), len(self.images) - 1)

    def _collage(self, rng: np.random.Generator, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        ground = self._any(rng)
        canvas = coloured(rng, _crop(rng, self.images[ground], size, size, least=0.4))
        label = torch.full((size, size), int(self.labels[ground]))
        for _ in range(int(rng.integers(OVERLAYS + 1))):
            index = self._any(rng)
            high, wide = (int(n) for n in np.clip(size * rng.uniform(0.25, 0.75) * np.exp(rng.normal(0, 0.2, 2)), 16, size))
            top, left = (int(rng.integers(-n // 4, size - 3 * n // 4)) for n in (high, wide))
            patch = coloured(rng, _crop(rng, self.images[index], high, wide, least=0.6))
            mask = _shape(rng, high, wide)
            inner = (slice(max(0, -top), min(high, size - top)), slice(max(0, -left), min(wide, size - left)))
            outer = (slice(max(0, top), min(size, top + high)), slice(max(0, left), min(size, left + wide)))
            inside = mask[inner]
            canvas[:, *outer] = torch.where(inside, patch[:, *inner], canvas[:, *outer])
            label[outer][inside] = int(self.labels[index])
        return normalised(degraded(rng, canvas)), label


def _crop(rng: np.random.Generator, image: torch.Tensor, high: int, wide: int, least: float) -> torch.Tensor:
    """Return a random crop of at least the share `least` of the area, perhaps mirrored, resized to (3, high, wide) in [0, 1]."""
    side = np.sqrt(rng.uniform(least, 1.0))
    stretch = np.exp(rng.normal(0, 0.1))
    y, x = image.shape[1:]
    fit = min(y / high, x / wide) * side  # photograph pixels per crop pixel
    h, w = min(y, max(2, int(high * fit * stretch))), min(x, max(2, int(wide * fit / stretch)))
    top, left = int(rng.integers(y - h + 1)), int(rng.integers(x - w + 1))
    part = image[None, :, top:top + h, left:left + w].float() / 255
    part = interpolate(part, (high, wide), mode="bilinear", align_corners=False, antialias=h > high)[0]
    return part.flip(-1) if rng.random() < 0.5 else part


def _shape(rng: np.random.Generator, high: int, wide: int) -> torch.Tensor:
    """Return a (high, wide) mask: a rectangle, an ellipse, or a wavy blob."""
    kind = rng.integers(3)
    if kind == 0:
        return torch.ones(high, wide, dtype=torch.bool)
    y, x = torch.linspace(-1, 1, high)[:, None], torch.linspace(-1, 1, wide)[None]
    edge = torch.ones(())
    if kind == 2:
        angle = torch.atan2(y, x)
        edge = 0.8 + sum(float(rng.normal(0, 0.12)) * torch.cos(n * angle + float(rng.uniform(0, 6.28))) for n in (2, 3, 5))
    return (y**2 + x**2).sqrt() < edge


def coloured(rng: np.random.Generator, image: torch.Tensor) -> torch.Tensor:
    """Return a (3, y, x) picture in [0, 1] in another light: brightness, contrast, cast, gamma; sometimes grey or inverted."""
    image = image.clamp(1e-3, 1) ** float(np.exp(rng.normal(0, 0.25)))
    cast = torch.from_numpy(np.exp(rng.normal(0, 0.08, (3, 1, 1))).astype(np.float32)) * float(np.exp(rng.normal(0, 0.2)))
    image = (image - 0.5) * cast + 0.5 + float(rng.normal(0, 0.08))
    if rng.random() < 0.15:
        image = image.mean(0, keepdim=True).repeat(3, 1, 1)
    if rng.random() < 0.05:
        image = 1 - image
    return image


def degraded(rng: np.random.Generator, image: torch.Tensor) -> torch.Tensor:
    """Return the picture a little less sharp and with noise, sometimes."""
    if rng.random() < 0.2:
        small = interpolate(image[None], scale_factor=float(rng.uniform(0.35, 0.9)), mode="bilinear", antialias=True)
        image = interpolate(small, image.shape[1:], mode="bilinear")[0]
    if rng.random() < 0.2:
        image = image + float(rng.uniform(0.01, 0.06)) * torch.from_numpy(rng.standard_normal(image.shape, dtype=np.float32))
    return image


def normalised(image: torch.Tensor) -> torch.Tensor:
    """Return the picture as encoders see samples (encoders.normalise): median 0 and p99 - p1 = 4.65 in each channel."""
    array = image.contiguous().numpy()
    return torch.from_numpy(Normaliser.of(Sample(array, "collage")).apply(array))
