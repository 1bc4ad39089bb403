"""Demo samples with known labels, made from random numbers: stained tissue, a scan of two organs, an electrocardiogram.

Everything follows from the seed. The pictures are meant to be plausible and not trivial: uneven light, texture, noise.
"""

import numpy as np
import scipy  # its parts load when they are used: that of images takes half a second

from parmesan_engine.errors import ShapeError
from parmesan_engine.types import Sample, TaskSpec

_SIZE_2D = (384, 384)
_SIZE_3D, _SPACING_3D = (48, 64, 64), (2.0, 1.0, 1.0)
_LENGTH_1D, _RATE_1D = 4096, 500.0
_NAMES = {
    1: ("baseline", "P wave", "QRS complex", "T wave"),
    2: ("background", "stroma", "nucleus"),
    3: ("background", "organs", "vessels"),
}
# After Okabe and Ito (2008), told apart also by colour-blind eyes; they show on each kind of picture.
_COLORS = {
    1: ((148, 156, 168), (0, 114, 178), (213, 94, 0), (0, 158, 115)),
    2: ((240, 228, 66), (0, 158, 115), (0, 114, 178)),
    3: ((86, 120, 180), (230, 159, 0), (213, 60, 60)),
}


def demo_task(dims: int) -> TaskSpec:
    """Return the classes of the demo with 1, 2 or 3 spatial axes."""
    if dims not in _NAMES:
        raise ShapeError("1, 2 or 3 spatial axes", f"{dims}", "choose one of the three demos")
    return TaskSpec("segmentation", _NAMES[dims], _COLORS[dims])


def make_2d(seed: int = 0) -> tuple[Sample, np.ndarray]:
    """Return stained tissue (3, 384, 384) uint8 with 0.5 um pixels, and labels (384, 384) int16.

    Background is bare glass (ducts and tears), stroma is fibrous pink, nuclei are violet, crowded along the ducts.
    """
    rng = np.random.default_rng(seed)
    rows, columns = np.indices(_SIZE_2D, dtype=np.float32)
    glass_depth, glass = _glass(rng)
    nuclei, shade = _nuclei(rng, glass_depth)
    warp = 14 * _noise(rng, _SIZE_2D, 22)
    fibres = _fibres(rng, rows + warp, columns - warp)
    eosin = np.where(
        glass, 0.03, 0.42 + 0.17 * fibres + 0.10 * _noise(rng, _SIZE_2D, 30) + 0.05 * _noise(rng, _SIZE_2D, 1.5)
    )
    rim = np.exp(-np.abs(glass_depth) / 3.0)
    eosin = eosin + 0.14 * rim * ~glass
    haematoxylin = np.where(glass, 0.01, 0.10 + 0.05 * _noise(rng, _SIZE_2D, 3)) + shade
    # Beer and Lambert: light left after two dyes; their colours after Ruifrok and Johnston (2001).
    density = np.clip(haematoxylin, 0, None)[None] * np.array([0.65, 0.70, 0.29])[:, None, None]
    density = density + np.clip(eosin, 0, None)[None] * np.array([0.07, 0.80, 0.36])[:, None, None]
    light = 0.97 - 0.12 * ((rows / 384 - 0.45) ** 2 + (columns / 384 - 0.6) ** 2) + 0.015 * _noise(rng, _SIZE_2D, 60)
    picture = scipy.ndimage.gaussian_filter(light * np.exp(-1.25 * density), (0, 0.6, 0.6)) + rng.normal(0, 0.014, (3, *_SIZE_2D))
    labels = np.where(nuclei, 2, np.where(glass, 0, 1)).astype(np.int16)
    array = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    return Sample(array, f"tissue-{seed}", (0.5, 0.5), "\u00b5m"), labels


def _noise(rng: np.random.Generator, shape: tuple[int, ...], scale: float | tuple[float, ...]) -> np.ndarray:
    """Return smooth noise of mean 0, deviation 1, with blobs of about `scale` pixels."""
    field = scipy.ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), scale, mode="wrap")
    return (field - field.mean()) / field.std()


