"""Procedural scenes: two views of leaves that hide each other, and where each pixel of the first is in the second, exactly.

Needs no data and no licence. Dead leaves (Ruderman 1997; Lee, Mumford and Huang 2001) with random textures, which Baradad et al.
(NeurIPS 2021, arXiv 2106.05963) found to teach vision; that each leaf moves by itself, and so hides others elsewhere, is ours.
One code for signals, pictures and volumes. Everything depends on the seed alone.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from parmesan_engine.errors import LimitError, ShapeError
from parmesan_engine.pretrain.lighting import disturbed
from parmesan_engine.pretrain.shapes import Leaves, rotations
from parmesan_engine.pretrain.textures import Textures
from parmesan_engine.pretrain.views import Views, grid_of

LEAVES = 24
MATERIALS = 6
MOST_PIXELS = 2**24  # of a batch: each needs about 60 bytes while a scene is made
MOST_PIXELS_OF_A_SCENE = 2**20  # each needs about 1 KB: its distance to every leaf
FINEST, COARSEST = 1.0, 0.08  # lattice steps of a texture per pixel


@dataclass(frozen=True)
class Scene:
    """Leaves, and how each looks: row 0 of `looks` is the ground, row i leaf i. See `_looks` for the columns."""

    leaves: Leaves
    textures: Textures
    kinds: torch.Tensor
    looks: torch.Tensor
    channels: int

    def seen(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (C, P) colours and (P,) leaves at (D, P) points of the scene."""
        dims, channels = len(points), self.channels
        leaf, depth = self.leaves.front(points)
        centres = torch.cat([torch.zeros(1, dims), self.leaves.centres])
        local = points - centres.T.index_select(1, leaf)
        look = self.looks.T.contiguous().index_select(1, leaf)
        colour, tint, slope, bulge, offset, turn = look.split((channels, channels, dims, 1, dims, dims * dims))
        places = (turn.view(dims, dims, -1) * local).sum(1) + offset
        value = self.textures.at(self.kinds[leaf], places) + (slope * local).sum(0) + bulge[0] * depth
        return colour + tint * value, leaf


