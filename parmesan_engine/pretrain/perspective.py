"""The objective of procedural streets and rooms: say at every node what is there, how it lies, and how far it is.

Scenes are rendered once, larger than they are used; batches are random parts of them in random light.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, interpolate, smooth_l1_loss

from parmesan_engine.pretrain.photographs import coloured, degraded, normalised
from parmesan_engine.pretrain.worlds import KINDS, worlds

SCENES, EDGE, AT_ONCE = 2400, 160, 8  # rendered, in pixels, scenes at a time
NARROWEST = 0.55  # least part of a scene's edge that a batch takes
NORMAL, DEPTH = 1.0, 1.0  # weight of how things lie, and how far they are, beside what they are


class Perspective:
    """Parts of procedural scenes, with kinds (batch, y, x), normals (batch, 3, y, x) and log distances (batch, y, x).

    pictures: (3, y, x) uint8 to cut textures from, or none; progress: called with the share of scenes rendered.
    """

    name = "perspective"

    def __init__(self, *, seed: int = 0, scenes: int = SCENES, pictures: list[torch.Tensor] | None = None,
                 progress: Callable[[float], None] | None = None) -> None:
        rng = np.random.default_rng([seed, 7])
        self.images = torch.empty(scenes, 3, EDGE, EDGE, dtype=torch.uint8)
        self.truth = torch.empty(scenes, 5, EDGE, EDGE, dtype=torch.float16)  # kind, normal, log distance
        for start in range(0, scenes, AT_ONCE):
            part = slice(start, min(start + AT_ONCE, scenes))
            image, kinds, normals, depth = worlds(rng, part.stop - part.start, EDGE, pictures)
            self.images[part] = (image * 255).round().to(torch.uint8)
            self.truth[part] = torch.cat([kinds[:, None], normals, depth[:, None]], 1).half()
            if progress:
                progress(part.stop / scenes)

    def heads(self, outputs: int, levels: int) -> nn.Module:
        """Return one linear layer per level: kinds, a normal, a distance."""
        return nn.ModuleList([nn.Linear(outputs, len(KINDS) + 4) for _ in range(levels)])

    def batch(self, rng: np.random.Generator, count: int, size: int) -> tuple[torch.Tensor, ...]:
        """Return (pictures (B, 3, size, size), truth (B, 5, size, size))."""
        made = [self._part(rng, size) for _ in range(count)]
        return torch.stack([m[0] for m in made]), torch.stack([m[1] for m in made])

    def _part(self, rng: np.random.Generator, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        scene = int(rng.integers(len(self.images)))
        edge = int(EDGE * rng.uniform(NARROWEST, 1))
        top, left = rng.integers(EDGE - edge + 1, size=2)
        window = (slice(None), slice(int(top), int(top) + edge), slice(int(left), int(left) + edge))
        image = interpolate(self.images[scene][window][None].float() / 255, (size, size), mode="bilinear", antialias=edge > size)[0]
        truth = interpolate(self.truth[scene][window][None].float(), (size, size), mode="nearest")[0]
        if rng.random() < 0.5:
            image, truth = image.flip(-1), truth.flip(-1) * torch.tensor([1.0, -1.0, 1.0, 1.0, 1.0])[:, None, None]
        return normalised(degraded(rng, coloured(rng, image))), truth

    def loss(self, net: nn.Module, heads: nn.Module, tensors: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Return the mean over levels of cross-entropy, angle and error of distance; a picture's scale is not asked for."""
        pictures, truth = tensors
        losses = []
        for level, head, stride in zip(net(pictures), heads, net.strides, strict=True):
            at = truth[:, :, stride // 2::stride, stride // 2::stride]
            answer = head(level.movedim(1, -1))
            kind, normal, depth = answer[..., :-4], answer[..., -4:-1], answer[..., -1]
            known = torch.isfinite(at[:, 4])
            losses.append(cross_entropy(kind.flatten(0, -2), at[:, 0].long().flatten(), label_smoothing=0.02))
            if known.any():
                angle = 1 - nn.functional.cosine_similarity(normal[known], at[:, 1:4].movedim(1, -1)[known], dim=-1)
                shares = known.float() / known.sum((1, 2), keepdim=True).clamp(min=1)
                error = torch.where(known, depth - at[:, 4].nan_to_num(), 0)
                error = error - (error * shares).sum((1, 2), keepdim=True)
                losses[-1] = losses[-1] + NORMAL * angle.mean() + DEPTH * smooth_l1_loss(error[known], torch.zeros_like(error[known]))
        return torch.stack(losses).mean()
