"""What a killed process leaves behind: raw uploads and half-written features, which nobody will ask for; a repair to be finished."""

import shutil
import time
from pathlib import Path

OLD_SECONDS = 3600.0  # longer than an import or the writing of features takes: what is younger may be another process's work
REPAIRED = "memory.repaired"
REPAIRING = f".{REPAIRED}.part"
PLACES = ("incoming/*", "cache/part-*", REPAIRED, REPAIRING)


def sweep(folder: Path) -> None:
    """Delete what nobody has written to for an hour from the passing folders of a project; finish a repair (see `repair`)."""
    if (folder / REPAIRED).is_dir() and not (folder / "memory").exists():
        (folder / REPAIRED).rename(folder / "memory")
    for pattern in PLACES:
        for place in folder.glob(pattern):
            try:
                last = max(path.stat().st_mtime for path in (place, *place.rglob("*")))
            except FileNotFoundError:  # its owner is just deleting it
                continue
            if time.time() - last > OLD_SECONDS:
                shutil.rmtree(place, ignore_errors=True)
