"""project.json: what a project is called, its task at the start, its encoder. Written beside and renamed; format numbered."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from parmesan_engine.errors import MEND, FormatError, VersionError
from parmesan_engine.io.files import write_beside
from parmesan_engine.search import INDEXES
from parmesan_engine.types import TaskSpec

FORMAT = 1
FILE_NAME = "project.json"


def new_description(name: str, task: TaskSpec, encoder: dict[str, Any], novelty: float, keys: str) -> dict[str, Any]:
    """Return the description of a project without samples."""
    return {"format": FORMAT, "name": name, "task": asdict(task), "encoder": encoder, "novelty": novelty, "keys": keys}


def read_description(folder: Path) -> dict[str, Any]:
    """Return the description of a project folder. Raises FormatError, VersionError."""
    try:
        description = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        if (number := int(description["format"])) > FORMAT:
            raise VersionError(f"a project of format {FORMAT} or older", f"format {number}", "update PARMESAN Studio")
        task_of(description)
        recipe, _, _ = description["encoder"], description["name"], float(description["novelty"])
        INDEXES.get(description.get("search", {"name": "exact"})["name"])
        if not isinstance(recipe["name"], str) or not isinstance(recipe["keywords"], dict):
            raise TypeError("an encoder without a name")
    except FileNotFoundError as error:
        raise FormatError("a project folder", f"{folder}, which has no {FILE_NAME}", "create the project first") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(f"a readable {FILE_NAME}", f"{type(error).__name__}: {error}", MEND) from error
    return description


def write_description(folder: Path, description: dict[str, Any]) -> None:
    """Replace the description; a crash leaves the old one or the new one. Raises StoreError."""
    write_beside(folder / FILE_NAME, lambda file: file.write(json.dumps(description, indent=1).encode()))


def update_description(folder: Path, **changes: Any) -> dict[str, Any]:
    """Change parts of the description as it is on disk now, and return the whole: what others wrote meanwhile stays."""
    description = {**read_description(folder), **changes}
    write_description(folder, description)
    return description


def task_of(description: dict[str, Any]) -> TaskSpec:
    """Return the task that a project started with."""
    raw = description["task"]
    lists = {"classes": tuple(raw["classes"]), "colors": tuple(tuple(c) for c in raw["colors"]),
             "display_range": None if raw["display_range"] is None else tuple(raw["display_range"]),
             "retired": tuple(raw.get("retired", ())), "heirs": tuple(tuple(pair) for pair in raw.get("heirs", ()))}
    return TaskSpec(**{**raw, **lists})