@dataclass(frozen=True)
class Camera:
    """Pixel p, counted from the middle of a picture, shows the point `turn @ p + place` of the scene, bent by a slow wave.

    turn: (D, D). place: (D,). bend: (D,) amplitude and waves: (D, D) of the bend; a straight camera has none and can be inverted.
    """

    turn: torch.Tensor
    place: torch.Tensor
    bend: torch.Tensor
    waves: torch.Tensor

    def points(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return (D, P) points of the scene that (D, P) pixels show."""
        straight = self.turn @ pixels + self.place[:, None]
        return straight + self.bend[:, None] * torch.sin(self.waves @ straight)

    def pixels(self, points: torch.Tensor) -> torch.Tensor:
        """Return the (D, P) pixels that show (D, P) points; of a straight camera."""
        return torch.linalg.inv(self.turn) @ (points - self.place[:, None])


def two_views(seed: int, batch: int, shape: tuple[int, ...], *, channels: int = 3, strength: float = 1.0) -> Views:
    """Return two views of each of `batch` scenes of (*S) pixels. Equal seeds give equal bits.

    strength: of light, colour, blur and noise, drawn for each view; 0 shows both as they are. Raises ShapeError, LimitError.
    """
    _check(batch, shape, channels)
    random = np.random.default_rng(seed)
    textures = Textures.woven(random, len(shape))
    firsts, seconds, wheres, regions = zip(*(_one(random, textures, shape, channels) for _ in range(batch)), strict=True)
    first, second = (disturbed(torch.stack(views), random, strength) for views in (firsts, seconds))
    return Views(first, second, torch.stack(wheres), torch.stack(regions))


def _one(random: np.random.Generator, textures: Textures, shape: tuple[int, ...], channels: int) -> tuple[torch.Tensor, ...]:
    """Return (C, *S), (C, *S), (*S, D), (*S) of one scene."""
    half = (torch.tensor(shape, dtype=torch.float32)[:, None] - 1) / 2
    pixels = grid_of(shape).flatten(0, -2).T - half
    scene, moves = planted(random, textures, shape, channels)
    bent, straight = cameras(random, shape)
    points = bent.points(pixels)
    first, leaf = scene.seen(points)
    later = moved(scene, moves)
    second, _ = later.seen(straight.points(pixels))
    went = points + torch.cat([torch.zeros(1, len(shape)), moves]).T.index_select(1, leaf)
    where = straight.pixels(went)
    lost = (where.abs() > half).any(0) | (later.leaves.front(went)[0] != leaf)
    where = (where + half).masked_fill_(lost, math.nan)
    return first.view(channels, *shape), second.view(channels, *shape), where.T.reshape(*shape, -1), leaf.view(shape)


def planted(random: np.random.Generator, textures: Textures, shape: tuple[int, ...], channels: int) -> tuple[Scene, torch.Tensor]:
    """Return a random scene that fills pictures of (*S) pixels, and (N, D) how far each leaf moves between the views."""
    extent = np.asarray(shape) / max(shape)
    leaves = Leaves.grown(random, LEAVES, extent)
    kinds, looks = _looks(random, textures, len(shape), channels, max(shape))
    moves = random.normal(0, 0.05, (LEAVES, len(shape))) * (random.random((LEAVES, 1)) < 0.6)
    return Scene(leaves, textures, kinds, looks, channels), torch.from_numpy(moves.astype(np.float32))


def moved(scene: Scene, moves: torch.Tensor) -> Scene:
    """Return the scene with its leaves shifted by (N, D)."""
    return Scene(scene.leaves.moved(moves), scene.textures, scene.kinds, scene.looks, scene.channels)


def cameras(random: np.random.Generator, shape: tuple[int, ...]) -> tuple[Camera, Camera]:
    """Return a bent and a straight camera on about the same part of a scene; one of two mirrors the last axis, but no signal."""
    dims, unit = len(shape), 2 / max(shape)
    scales = unit * np.exp(random.uniform(math.log(0.7), math.log(1.2), 2))
    turns = rotations(random, 2, dims, 0.15) if dims > 1 else np.ones((2, 1, 1))
    turns[1, :, -1] *= -1 if dims > 1 and random.random() < 0.5 else 1
    places = random.normal(0, 0.08, (2, dims)) + random.normal(0, 0.1, (1, dims))
    bend, waves = random.uniform(0, 0.05, dims), random.normal(0, 2.5, (dims, dims))
    made = []
    for turn, scale, place, some in zip(turns, scales, places, (1.0, 0.0), strict=True):
        made.append(Camera(*(torch.from_numpy(np.asarray(v, np.float32)) for v in (turn * scale, place, bend * some, waves))))
    return made[0], made[1]


def _looks(random: np.random.Generator, textures: Textures, dims: int, channels: int, longest: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (N + 1,) kinds of texture and (N + 1, F) columns: colour C, tint C, slope D, bulge 1, offset D, texture's turn D * D.

    Leaves are of a few materials, so that different leaves look alike; each varies a little.
    """
    count, few = LEAVES + 1, random.integers(2, MATERIALS + 1)
    material = random.integers(0, few, count)
    grey = random.random() < 0.4  # microscopes, scanners and cameras at night
    colour = random.random((few, 1)) + (0 if grey else 1) * random.normal(0, 0.25, (few, channels))
    colour = np.clip(colour, 0, 1)[material] + random.normal(0, 0.06, (count, 1))
    tint = np.ones((few, channels)) + (0 if grey else 1) * random.normal(0, 0.4, (few, channels))
    strength = np.maximum(random.uniform(-0.05, 0.2, (few, 1)), 0.004)
    tint = (tint * strength)[material]
    slope = random.normal(0, 0.12, (count, dims)) / strength[material]
    bulge = random.normal(0, 0.25, (few, 1))[material] * (random.random((few, 1)) < 0.5)[material] / strength[material]
    steps = longest / 2 * np.exp(random.uniform(math.log(COARSEST), math.log(FINEST), few))[material]
    turn = rotations(random, few, dims, 2.0)[material] @ rotations(random, count, dims, 0.3) * steps[:, None, None]
    offset = random.uniform(0, 2048, (count, dims))
    looks = np.concatenate([colour, tint, slope, bulge, offset, turn.reshape(count, -1)], 1)
    kinds = random.integers(0, len(textures), few)[material]
    return torch.from_numpy(kinds), torch.from_numpy(looks.astype(np.float32))


def _check(batch: int, shape: tuple[int, ...], channels: int) -> None:
    if not 1 <= len(shape) <= 3 or min(shape) < 2 or batch < 1 or channels < 1:
        raise ShapeError("a batch and channels from 1 on, and 1 to 3 sides from 2 on", f"{batch} x {channels} x {shape}", "correct them")
    pixels = math.prod(shape)
    if pixels > MOST_PIXELS_OF_A_SCENE or batch * pixels * channels > MOST_PIXELS:
        raise LimitError(f"at most {MOST_PIXELS_OF_A_SCENE:,} pixels a scene and {MOST_PIXELS:,} values a batch",
                         f"{batch} x {channels} x {shape}", "make smaller scenes or fewer at once")
