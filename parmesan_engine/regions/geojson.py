"""Objects as GeoJSON features, in the layout that QuPath reads: class name and colour, and the plane of a volume."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from parmesan_engine.errors import ShapeError
from parmesan_engine.regions.objects import Objects
from parmesan_engine.regions.outlines import Ring, outlines
from parmesan_engine.types import TaskSpec


def features(objects: Objects, task: TaskSpec, spacing: tuple[float, ...] | None = None) -> Iterator[dict[str, Any]]:
    """Yield one feature per object, or per object and plane (z) of a volume. Raises ShapeError for signals.

    Coordinates are (x, y) corners of pixels; with `spacing`, one step per spatial axis, they are in its unit.
    """
    if objects.index.ndim == 1:
        raise ShapeError("a picture or a volume for outlines", "a signal", "take the table of objects: it has start and stop")
    scale = np.ones(2) if spacing is None else np.asarray(spacing[:-3:-1], float)
    planes = [(None, objects.index)] if objects.index.ndim == 2 else enumerate(objects.index)
    for z, plane in planes:
        for number, polygons in sorted(outlines(plane).items()):
            label = int(objects.classes[number - 1])
            geometry = _geometry([[_scaled(ring, scale) for ring in polygon] for polygon in polygons])
            if z is not None:
                geometry["plane"] = {"c": -1, "z": z, "t": 0}
            kind = {"name": task.classes[label], "color": [int(c) for c in task.colors[label]]}
            about = {"objectType": "annotation", "classification": kind, "class_id": label, "object": number,
                     "pixels": int(objects.pixels[number - 1])}  # fmt: skip
            yield {"type": "Feature", "geometry": geometry, "properties": about if z is None else {**about, "z": z}}


def _geometry(polygons: list[list[list]]) -> dict[str, Any]:
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}


def _scaled(ring: Ring, scale: np.ndarray) -> list[list[float]]:
    return (ring * scale if (scale != 1).any() else ring).tolist()
