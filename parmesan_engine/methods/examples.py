"""Labelled samples as a method keeps them between steps: as they were given, labels in as few bytes as it takes. And their lottery."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Example:
    """One labelled sample of a task and of the how-manieth lesson.

    values: what it looks like, as it was given; shape: of its labels; labels: class ids, values or rows, all of them (places is
    None) or those that are known, at their (n,) flat places.
    """

    task: str
    lesson: int
    values: np.ndarray
    labels: np.ndarray
    shape: tuple[int, ...]
    places: np.ndarray | None = None

    @classmethod
    def of(cls, task: str, lesson: int, values: np.ndarray, labels: np.ndarray) -> "Example":
        """Pack a map of class ids (below 0 where not known), or of values (NaN where not known); rows of shares stay."""
        if labels.dtype.kind != "f":
            labels = labels.astype(np.min_scalar_type(-1 - int(labels.max(initial=0))))
        known = np.isfinite(labels) if labels.dtype.kind == "f" else labels >= 0
        places = np.flatnonzero(known).astype(np.min_scalar_type(labels.size))
        if places.nbytes + len(places) * labels.itemsize < labels.nbytes:
            return cls(task, lesson, values, labels[known], labels.shape, places)
        return cls(task, lesson, values, labels, labels.shape)

    @property
    def map(self) -> np.ndarray:
        """The labels as they were before they were packed, whole numbers in the smallest type that holds them."""
        if self.places is None:
            return self.labels
        full = np.full(self.shape, np.nan if self.labels.dtype.kind == "f" else -1, self.labels.dtype)
        full.flat[self.places] = self.labels
        return full

    @property
    def bytes(self) -> int:
        return self.values.nbytes + self.labels.nbytes + (0 if self.places is None else self.places.nbytes)


def drawn(lots: Sequence[tuple[float, Example]], budget: int) -> list[tuple[float, Example]]:
    """Return those with the smallest lots that fit into `budget` bytes (0: all), in the order given.

    With a lot drawn at random for each example once, this is reservoir sampling (Vitter 1985) for examples of any size: of equal
    ones, each ever seen has the same chance to be kept. One too large for what is left is passed over.
    """
    if not budget:
        return list(lots)
    kept, left = set(), budget
    for number in sorted(range(len(lots)), key=lambda number: lots[number][0]):
        if lots[number][1].bytes <= left:
            kept.add(number)
            left -= lots[number][1].bytes
    return [one for number, one in enumerate(lots) if number in kept]
