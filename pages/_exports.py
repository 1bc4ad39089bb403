"""Where exports are kept, and what the Export page says of them. No Streamlit in here.

Exports lie beside the projects, not in them: unlearning leaves nothing in a project, and does not touch what was handed out.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from parmesan_engine.project import Project

KEPT = 5  # of each project
TEXTS = {  # title, and what it holds
    "labels": ("Label images", "the class of every pixel"),
    "values": ("Value images", "the value of every pixel"),
    "probabilities": ("Probabilities", "one channel per class"),
    "doubt": ("Conflict and novelty", "from 0 to 1"),
    "examples": ("Painted examples", "as label images"),
    "coco": ("COCO", "objects with run lengths, one JSON"),
    "geojson": ("GeoJSON", "outlines as polygons, for QuPath"),
    "objects": ("Table of objects", "size, place, bounds, intensity"),
    "regions": ("Table of regions", "per class or value: size, share, intensity"),
}
IMAGES = ("labels", "values", "probabilities", "doubt", "examples")
OF_OBJECTS = ("coco", "geojson", "objects")
FORMATS = {"png": "PNG", "tiff": "TIFF", "ome-tiff": "OME-TIFF", "nifti": "NIfTI", "nrrd": "NRRD", "npy": "npy"}


@dataclass(frozen=True)
class Saved:
    """An export on disk."""

    path: Path
    bytes: int
    time: float


def new_path(home: Path, project: str) -> Path:
    """Return where the next export of a project goes."""
    return home / "exports" / project / f"{project}-{time.strftime('%Y%m%d-%H%M%S')}.zip"


def saved(home: Path, project: str) -> list[Saved]:
    """Return the exports of a project, newest first."""
    found = []
    for path in (home / "exports" / project).glob("*.zip"):
        try:
            about = path.stat()
        except FileNotFoundError:  # another session has just deleted it
            continue
        found.append(Saved(path, about.st_size, about.st_mtime))
    return sorted(found, key=lambda one: (one.time, one.path.name), reverse=True)


def tidy(home: Path, project: str) -> None:
    """Delete all but the newest exports of a project."""
    for old in saved(home, project)[KEPT:]:
        old.path.unlink(missing_ok=True)


def sample_rows(project: Project) -> list[dict[str, str | int]]:
    """Return a row per sample: name, size, and how many examples were painted in it."""
    counts: dict[str, int] = {}
    if project.memory is not None:
        overview = project.memory.columns()
        codes, numbers = np.unique(overview.sample, return_counts=True)
        counts = {overview.names[int(code)]: int(number) for code, number in zip(codes, numbers, strict=True)}
    return [{"Sample": record.name, "Size": " × ".join(map(str, record.spatial_shape)), "Examples": counts.get(record.id, 0)}
            for record in project.samples()]  # fmt: skip