def _glass(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the depth in pixels (positive in glass) and the mask of glass: some ducts and one border."""
    rows, columns = np.indices(_SIZE_2D, dtype=np.float32)
    wobble = 9 * _noise(rng, _SIZE_2D, 16)
    depth = np.full(_SIZE_2D, -np.inf, np.float32)
    for _ in range(4):
        y, x = rng.uniform(40, 344, 2)
        radius, stretch, angle = rng.uniform(26, 50), rng.uniform(1.0, 1.7), rng.uniform(0, np.pi)
        u, v = _turned(rows - y, columns - x, angle)
        depth = np.maximum(depth, radius - np.hypot(u / stretch, v * stretch))
    angle = rng.uniform(0, 2 * np.pi)
    border = (rows - 192) * np.sin(angle) + (columns - 192) * np.cos(angle) - 168
    depth = np.maximum(depth, border) + wobble
    return depth, depth > 0


def _turned(y: np.ndarray, x: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    return y * np.cos(angle) - x * np.sin(angle), y * np.sin(angle) + x * np.cos(angle)


def _fibres(rng: np.random.Generator, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return wavy stripes of collagen in [-1, 1], from noise stretched along one direction and bent."""
    stripes = _noise(rng, _SIZE_2D, (1.6, 18))
    angle = rng.uniform(0, np.pi)
    u, v = _turned(rows, columns, angle)
    return np.tanh(scipy.ndimage.map_coordinates(stripes, [u, v], order=1, mode="grid-wrap"))


def _nuclei(rng: np.random.Generator, glass_depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mask of nuclei and their density of dye. They avoid glass and each other, and line the ducts."""
    candidates = rng.uniform(4, 380, (4000, 2))
    depth = glass_depth[tuple(candidates.astype(int).T)]
    lining = np.exp(-((depth + 13) ** 2) / 40)
    chosen = (depth < -9) & (rng.uniform(size=len(depth)) < 0.12 + 0.88 * lining)
    centres, lining = candidates[chosen], lining[chosen]
    kept: list[int] = []
    near = scipy.spatial.cKDTree(centres).query_ball_point(centres, 14.0)
    taken = np.zeros(len(centres), bool)
    for i, others in enumerate(near):
        if not taken[others].any():
            taken[i] = True
            kept.append(i)
    mask, shade = np.zeros(_SIZE_2D, bool), np.zeros(_SIZE_2D, np.float32)
    chromatin = _noise(rng, _SIZE_2D, 1.6)
    ragged = _noise(rng, _SIZE_2D, 3.5)
    for i in kept:
        _add_nucleus(rng, centres[i], lining[i], mask, shade, chromatin, ragged)
    return mask, shade


def _add_nucleus(
    rng: np.random.Generator,
    centre: np.ndarray,
    lining: float,
    mask: np.ndarray,
    shade: np.ndarray,
    chromatin: np.ndarray,
    ragged: np.ndarray,
) -> None:
    """Draw one nucleus into mask and shade: round along ducts, often spindle-shaped in the stroma."""
    y, x = centre.astype(int)
    window = (slice(max(0, y - 15), min(384, y + 16)), slice(max(0, x - 15), min(384, x + 16)))
    rows, columns = np.mgrid[window]
    radius = rng.uniform(5.0, 7.0)
    stretch = rng.uniform(1.0, 1.25) if lining > 0.4 else rng.uniform(1.1, 1.9)
    u, v = _turned(rows - centre[0], columns - centre[1], rng.uniform(0, np.pi))
    inside = radius - np.hypot(u / stretch, v * stretch) + 0.6 * ragged[window]
    cell = inside > 0
    dye = rng.uniform(0.28, 1.0) * (1 + 0.16 * chromatin[window]) + 0.2 * np.exp(-np.abs(inside - 0.8))
    mask[window] |= cell
    shade[window] = np.maximum(shade[window], np.where(cell, dye, 0))


def make_3d(seed: int = 0) -> tuple[Sample, np.ndarray]:
    """Return a scan (1, 48, 64, 64) int16 with spacing (2, 1, 1) mm, and labels (48, 64, 64) int16.

    Two organs of slightly different brightness, bright vessels that branch between them. Around them muscle,
    fat, and a spine as bright as the vessels, which is background.
    """
    rng = np.random.default_rng(seed)
    place = np.stack(
        np.meshgrid(*(np.arange(n) * s for n, s in zip(_SIZE_3D, _SPACING_3D, strict=True)), indexing="ij")
    )
    centre = np.array([48.0, 32.0, 32.0]) + rng.uniform(-3, 3, 3)
    first = _blob(rng, place, centre + (0, -2, -12), (30, 19, 13))
    second = _blob(rng, place, centre + (6, 5, 15), (20, 12, 9))
    body = _blob(rng, place, np.array([48.0, 31.5, 31.5]), (160, 30, 31), 0.035)
    spine = _blob(rng, place, np.array([48.0, 53.0, 31.5]), (400, 5, 6), 0.07)
    vessels = _vessels(rng, place, centre)
    organs = (first > 0) | (second > 0)
    fine = tuple(1.3 / s for s in _SPACING_3D)
    soft = np.where(_noise(rng, _SIZE_3D, tuple(5 / s for s in _SPACING_3D)) > 0.7, 84.0, 50.0)
    scan = np.where(body > 0.13, soft, np.where(body > 0, -15.0, -90.0))
    scan = np.where(spine > 0, np.where(spine > 0.3, 150, 215), scan)
    scan = np.where(first > 0, 108 + 7 * _noise(rng, _SIZE_3D, fine), scan)
    scan = np.where(second > 0, 138 + 10 * _noise(rng, _SIZE_3D, fine), scan)
    scan = np.where(vessels, 205 + 10 * _noise(rng, _SIZE_3D, 3), scan)
    scan = scipy.ndimage.gaussian_filter(scan, tuple(0.7 / s for s in _SPACING_3D))
    scan = scan * (1 + 0.07 * _noise(rng, _SIZE_3D, (6, 14, 14))) + rng.normal(0, 13, _SIZE_3D)
    labels = np.where(vessels, 2, organs).astype(np.int16)
    affine = np.diag([*_SPACING_3D[::-1], 1.0])
    return Sample(np.rint(scan).astype(np.int16)[None], f"scan-{seed}", _SPACING_3D, "mm", affine), labels


def _blob(
    rng: np.random.Generator, place: np.ndarray, centre: np.ndarray, radii: tuple[float, ...], rough: float = 0.09
) -> np.ndarray:
    """Return a field, positive inside a rough ellipsoid. place: (3, *spatial) in mm; rough: share of the radii."""
    scaled = (place - np.asarray(centre)[:, None, None, None]) / np.asarray(radii)[:, None, None, None]
    return 1 - np.sqrt((scaled**2).sum(0)) + rough * _noise(rng, _SIZE_3D, tuple(7 / s for s in _SPACING_3D))


def _vessels(rng: np.random.Generator, place: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return the mask of a trunk along z with branches that wander and thin out."""
    points, radii = [], []
    trunk = centre + (-44, 2, 4) + np.cumsum(np.c_[np.full(90, 1.0), rng.normal(0, 0.25, (90, 2))], 0)
    points.append(trunk)
    radii.append(np.full(90, 3.0))
    for start in rng.choice(np.arange(8, 84), 9, replace=False):
        direction = np.array([rng.uniform(-0.5, 0.5), rng.uniform(-1, 1), rng.choice([-1.0, 1.0])])
        steps = direction / np.linalg.norm(direction) + scipy.ndimage.gaussian_filter1d(rng.normal(0, 1.6, (30, 3)), 4, axis=0)
        points.append(trunk[start] + np.cumsum(steps, 0))
        radii.append(np.linspace(2.3, 1.2, 30))
    distance, nearest = scipy.spatial.cKDTree(np.concatenate(points)).query(place.reshape(3, -1).T)
    return (distance < np.concatenate(radii)[nearest]).reshape(_SIZE_3D)


def make_1d(seed: int = 0) -> tuple[Sample, np.ndarray]:
    """Return an electrocardiogram (1, 4096) float32 in mV at 500 Hz, and labels (4096,) int16.

    Sums of Gaussian waves with varying rate and shape, breathing, muscle and mains noise.
    """
    rng = np.random.default_rng(seed)
    time = np.arange(_LENGTH_1D) / _RATE_1D
    trace, labels = np.zeros(_LENGTH_1D), np.zeros(_LENGTH_1D, np.int16)
    period, tall, t_tall = rng.uniform(0.72, 0.98), rng.uniform(0.8, 1.4), rng.uniform(0.2, 0.38)
    beat = rng.uniform(0.1, 0.5)
    while beat < time[-1] + 0.5:
        stretch = np.sqrt(period / 0.85)  # after Bazett (1920), QT grows with the root of the beat's length
        size = rng.normal(1, 0.05)
        waves = (
            (1, -0.17, 0.024, 0.14),
            (2, -0.026, 0.008, -0.12 * tall),
            (2, 0.0, 0.011, tall),
            (2, 0.030, 0.010, -0.24 * tall),
            (3, 0.25 * stretch, 0.048 * stretch, t_tall),
            (3, 0.31 * stretch, 0.028 * stretch, 0.35 * t_tall),
        )
        for kind, delay, width, height in waves:
            delay, width = delay + rng.normal(0, 0.002), width * rng.normal(1, 0.04)
            shape = np.exp(-0.5 * ((time - beat - delay) / width) ** 2)
            trace += size * height * shape
            labels[np.abs(time - beat - delay) < 2.3 * width] = kind
        beat += period * (1 + 0.05 * np.sin(2 * np.pi * 0.25 * beat)) + rng.normal(0, 0.012)
    drift = 0.12 * np.sin(2 * np.pi * 0.22 * time + rng.uniform(0, 6)) + 0.04 * _noise(rng, (_LENGTH_1D,), 300)
    muscle = rng.normal(0, 0.016, _LENGTH_1D) * (1 + 0.5 * np.clip(_noise(rng, (_LENGTH_1D,), 200), 0, None))
    trace += drift + muscle + 0.008 * np.sin(2 * np.pi * 50 * time)
    return Sample(trace.astype(np.float32)[None], f"ecg-{seed}", (1 / _RATE_1D,), "s"), labels
