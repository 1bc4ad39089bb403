"""Cast rays at boxes, upright cylinders and ellipsoids on a ground plane: what is hit where, under which normal. A batch at a time.

Coordinates: x to the right, y up from the ground, z ahead, all in metres. Knows shapes, no colours.
"""

from dataclasses import dataclass, fields

import torch

FAR = 1e4


@dataclass(frozen=True)
class Solids:
    """Shapes of B scenes. boxes: centre (B, n, 3), half (B, n, 3), yaw (B, n); cylinders: foot (B, m, 3), radius and height (B, m);
    ellipsoids: middle (B, k, 3), radii (B, k, 3). What a scene does not have lies behind the camera."""

    centre: torch.Tensor
    half: torch.Tensor
    yaw: torch.Tensor
    foot: torch.Tensor
    radius: torch.Tensor
    height: torch.Tensor
    middle: torch.Tensor
    radii: torch.Tensor

    @classmethod
    def stack(cls, scenes: list["Solids"]) -> "Solids":
        """Return scenes of one each as one batch."""
        return cls(*(torch.stack([getattr(s, f.name) for s in scenes]) for f in fields(cls)))


def cast(solids: Solids, origin: torch.Tensor, rays: torch.Tensor, holes: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return (distance (B, P), shape (B, P), normal (B, P, 3), surface (B, P, 2)) of the first hit of each ray.

    origin: (B, 3); rays: (B, P, 3), any length, in which distances are counted; holes: (B, k) coarseness of the holes that an
    ellipsoid has as foliage has, 0 for none. shape: 0 nothing, 1 ground, then boxes, cylinders, ellipsoids as listed; surface:
    place on it in metres.
    """
    down = rays[..., 1]
    ground = torch.where(down < -1e-4, -origin[:, None, 1] / down.clamp(max=-1e-4), FAR)
    hits = [torch.full_like(ground, FAR)[:, None], ground[:, None], _boxes(solids, origin, rays), _cylinders(solids, origin, rays),
            _ellipsoids(solids, origin, rays, holes)]
    distance, shape = torch.cat(hits, 1).min(1)
    point = origin[:, None] + distance.clamp(max=FAR)[..., None] * rays
    normal, surface = _skin(solids, point, shape)
    return distance, shape, normal, surface


def _turned(vectors: torch.Tensor, yaw: torch.Tensor) -> torch.Tensor:
    """Return vectors (..., 3) in a frame that is turned about the upright axis by yaw (...)."""
    c, s = yaw.cos(), yaw.sin()
    x, y, z = vectors.unbind(-1)
    return torch.stack([c * x - s * z, y.expand_as(c * x), s * x + c * z], -1)


def _boxes(solids: Solids, origin: torch.Tensor, rays: torch.Tensor) -> torch.Tensor:
    yaw = solids.yaw[..., None]
    start = _turned(origin[:, None] - solids.centre, solids.yaw)[:, :, None]  # (B, n, 1, 3)
    along = _turned(rays[:, None], yaw)  # (B, n, P, 3)
    along = torch.where(along.abs() < 1e-6, 1e-6, along)
    one, two = (-solids.half[:, :, None] - start) / along, (solids.half[:, :, None] - start) / along
    enter, leave = torch.minimum(one, two).amax(-1), torch.maximum(one, two).amin(-1)
    return torch.where((enter < leave) & (enter > 0.05), enter, FAR)


def _cylinders(solids: Solids, origin: torch.Tensor, rays: torch.Tensor) -> torch.Tensor:
    start = (origin[:, None] - solids.foot)[:, :, None]
    x, z, u, w = start[..., 0], start[..., 2], rays[:, None, :, 0], rays[:, None, :, 2]
    a, b, c = u * u + w * w, x * u + z * w, x * x + z * z - solids.radius[..., None] ** 2
    root = b * b - a * c
    t = (-b - root.clamp(min=0).sqrt()) / a.clamp(min=1e-9)
    up = start[..., 1] + t * rays[:, None, :, 1]
    return torch.where((root > 0) & (t > 0.05) & (up > 0) & (up < solids.height[..., None]), t, FAR)


def _ellipsoids(solids: Solids, origin: torch.Tensor, rays: torch.Tensor, holes: torch.Tensor) -> torch.Tensor:
    radii = solids.radii[:, :, None]
    start, along = (origin[:, None] - solids.middle)[:, :, None] / radii, rays[:, None] / radii
    a, b, c = along.square().sum(-1), (start * along).sum(-1), start.square().sum(-1) - 1
    root = b * b - a * c
    t = (-b - root.clamp(min=0).sqrt()) / a
    solid = torch.ones_like(t, dtype=torch.bool)
    some = holes.amax(0) > 0
    if some.any():
        point = start[:, some] + t[:, some, :, None] * along[:, some]
        wave = holes[:, some, None, None] * point  # a sum of waves of several directions: leaves, and sky between them
        leaves = (wave @ torch.tensor([[3.1, 5.3, -4.1], [-4.7, 2.9, 3.7], [2.3, -3.3, 5.9]], device=wave.device)).sin().sum(-1)
        edge = 1 - point[..., :2].square().sum(-1)  # thinner towards the outline
        solid[:, some] = leaves > 0.3 - 2.5 * edge.clamp(0, 1)
    return torch.where((root > 0) & (t > 0.05) & solid, t, FAR)


def _skin(solids: Solids, point: torch.Tensor, shape: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (normal (B, P, 3), surface (B, P, 2)) at the (B, P, 3) points on the shapes hit."""
    boxes, cylinders = solids.centre.shape[1], solids.foot.shape[1]
    normal = torch.zeros_like(point)
    normal[..., 1] = 1
    surface = point[..., [0, 2]].clone()

    def taken(values: torch.Tensor, first: int) -> torch.Tensor:
        index = (shape - first).clamp(0, values.shape[1] - 1)
        return values.gather(1, index[..., None].expand(-1, -1, values.shape[2]))

    yaw = taken(solids.yaw[..., None], 2)[..., 0]
    local = _turned(point - taken(solids.centre, 2), yaw)
    share = local / taken(solids.half, 2)
    side = share.abs().argmax(-1)
    face = torch.nn.functional.one_hot(side, 3) * share.sign()
    face = _turned(face.to(point.dtype), -yaw)
    across = torch.where((side == 1)[..., None], local[..., [0, 2]], local[..., [0, 1]])
    across = torch.where((side == 0)[..., None], local[..., [2, 1]], across)
    is_box = ((shape >= 2) & (shape < 2 + boxes))[..., None]
    normal, surface = torch.where(is_box, face, normal), torch.where(is_box, across, surface)

    first = 2 + boxes
    local = point - taken(solids.foot, first)
    radius = taken(solids.radius[..., None], first)
    face = torch.stack([local[..., 0], torch.zeros_like(local[..., 0]), local[..., 2]], -1) / radius
    across = torch.stack([torch.atan2(local[..., 0], local[..., 2]) * radius[..., 0], local[..., 1]], -1)
    is_cylinder = ((shape >= first) & (shape < first + cylinders))[..., None]
    normal, surface = torch.where(is_cylinder, face, normal), torch.where(is_cylinder, across, surface)

    first += cylinders
    local = (point - taken(solids.middle, first)) / taken(solids.radii, first)
    face = torch.nn.functional.normalize(local / taken(solids.radii, first), dim=-1)
    is_ellipsoid = (shape >= first)[..., None]
    return torch.where(is_ellipsoid, face, normal), torch.where(is_ellipsoid, local[..., :2] * taken(solids.radii, first)[..., :2], surface)
