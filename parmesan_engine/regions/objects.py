"""Connected parts of equal class. Pixels belong together when they share a side (in volumes a face); corners do not connect."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # its parts load when they are used: that of images takes half a second


@dataclass(frozen=True)
class Objects:
    """The objects of one sample, ordered by class as asked for, then by their first pixel.

    index: (*spatial) int32, 0 where there is none, else the number of the object from 1 on.
    classes, pixels: (n,) class id and size of object 1, 2, ...
    """

    index: np.ndarray
    classes: np.ndarray
    pixels: np.ndarray

    def __len__(self) -> int:
        return len(self.classes)


def find_objects(labels: np.ndarray, classes: Sequence[int], *, smallest: int = 1) -> Objects:
    """Return the objects of the given classes in (*spatial) class ids, without those of fewer than `smallest` pixels."""
    index = np.zeros(labels.shape, np.int32)
    owners, sizes, total = [], [], 0
    for label in classes:
        parts, count = scipy.ndimage.label(labels == label)
        pixels = np.bincount(parts.ravel(), minlength=count + 1)[1:]
        keep = pixels >= smallest
        numbers = np.zeros(count + 1, np.int32)
        numbers[1:][keep] = total + np.arange(1, int(keep.sum()) + 1)
        index += numbers[parts]
        owners.append(np.full(int(keep.sum()), label, np.int16))
        sizes.append(pixels[keep])
        total += int(keep.sum())
    return Objects(index, np.concatenate([np.zeros(0, np.int16), *owners]), np.concatenate([np.zeros(0, np.int64), *sizes]))
