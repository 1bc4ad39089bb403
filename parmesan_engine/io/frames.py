"""One recording, one or several time points: each becomes a sample of its own, and all know that they belong together."""

import hashlib
from dataclasses import replace

import numpy as np

from parmesan_engine.errors import LimitError
from parmesan_engine.io.files import plain_numbers
from parmesan_engine.types import Sample

MAX_FRAMES = 10_000
_NAMES = 200  # characters of a channel's name that are kept


def frames_of(array: np.ndarray, sample: Sample, *, interval: str = "", gaps: bool = False) -> list[Sample]:
    """Return one sample per time point of (t, channels, *spatial) numbers, described by `sample`, whose array does not count.

    interval: the time between two points, such as "0.5 s"; gaps: let through what is not finite. The series is named by what is
    in it, so that the same recording read twice is the same series. Raises FormatError for what is not finite, LimitError for
    too many time points.
    """
    if len(array) > MAX_FRAMES:
        raise LimitError(f"at most {MAX_FRAMES:,} time points", f"{len(array):,} in {sample.name}", "cut the recording into parts")
    moments = [np.ascontiguousarray(plain_numbers(one, sample.name, gaps=gaps)) for one in array]
    if len(moments) == 1:
        return [replace(sample, array=moments[0])]
    first = replace(sample, array=moments[0])
    series = hashlib.blake2b(f"{first.content_hash} {len(moments)}".encode(), digest_size=8).hexdigest()
    digits, every = len(str(len(moments))), f", {interval} apart" if interval else ""
    return [
        replace(sample, array=one, name=f"{sample.name} t{number + 1:0{digits}}", series=series, frame=number,
                notes=(*sample.notes, f"time point {number + 1} of {len(moments)}{every}"))
        for number, one in enumerate(moments)
    ]


def clean_names(names: list[str], channels: int) -> tuple[str, ...]:
    """Return one name per channel, "" where there is none; nothing when no channel has a name or the count is another."""
    names = [" ".join(str(name).split())[:_NAMES] for name in names]
    return tuple(names) if len(names) == channels and any(names) else ()
