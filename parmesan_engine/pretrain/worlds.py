"""Procedural streets and rooms in perspective, with what is where, how it lies and how far it is known at every pixel.

Streets have ground, strips beside it, large blocks, boxes, posts, upright figures, crowns with holes and a sky; rooms have walls, a ceiling
and furniture. Textures are noise, stripes, grids, or parts of photographs, in any colours and light, so that shape and place say more
than colour. Needs no data and no licence [ours].
"""

import numpy as np
import torch
from torch.nn.functional import interpolate

from parmesan_engine.pretrain.raycast import FAR, Solids, cast

KINDS = ("sky", "ground", "strip", "block", "ceiling", "box", "post", "figure", "crown", "ball")
BLOCKS, BOXES, POSTS, FIGURES, CROWNS, BALLS = 8, 6, 8, 4, 4, 3  # of each scene, at most
AWAY = -1000.0  # where absent things are
TILES, TILE = 64, 128  # textures of a batch, and their edge


def worlds(rng: np.random.Generator, count: int, size: int, pictures: list[torch.Tensor] | None = None) -> tuple[torch.Tensor, ...]:
    """Return (pictures (B, 3, s, s) in [0, 1], kinds (B, s, s), normals (B, 3, s, s), log distance (B, s, s)) of B scenes.

    Distances are in metres, NaN in the sky; normals are in the camera's frame. pictures: (3, y, x) uint8 to cut textures from.
    """
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    scenes = [_street(rng) if rng.random() < 0.65 else _room(rng) for _ in range(count)]
    solids = Solids.stack([s[0] for s in scenes])
    kinds_of, origin, turn, tilt, zoom, strip = (torch.stack([s[i] for s in scenes]) for i in range(1, 7))
    rays, basis = _rays(size, turn, tilt, zoom)
    holes = torch.zeros(count, FIGURES + CROWNS + BALLS)
    holes[:, FIGURES:FIGURES + CROWNS] = torch.rand(count, CROWNS, generator=generator) * 6 + 2
    distance, shape, normal, surface = cast(solids, origin, rays, holes)
    kind = kinds_of.gather(1, shape)
    across = (origin[:, None] + distance[..., None] * rays)[..., 0]
    kind = torch.where((kind == 1) & ((across - strip[:, :1]).abs() > strip[:, 1:]), 2, kind)
    shape = torch.where(kind == 2, kinds_of.shape[1], shape)  # a strip has a colour of its own
    shade = _light(normal, generator)
    colour = _texture(shape, kinds_of.shape[1] + 1, surface, distance, generator, _tiles(rng, generator, pictures))
    haze = torch.exp(-distance.clamp(max=FAR) / (30 * torch.rand(count, 1, generator=generator) + 40))[..., None]
    air = torch.rand(count, 1, 3, generator=generator) * 0.4 + 0.6
    sky = air * (1 - 0.3 * rays[..., 1:2].clamp(0, 1)) + 0.1 * _clouds(rays, generator)
    colour = torch.where((kind == 0)[..., None], sky, (colour * shade) * haze + air * (1 - haze))
    image = colour.view(count, size, size, 3).movedim(-1, 1).clamp(0, 1)
    seen = torch.einsum("bpi,bij->bpj", normal, basis).view(count, size, size, 3).movedim(-1, 1)
    depth = torch.where(kind == 0, torch.nan, distance.clamp(min=0.1).log()).view(count, size, size)
    return image, kind.view(count, size, size), seen, depth


