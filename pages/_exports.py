"""Where exports are kept, how browsers fetch them, and what the Export page says of them. No Streamlit in here.

    /api/TOKEN/PROJECT/exports/NAME.zip    sent from disk: a large export never is in the server's RAM

Exports lie beside the projects, not in them: unlearning leaves nothing in a project, and does not touch what was handed out.
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from starlette.responses import FileResponse, Response

from pages._planes import is_admitted
from pages._shelf import home
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


def new_path(folder: Path, project: str) -> Path:
    """Return where the next export of a project goes: two begun in the same second go to two files. folder: of the projects."""
    return folder / "exports" / project / f"{project}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}.zip"


def saved(folder: Path, project: str) -> list[Saved]:
    """Return the exports of a project, newest first."""
    found = []
    for path in (folder / "exports" / project).glob("*.zip"):
        try:
            about = path.stat()
        except FileNotFoundError:  # another session has just deleted it
            continue
        found.append(Saved(path, about.st_size, about.st_mtime))
    return sorted(found, key=lambda one: (one.time, one.path.name), reverse=True)


def tidy(folder: Path, project: str) -> None:
    """Delete all but the newest exports of a project."""
    for old in saved(folder, project)[KEPT:]:
        old.path.unlink(missing_ok=True)


def answer(projects: Sequence[str], token: str, project: str, name: str) -> Response:
    """Answer a request for an export of one of the projects. The token says that a session of ours asks."""
    found = next((one for one in saved(home(), project) if one.path.name == name), None) if project in projects else None
    if found is None or not is_admitted(token):
        return Response(status_code=404)
    return FileResponse(found.path, filename=name, media_type="application/zip", headers={"Cache-Control": "private, no-store"})


def sample_rows(project: Project) -> list[dict[str, str | int]]:
    """Return a row per sample: name, size, and how many examples were painted in it."""
    counts: dict[str, int] = {}
    if project.memory is not None:
        overview = project.memory.columns()
        codes, numbers = np.unique(overview.sample, return_counts=True)
        counts = {overview.names[int(code)]: int(number) for code, number in zip(codes, numbers, strict=True)}
    return [{"Sample": record.name, "Size": " × ".join(map(str, record.spatial_shape)), "Examples": counts.get(record.id, 0)}
            for record in project.samples()]  # fmt: skip
