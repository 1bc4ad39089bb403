"""The verb `import`: pictures, volumes, recordings and labels that exist already, into a project."""

import argparse
from pathlib import Path
from typing import Any

from parmesan_engine.cli.measuring import positive
from parmesan_engine.errors import FormatError
from parmesan_engine.io import distinct_colors
from parmesan_engine.project import Project, SampleRecord
from parmesan_engine.project.importing import import_frames
from parmesan_engine.project.labels import paint_labels, set_truth
from parmesan_engine.types import TaskSpec


def import_options(command: argparse.ArgumentParser) -> None:
    """Describe the options of `import`."""
    command.add_argument("files", nargs="+", type=Path, metavar="FILE", help="files, or folders with a DICOM series or an OME-Zarr")
    command.add_argument("--labels", nargs="+", type=Path, default=[], metavar="FILE", help="one label file for each FILE, in order")
    command.add_argument("--as", dest="use", choices=("strokes", "truth"), default="strokes",
                         help="labels become examples, or the truth that predictions are compared with (default: %(default)s)")
    command.add_argument("--per-class", type=positive, metavar="N", help="examples per class and sample (default: every labelled place)")
    kind = command.add_mutually_exclusive_group()
    kind.add_argument("--classes", metavar="A,B,...", help="makes the project if there is none, with these classes")
    kind.add_argument("--values", metavar="UNIT", help="makes the project if there is none, one that predicts values")


def import_files(options: argparse.Namespace) -> dict[str, Any]:
    """Store every time point of some files, and their labels. Files before one that is refused stay."""
    if options.labels and len(options.labels) != len(options.files):
        raise FormatError(f"{len(options.files)} label files, one for each file", f"{len(options.labels)}", "import the others separately")
    samples, labelled = [], []
    with _project(options) as project:
        for number, path in enumerate(options.files):
            records = import_frames(project, path)
            samples += [_row(record) for record in records]
            for record in records if options.labels else []:
                labelled.append(_label(project, record, options.labels[number], options))
        return {"version": project.version, "samples": samples, "labels": labelled}


def _project(options: argparse.Namespace) -> Project:
    wanted = options.classes is not None or options.values is not None
    if (options.project / "project.json").exists() or not wanted:
        return Project.open(options.project, device=options.device)
    task = TaskSpec("regression", unit=options.values or "")
    if options.classes is not None:
        names = tuple(dict.fromkeys(name.strip() for name in options.classes.split(",") if name.strip()))
        if not names:
            raise FormatError("at least one class", "none", "give names separated by commas")
        task = TaskSpec("segmentation", names, distinct_colors(len(names)))
    return Project.create(options.project, name=options.project.name, task=task, device=options.device)


def _label(project: Project, record: SampleRecord, path: Path, options: argparse.Namespace) -> dict[str, Any]:
    if options.use == "truth":
        return {"sample": record.id, "as": "truth", "notes": list(set_truth(project, record.id, path))}
    result = paint_labels(project, record.id, path, per_class=options.per_class, author=options.by)
    return {"sample": record.id, "as": "strokes", "gesture": result.gesture, "entries_added": result.entries_added,
            "entries_removed": result.entries_removed, "notes": list(result.notes)}


def _row(record: SampleRecord) -> dict[str, Any]:
    return {"id": record.id, "name": record.name, "shape": list(record.spatial_shape), "channels": record.channels,
            "spacing": list(record.spacing or []), "unit": record.unit, "series": record.series, "frame": record.frame,
            "notes": list(record.notes)}
