"""Label arrays to objects: connected parts, their outlines, their runs, their measures. Pure functions of arrays."""

from parmesan_engine.regions.coco import coco_annotations
from parmesan_engine.regions.geojson import features
from parmesan_engine.regions.measures import VALUE_COLUMNS, class_rows, columns, numbered, object_rows, value_row
from parmesan_engine.regions.objects import Objects, find_objects

__all__ = ["VALUE_COLUMNS", "Objects", "class_rows", "coco_annotations", "columns", "features", "find_objects", "numbered",
           "object_rows", "value_row"]  # fmt: skip
