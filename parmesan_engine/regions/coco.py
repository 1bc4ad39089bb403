"""Objects as COCO annotations with compressed run lengths, as pycocotools decodes them."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np


def coco_annotations(plane: np.ndarray, classes: np.ndarray) -> Iterator[dict[str, Any]]:
    """Yield {category_id, segmentation, area, bbox, iscrowd, object} of each object in a (y, x) plane of object numbers.

    classes: (n,) class id of object 1, 2, ...; category ids are class ids plus one, since COCO's start at 1. bbox is x, y, width,
    height in pixels. Runs go down the columns, zeros first.
    """
    height = plane.shape[0]
    owner, start, length = _runs(plane)
    order = np.argsort(owner, kind="stable")
    owner, start, length = owner[order], start[order], length[order]
    bounds = np.append(np.flatnonzero(np.diff(owner, prepend=0)), len(owner))
    for first, last in pairwise(bounds):
        number, begin, run = int(owner[first]), start[first:last], length[first:last]
        left, right = int(begin[0]) // height, int(begin[-1] + run[-1] - 1) // height
        top, bottom = _rows(begin, run, height)
        yield {"category_id": int(classes[number - 1]) + 1, "area": int(run.sum()), "iscrowd": 0, "object": number,
               "bbox": [left, top, right - left + 1, bottom - top + 1],
               "segmentation": {"size": [height, plane.shape[1]], "counts": _compressed(_counts(begin, run, plane.size))}}  # fmt: skip


def _runs(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return owner, start and length of the stretches of equal, non-zero number down the columns."""
    flat = plane.ravel(order="F")
    begins = np.append(0, np.flatnonzero(flat[1:] != flat[:-1]) + 1)
    lengths = np.diff(begins, append=len(flat))
    some = flat[begins] != 0
    return flat[begins][some], begins[some], lengths[some]


def _rows(start: np.ndarray, length: np.ndarray, height: int) -> tuple[int, int]:
    """Return the first and last row that runs touch; a run that goes on in the next column touches all between."""
    top, bottom = start % height, (start + length - 1) % height
    if (start // height != (start + length - 1) // height).any():
        return 0, height - 1
    return int(top.min()), int(bottom.max())


def _counts(start: np.ndarray, length: np.ndarray, size: int) -> list[int]:
    """Return run lengths of zeros and ones in turn, beginning with zeros."""
    stops = start + length
    gaps = start - np.append(0, stops[:-1])
    counts = np.stack([gaps, length], 1).ravel().tolist()
    rest = size - int(stops[-1])
    return [*counts, rest] if rest else counts


def _compressed(counts: list[int]) -> str:
    """Return the text of COCO's mask API: each count, from the third on less the one two before, in groups of five bits."""
    text = []
    for place, count in enumerate(counts):
        number = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            bits = number & 31
            number >>= 5
            more = number != (-1 if bits & 16 else 0)
            text.append(chr((bits | 32 if more else bits) + 48))
    return "".join(text)
