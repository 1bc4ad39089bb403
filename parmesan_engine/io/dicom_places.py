"""Which pictures of a DICOM series lie at one place. Files round their positions, not always alike, so that they differ a little."""

import numpy as np

_SAME = 0.05  # of a pixel and of the step from place to place: what lies closer together is one place


def places_of(along: np.ndarray, pixel: float) -> np.ndarray | None:
    """Return (places, moments) indices into (n,) positions in mm, in order of place; None when the places cannot be told apart.

    pixel: its size in mm. There are as many pictures at each place as at the others, and as many as lie close enough.
    """
    order = np.argsort(along, kind="stable")
    for moments in (count for count in range(len(along), 0, -1) if len(along) % count == 0):
        there = order.reshape(-1, moments)
        steps = np.diff(along[there].mean(1))
        spread, least, most = np.ptp(along[there], axis=1).max(), min(steps, default=pixel), max(steps, default=pixel)
        if spread <= _SAME * min(pixel, least) and least > _SAME * min(pixel, most):
            return there
    return None