def _rays(size: int, turn: torch.Tensor, tilt: torch.Tensor, zoom: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rays (B, size^2, 3) of length 1 ahead, and (B, 3, 3) whose columns are the camera's axes in the world."""
    grid = (torch.arange(size) + 0.5) / size * 2 - 1
    y, x = torch.meshgrid(-grid, grid, indexing="ij")
    plane = torch.stack([x.flatten(), y.flatten(), torch.ones(size * size)], -1)
    rays = plane[None] * torch.stack([zoom, zoom, torch.ones_like(zoom)], -1)[:, None]
    c, s, u, v = turn.cos(), turn.sin(), tilt.cos(), tilt.sin()
    o = torch.zeros_like(c)
    pitch = torch.stack([torch.stack([o + 1, o, o], -1), torch.stack([o, u, v], -1), torch.stack([o, -v, u], -1)], 1)
    yaw = torch.stack([torch.stack([c, o, s], -1), torch.stack([o, o + 1, o], -1), torch.stack([-s, o, c], -1)], 1)
    basis = yaw @ pitch
    return torch.einsum("bpj,bij->bpi", rays, basis), basis


def _scene(centre, half, yaw, foot, radius, height, middle, radii, kinds, camera) -> tuple:
    arrays = [np.asarray(a, np.float32) for a in (centre, half, yaw, foot, radius, height, middle, radii)]
    eye, turn, tilt, zoom, strip = camera
    return (Solids(*map(torch.from_numpy, arrays)), torch.tensor([0, 1, *kinds]), torch.tensor(eye, dtype=torch.float32),
            torch.tensor(float(turn)), torch.tensor(float(tilt)), torch.tensor(float(zoom)), torch.tensor(strip, dtype=torch.float32))


def _street(rng: np.random.Generator) -> tuple:
    """Return one street: blocks on both sides, boxes on the ground, posts, figures and crowns beside it."""
    wide, setback = rng.uniform(2.5, 8), rng.uniform(0.5, 6)
    centre, half, kinds = [], [], []
    for side in (-1, 1):
        z = rng.uniform(-5, 5)
        for _ in range(BLOCKS // 2):
            long, deep, high = rng.uniform(2, 8), rng.uniform(2, 6), rng.uniform(1.5, 8)
            there = rng.random() < 0.75
            centre.append((side * (wide + setback + deep), high, z + long) if there else (0, 0, AWAY))
            half.append((deep, high, long))
            z += 2 * long + (rng.random() < 0.5) * rng.uniform(0, 8)
    kinds += [3] * BLOCKS
    for _ in range(BOXES // 2):  # a body and a narrower part on it
        size = np.array([rng.uniform(0.7, 1.2), rng.uniform(0.3, 0.6), rng.uniform(1.2, 3)])
        at = np.array([rng.uniform(-wide, wide), size[1] + 0.15, rng.uniform(4, 40)]) if rng.random() < 0.8 else np.array([0, 0, AWAY])
        top = size * (0.9, rng.uniform(0.5, 1), rng.uniform(0.4, 0.9))
        centre += [at, at + (0, size[1] + top[1], rng.uniform(-0.3, 0.3))]
        half += [size, top]
    kinds += [5] * BOXES
    yaw = np.where(np.arange(len(centre)) < BLOCKS, 0, np.repeat(rng.normal(0, 0.25, len(centre) // 2), 2))

    def beside() -> float:
        return rng.choice((-1, 1)) * (wide + rng.uniform(0.2, setback))

    trees = [(beside(), 0, rng.uniform(5, 35)) if rng.random() < 0.75 else (0, 0, AWAY) for _ in range(CROWNS)]
    posts = [(beside(), 0, rng.uniform(4, 30)) if rng.random() < 0.75 else (0, 0, AWAY) for _ in range(POSTS - CROWNS)]
    radius = np.concatenate([rng.uniform(0.1, 0.35, CROWNS), rng.uniform(0.04, 0.15, POSTS - CROWNS)])
    trunk = rng.uniform(1.5, 4, CROWNS)
    people = [(rng.choice((beside(), rng.uniform(-wide, wide))), 0.85, rng.uniform(4, 25)) if rng.random() < 0.6 else (0, 0, AWAY)
              for _ in range(FIGURES)]
    crowns = [rng.uniform(1.2, 3.5, 3) * (1, 1.1, 1) for _ in trees]
    middles = people + [(x, high + r[1] * 0.7, z) for (x, _, z), high, r in zip(trees, trunk, crowns, strict=True)]
    balls = rng.uniform(0.2, 0.8, (BALLS, 1)).repeat(3, 1) * rng.uniform(0.7, 1.4, (BALLS, 3))
    middles += [(rng.uniform(-8, 8), r[1], rng.uniform(4, 20)) if rng.random() < 0.4 else (0, 0, AWAY) for r in balls]
    radii = [(rng.uniform(0.2, 0.35), 0.85, 0.25) for _ in range(FIGURES)] + crowns + list(balls)
    camera = ((rng.uniform(-0.7, 0.7) * wide, rng.uniform(0.9, 2.6), 0), rng.normal(0, 0.25), rng.normal(0, 0.08), rng.uniform(0.35, 1.0),
              (0, wide))
    heights = np.concatenate([trunk, rng.uniform(2.5, 7, POSTS - CROWNS)])
    return _scene(centre, half, yaw, trees + posts, radius, heights, middles, radii,
                  kinds + [6] * POSTS + [7] * FIGURES + [8] * CROWNS + [9] * BALLS, camera)


def _room(rng: np.random.Generator) -> tuple:
    """Return one room: walls and a ceiling as flat boxes, furniture as boxes, posts and balls."""
    wide, deep, high = rng.uniform(1.5, 4), rng.uniform(2.5, 8), rng.uniform(1.1, 1.6)
    thick = 0.2
    centre = [(-wide - thick, high, 0), (wide + thick, high, 0), (0, high, deep + thick), (0, 2 * high + thick, 0)]
    half = [(thick, high, deep + 2), (thick, high, deep + 2), (wide + 1, high, thick), (wide + 1, thick, deep + 2)]
    kinds = [3, 3, 3, 4]
    for _ in range(BLOCKS + BOXES - 4):
        size = rng.uniform((0.15, 0.1, 0.15), (1.0, 0.9, 0.6))
        raised = rng.random() < 0.25  # a cupboard on the wall
        low = rng.uniform(0.8, 1.4) if raised else 0
        x = rng.choice((-1, 1)) * (wide - size[0]) if rng.random() < 0.5 else rng.uniform(-wide, wide)
        z = deep - size[2] if raised else rng.uniform(1.2, deep)
        centre.append((x, size[1] + low, z) if rng.random() < 0.7 else (0, 0, AWAY))
        half.append(size)
        kinds.append(5)
    posts = [(rng.uniform(-wide, wide), 0, rng.uniform(1, deep)) if rng.random() < 0.4 else (0, 0, AWAY) for _ in range(POSTS)]
    count = FIGURES + CROWNS + BALLS
    radii = rng.uniform(0.06, 0.4, (count, 1)).repeat(3, 1) * rng.uniform(0.6, 1.6, (count, 3))
    middles = [(rng.uniform(-wide, wide), rng.choice((0.0, rng.uniform(0.5, 1.2))) + r[1], rng.uniform(1, deep)) if rng.random() < 0.35
               else (0, 0, AWAY) for r in radii]
    camera = ((rng.uniform(-0.6, 0.6) * wide, rng.uniform(0.7, 1.8), 0), rng.normal(0, 0.5), rng.normal(-0.1, 0.2), rng.uniform(0.45, 0.9),
              (0, 1e3))
    yaw = np.concatenate([np.zeros(4), rng.normal(0, 0.3, len(centre) - 4)])
    return _scene(centre, half, yaw, posts, rng.uniform(0.03, 0.2, POSTS), rng.uniform(0.3, 1.5, POSTS), middles, radii,
                  kinds + [6] * POSTS + [7] * FIGURES + [8] * CROWNS + [9] * BALLS, camera)


def _light(normal: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return (B, P, 1) how bright each place is: light from one side, light from everywhere."""
    toward = torch.randn(len(normal), 1, 3, generator=generator)
    toward[..., 1] = toward[..., 1].abs() + 0.3
    toward = toward / toward.norm(dim=-1, keepdim=True)
    ambient = torch.rand(len(normal), 1, 1, generator=generator) * 0.5 + 0.3
    return ambient + (1 - ambient) * (normal * toward).sum(-1, keepdim=True).clamp(min=0)


def _clouds(rays: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    waves = torch.randn(len(rays), 3, 6, generator=generator) * 6
    return (rays @ waves).sin().mean(-1, keepdim=True)


def _tiles(rng: np.random.Generator, generator: torch.Generator, pictures: list[torch.Tensor] | None) -> torch.Tensor:
    """Return (TILES, TILE, TILE, 3) textures about 0 with unit spread: noise, stripes, grids, parts of pictures."""
    tiles = []
    for number in range(TILES):
        if pictures and number % 2:
            picture = pictures[int(rng.integers(len(pictures)))].float() / 255
            tile = interpolate(picture[None], (TILE, TILE), mode="bilinear")[0]
        elif number % 4 == 0:
            octaves = (torch.randn(1, 3, n, n, generator=generator) * n**-rng.uniform(0.1, 0.8) for n in (4, 16, 64, 128))
            tile = sum(interpolate(octave, (TILE, TILE), mode="bilinear")[0] for octave in octaves)
        else:
            y, x = torch.meshgrid(torch.arange(TILE), torch.arange(TILE), indexing="ij")
            period, duty = int(rng.choice((8, 16, 32))), rng.uniform(0.2, 0.8)
            mask = (x % period < duty * period) & (y % period < rng.choice((duty, 1.0)) * period)
            tile = mask.float()[None] * torch.randn(3, 1, 1, generator=generator) + 0.2 * torch.randn(3, TILE, TILE, generator=generator)
        tiles.append((tile - tile.mean()) / (tile.std() + 1e-3))
    return torch.stack(tiles).movedim(1, -1)


def _texture(shape: torch.Tensor, shapes: int, surface: torch.Tensor, distance: torch.Tensor, generator: torch.Generator,
             tiles: torch.Tensor) -> torch.Tensor:
    """Return (B, P, 3) colours: each shape has a base colour and a texture of its own, fainter where it would be finer than a pixel."""
    batch = len(shape)
    base = torch.rand(batch, shapes, 3, generator=generator) * 0.7 + 0.1
    base = base.mean(-1, keepdim=True).lerp(base, torch.rand(batch, shapes, 1, generator=generator))
    # half of all streets and rooms have one colour and texture for all blocks, as rows of houses and walls do
    which = torch.randint(TILES, (batch, shapes), generator=generator)
    alike = torch.rand(batch, generator=generator) < 0.5
    which[alike, 2:2 + BLOCKS], base[alike, 2:2 + BLOCKS] = which[alike, 2:3], base[alike, 2:3]
    per_metre = torch.exp(torch.randn(batch, shapes, generator=generator) * 0.7) * 20  # texture pixels
    strength = torch.rand(batch, shapes, generator=generator) * 0.22
    scale = per_metre.gather(1, shape)
    at = (surface * scale[..., None]).long() % TILE
    flat = (which.gather(1, shape) * TILE + at[..., 1]) * TILE + at[..., 0]
    grain = tiles.reshape(-1, 3)[flat]
    fade = strength.gather(1, shape) / (1 + distance.clamp(max=100) * scale / 600)
    return base.gather(1, shape[..., None].expand(-1, -1, 3)) + fade[..., None] * grain


