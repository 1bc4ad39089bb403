"""A folder of pictures, signals or volumes without labels, held in memory, as two views each: whatever files the engine reads."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import interpolate

from parmesan_engine.encoders.normalise import Normaliser
from parmesan_engine.errors import FormatError, LimitError, ShapeError
from parmesan_engine.io import SUPPORTED, read
from parmesan_engine.io.files import SUFFIXES, suffix_of
from parmesan_engine.pretrain.views import Views, two_crops

LARGEST = {1: 2**17, 2: 384**2, 3: 128**3}  # pixels kept of one file: larger ones are reduced, crops would not see more
MAX_BYTES = 4 << 30  # of all
MIDDLE, SPREAD = 0.45, 0.2  # brings normalised values to about 0 to 1, where light and noise are added


class Unlabelled:
    """All files below a folder that hold samples of `spatial_dims` axes, in name order; `channels` of each, grey if it has others.

    Values are half precision, median 0.45 and nearly all in 0 to 1. Raises FormatError without files, ShapeError for one of
    a single pixel along an axis, LimitError for more than MAX_BYTES, and what reading raises.
    """

    def __init__(self, folder: str | Path, *, spatial_dims: int, channels: int, progress: Callable[[float], None] | None = None) -> None:
        known = set(SUPPORTED) - (set(SUFFIXES["CSV"]) if spatial_dims > 1 else set())  # texts beside pictures are about them
        paths = sorted(p for p in Path(folder).rglob("*") if p.is_file() and suffix_of(p) in known and not p.name.startswith("."))
        if not paths:
            raise FormatError(f"a folder of files to read ({', '.join(sorted(known))})", f"{folder} without any", "correct it")
        self.pictures: list[torch.Tensor] = []
        held = 0
        for number, path in enumerate(paths):
            picture = _picture(path, spatial_dims, channels)
            held += picture.numel() * picture.element_size()
            if held > MAX_BYTES:
                raise LimitError(f"at most {MAX_BYTES >> 30} GiB of pictures", f"more in {folder}", "give a smaller folder")
            self.pictures.append(picture)
            if progress:
                progress((number + 1) / len(paths))

    def views(self, seed: int, batch: int, shape: tuple[int, ...]) -> Views:
        """Return two views (*S) of each of `batch` random pictures; the seed decides every bit."""
        random = np.random.default_rng(seed)
        chosen = [self.pictures[i].float() for i in random.integers(0, len(self.pictures), batch)]
        return two_crops(chosen, random, shape)


def _picture(path: Path, spatial_dims: int, channels: int) -> torch.Tensor:
    """Return (channels, *S) half-precision values of a file, reduced to at most LARGEST pixels."""
    sample = read(path, spatial_dims=spatial_dims)
    if min(sample.spatial_shape) < 2:
        raise ShapeError("at least 2 pixels along each axis", f"{sample.spatial_shape} in {path}", "take that file out")
    values = torch.from_numpy(Normaliser.of(sample).apply(sample.array))
    if len(values) != channels:
        values = values.mean(0, keepdim=True).expand(channels, *values.shape[1:])
    excess = math.prod(sample.spatial_shape) / LARGEST[spatial_dims]
    if excess > 1:
        sides = [max(2, int(n * excess ** (-1 / spatial_dims))) for n in sample.spatial_shape]
        values = interpolate(values[None], sides, mode="area")[0]
    return (values * SPREAD + MIDDLE).half()
