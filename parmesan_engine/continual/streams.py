"""Streams for dense prediction: what comes when. A stream is made once, for one seed, and is the same for every method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from parmesan_engine.types import Sample

if TYPE_CHECKING:
    from parmesan_engine.methods.method import Experience

KINDS = ("domain", "class", "task")
Pair = tuple[Sample, np.ndarray]


@dataclass(frozen=True)
class Step:
    """One experience and its data.

    labels: for each sample (*spatial) int16 class ids, -1 where not labelled in this step, or float32 values, NaN where not labelled.
    tests: held-back samples with their whole truth, in the same words; never learned from.
    """

    experience: Experience
    samples: tuple[Sample, ...]
    labels: tuple[np.ndarray, ...]
    tests: tuple[Pair, ...]


@dataclass(frozen=True)
class Stream:
    """Steps in the order in which they are learned. kind: one of KINDS; notes: in words, what was done with the data and why."""

    name: str
    kind: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
