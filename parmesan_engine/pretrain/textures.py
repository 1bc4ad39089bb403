"""What surfaces look like: periodic lattices of noise, stripes, cells and grain, read at any place between their points."""

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree

EDGE = {1: 2048, 2: 128, 3: 32}  # points of a lattice along each axis
SLOPES = (0.6, 1.2, 2.0)  # spectra fall as 1 / frequency ** slope: from sand to clouds


@dataclass(frozen=True)
class Textures:
    """lattices: (T, EDGE ** D) of mean 0 and variance 1, periodic along every axis."""

    lattices: torch.Tensor
    dims: int

    @classmethod
    def woven(cls, random: np.random.Generator, dims: int) -> "Textures":
        """Return the lattices of one batch: clouds of several spectra, wood, stripes, checks, cells, walls, grain."""
        shape = (EDGE[dims],) * dims
        clouds = [_cloud(random, shape, slope) for slope in SLOPES]
        wood = _cloud(random, shape, 1.2, stretch=6.0)
        places = np.stack(np.meshgrid(*(np.arange(n) / n for n in shape), indexing="ij"))
        waves = 2 * np.pi * places * random.integers(6, 14) + 0.6 * clouds[2]
        checks = np.prod([np.sin(wave) for wave in waves], axis=0)
        near, wall = _cells(random, places)
        grain = random.standard_normal(shape)
        kinds = [*clouds, wood, np.sin(waves[0]), np.tanh(4 * np.sin(waves[-1])), checks, near, wall, grain]
        return cls(torch.from_numpy(np.stack([_standard(kind).ravel() for kind in kinds]).astype(np.float32)), dims)

    def __len__(self) -> int:
        return len(self.lattices)

    def at(self, kinds: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Return (P,) values of textures `kinds` (P,) at (D, P) places in lattice steps, mixed linearly between points."""
        edge, whole = EDGE[self.dims], places.floor()
        part, low = places - whole, whole.long()
        strides = [edge ** (self.dims - 1 - axis) for axis in range(self.dims)]
        corners = [[(low[axis] + side).remainder_(edge).mul_(strides[axis]) for side in (0, 1)] for axis in range(self.dims)]
        out, base = torch.zeros_like(part[0]), kinds * edge**self.dims
        for sides in itertools.product((0, 1), repeat=self.dims):
            index, weight = base, 1.0
            for axis, side in enumerate(sides):
                index = index + corners[axis][side]
                weight = weight * (part[axis] if side else 1 - part[axis])
            out += self.lattices.view(-1).take(index) * weight
        return out


def _cloud(random: np.random.Generator, shape: tuple[int, ...], slope: float, stretch: float = 1.0) -> np.ndarray:
    """Return a periodic random field whose spectrum falls as a power; stretch: how much longer it is along the last axis."""
    frequencies = list(np.meshgrid(*(np.fft.fftfreq(n) * n for n in shape), indexing="ij"))
    frequencies[-1] = frequencies[-1] * stretch
    radius = np.sqrt(sum(f**2 for f in frequencies))
    spectrum = np.where(radius > 0, np.maximum(radius, 2.0) ** -(slope + (len(shape) - 1) / 2), 0)
    return _standard(np.fft.ifftn(np.fft.fftn(random.standard_normal(shape)) * spectrum).real)


def _cells(random: np.random.Generator, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance to the nearest of random points, and how far from the wall between two cells (Worley 1996)."""
    dims = len(places)
    tree = cKDTree(random.random((int(12 * 6 ** (dims - 1)), dims)), boxsize=1.0)
    distances, _ = tree.query(places.reshape(dims, -1).T, k=2)
    near, next_near = distances.T.reshape(2, *places.shape[1:])
    return near, np.minimum(next_near - near, np.median(near))


def _standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / max(float(values.std()), 1e-6)
