"""Files to samples and predictions to files."""

from parmesan_engine.io.datasets import Dataset, Item, open_dataset
from parmesan_engine.io.files import MAX_BYTES, SUPPORTED
from parmesan_engine.io.palette import distinct_colors
from parmesan_engine.io.reading import read, read_frames, spatial_shape
from parmesan_engine.io.writing import FORMATS, stored_unknown, write_labels, write_map, write_probabilities, write_values

__all__ = [
    "FORMATS",
    "MAX_BYTES",
    "SUPPORTED",
    "Dataset",
    "Item",
    "distinct_colors",
    "open_dataset",
    "read",
    "read_frames",
    "spatial_shape",
    "stored_unknown",
    "write_labels",
    "write_map",
    "write_probabilities",
    "write_values",
]
