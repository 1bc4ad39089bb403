"""The verb that hands results on: `export`."""

import argparse
from pathlib import Path
from typing import Any

from parmesan_engine.cli.measuring import positive
from parmesan_engine.cli.verbs import show_progress
from parmesan_engine.errors import UnknownNameError
from parmesan_engine.io import FORMATS
from parmesan_engine.project import Project
from parmesan_engine.project.exporting import WHAT, Plan, offered
from parmesan_engine.project.exporting import export as write_export


def export_options(command: argparse.ArgumentParser) -> None:
    """Add the options of `export`."""
    command.add_argument("--out", type=Path, required=True, metavar="FILE.zip|DIR", help="a zip, or a new or empty folder")
    command.add_argument("--what", metavar="A,B,...", help=f"some of {', '.join(WHAT)} (default: labels, or values)")
    command.add_argument("--samples", metavar="A,B,...", help="ids or names (default: all)")
    command.add_argument("--format", choices=sorted(FORMATS), help="of images (default: png, nifti for volumes, npy for signals)")
    command.add_argument("--classes", metavar="A,B,...", help="that make objects (default: all but background)")
    command.add_argument("--smallest", type=positive, default=1, metavar="N", help="pixels of the smallest object (default: %(default)s)")
    command.add_argument("--physical", action="store_true", help="outlines in the sample's unit, where it has one, not in pixels")
    command.add_argument("--memory-version", metavar="VERSION", help="of the history (default: the newest)")


def export(options: argparse.Namespace) -> dict[str, Any]:
    """Predict the samples of a project and write what is asked for, all or nothing."""
    with Project.open(options.project, device=options.device) as project:
        samples = _ids(project, options.samples)
        what = _parts(options.what) or tuple(offered(project.task, 2)[:1])  # the answer itself
        plan = Plan(what, options.format, _parts(options.classes), options.smallest, options.physical)
        bar = show_progress("exporting")
        return write_export(project, options.out, plan, samples=samples, version=options.memory_version,
                            progress=(lambda fraction, text: bar(fraction)) if bar else None)


def _parts(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def _ids(project: Project, text: str | None) -> list[str] | None:
    """Return the ids of samples given by id or by name. Raises UnknownNameError, also for a name that two samples have."""
    if text is None:
        return None
    found = []
    for part in _parts(text):
        fitting = [record.id for record in project.samples() if part in (record.id, record.name)]
        if len(fitting) != 1:
            raise UnknownNameError("ids or names of samples of this project", f"{part!r}, which {len(fitting)} samples have",
                                   "give the id; export.json of any export lists them")
        found += fitting
    return found
