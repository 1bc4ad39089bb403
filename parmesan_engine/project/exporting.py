"""A batch of samples to files: label images, probabilities, outlines, tables. One version, read without the project's lock.

    labels/NAME.png  values/  probabilities/  conflict/  novelty/  examples/  outlines/NAME.geojson
    coco.json  objects.csv  regions.csv
    export.json                                  what is in here, and which memory version and metric made it
"""

import json
import re
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from parmesan_engine.errors import FormatError, UnknownNameError
from parmesan_engine.io import FORMATS, stored_unknown
from parmesan_engine.io.archive import Archive, together
from parmesan_engine.io.files import stem_of
from parmesan_engine.project import outputs
from parmesan_engine.project.answers import answer_of
from parmesan_engine.project.project import Project
from parmesan_engine.project.samples import SampleRecord
from parmesan_engine.project.snapshot import Snapshot
from parmesan_engine.regions import numbered
from parmesan_engine.types import TaskSpec

WHAT = {
    "labels": "the predicted class of every pixel, as a label image",
    "values": "the predicted value of every pixel, as an image",
    "probabilities": "the share of every class in every pixel, one channel per class",
    "doubt": "conflict and novelty of every pixel, from 0 to 1",
    "examples": "what people painted, as a label image",
    "coco": "objects as COCO JSON with run lengths",
    "geojson": "outlines of objects as GeoJSON polygons, as QuPath opens them",
    "objects": "a table of objects: size, place, bounds, mean intensity",
    "regions": "a table of classes (size, share, mean intensity) or of predicted values (their distribution)",
}
DEFAULT_FORMAT = {1: "npy", 2: "png", 3: "nifti"}
_FORMATS = {1: ("npy", "nrrd"), 2: tuple(FORMATS), 3: tuple(form for form in FORMATS if form != "png")}
_STEM = 80  # characters of a sample's name that file names keep
_COORDINATES = "pixel i covers i to i + 1 along each axis; the first pixel's centre is 0.5"
Progress = Callable[[float, str], None] | None


@dataclass(frozen=True)
class Plan:
    """What to export: keys of `WHAT`.

    form: of images, a key of `FORMATS`; None: PNG, NIfTI for volumes, npy for signals. What PNG cannot hold becomes OME-TIFF.
    classes: names of those that make objects; None: all in use, but for one called "background".
    smallest: pixels that an object has at least. physical: outlines in the sample's unit, where it has one, instead of pixels.
    """

    what: tuple[str, ...]
    form: str | None = None
    classes: tuple[str, ...] | None = None
    smallest: int = 1
    physical: bool = False


def offered(task: TaskSpec, dims: int) -> list[str]:
    """Return the keys of `WHAT` that samples of this task and number of axes can give."""
    if task.kind == "regression":
        return ["values", "doubt", "regions"]
    return ["labels", "probabilities", "doubt", "examples", *([] if dims == 1 else ["coco", "geojson"]), "objects", "regions"]


def forms(dims: int) -> list[str]:
    """Return the image formats that can hold samples of so many axes, the usual one first."""
    return sorted(_FORMATS[dims], key=lambda form: form != DEFAULT_FORMAT[dims])


def default_classes(task: TaskSpec) -> list[int]:
    """Return the ids of the classes that make objects unless others are chosen."""
    return [label for label in task.in_use if task.classes[label].strip().lower() != "background"]


def export(project: Project, out: str | Path, plan: Plan, *, samples: Sequence[str] | None = None, version: str | None = None,
           progress: Progress = None) -> dict[str, Any]:
    """Predict samples (None: all) and write a zip, if `out` ends so, or a new folder. All or nothing; progress may raise to cancel.

    Returns {out, version, metric, samples, files, seconds}. Raises FormatError, UnknownNameError, EmptyMemoryError, StoreError.
    """
    start, out = time.perf_counter(), Path(out)
    tell = progress or (lambda fraction, text: None)
    records = _chosen(project, samples)
    dims = records[0].spatial_dims
    snapshot = project.snapshot(version)
    classes = _check(plan, snapshot.task, dims)
    with together(out) as archive, ExitStack() as stack:
        form = plan.form or DEFAULT_FORMAT[dims]
        setting = outputs.Setting(archive, snapshot.task, dims, form, classes, _channels_of(records), plan.physical)
        kinds = [stack.enter_context(closing(kind(setting))) for kind in _outputs(plan, snapshot.task)]
        listed = []
        for number, (record, stem) in enumerate(zip(records, _stems(records), strict=True)):
            text = record.name if len(records) == 1 else f"{record.name} ({number + 1} of {len(records)})"
            share = partial(_share, tell, number, len(records), text)
            listed.append(_one(project, snapshot, record, stem, kinds, setting, plan.smallest, share))
        for kind in kinds:
            kind.finish()
        about = _about(project, snapshot, plan, form, listed)
        archive.add("export.json", lambda path: path.write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8"))
        tell(1.0, "Done")
    return {"out": str(out), "version": snapshot.version, "metric": about["metric"], "samples": len(records), "files": len(archive.names),
            "seconds": time.perf_counter() - start}  # fmt: skip


def _one(project: Project, snapshot: Snapshot, record: SampleRecord, stem: str, kinds: list[outputs.Output], setting: outputs.Setting,
         smallest: int, share: Callable[[float], None]) -> dict[str, Any]:
    """Predict one sample, let every output take its part, and return what the list of samples says of it."""
    archive: Archive = setting.archive
    before = len(archive.names)
    wanted = sorted({name for kind in kinds for name in kind.needs})
    answer = answer_of(snapshot, record, project.read_sample(record.id), archive.scratch, wanted=wanted, classes=setting.classes,
                       smallest=smallest, progress=lambda fraction: share(0.8 * fraction))
    for number, kind in enumerate(kinds):
        at = 0.8 + 0.2 * number / len(kinds)
        share(at)
        kind.take(answer, record, stem, partial(share, at))
    return {"id": record.id, "name": record.name, "shape": record.spatial_shape, "spacing": record.spacing, "unit": record.unit,
            "series": record.series, "frame": record.frame, "files": archive.names[before:], "fallbacks": answer.fallbacks}  # fmt: skip


def _outputs(plan: Plan, task: TaskSpec) -> list[type[outputs.Output]]:
    kinds = {"labels": outputs.Labels, "values": outputs.Values, "probabilities": outputs.Probabilities, "doubt": outputs.Doubt,
             "examples": outputs.Examples, "coco": outputs.Coco, "geojson": outputs.Outlines, "objects": outputs.ObjectTable,
             "regions": outputs.ValueTable if task.kind == "regression" else outputs.ClassTable}  # fmt: skip
    return [kinds[name] for name in dict.fromkeys(plan.what)]


def _chosen(project: Project, samples: Sequence[str] | None) -> list[SampleRecord]:
    records = project.samples() if samples is None else [project.store.record(sample) for sample in dict.fromkeys(samples)]
    if not records:
        raise FormatError("at least one sample", "none", "choose samples, or import some first")
    return records


def _check(plan: Plan, task: TaskSpec, dims: int) -> list[int]:
    """Return the ids of the classes that make objects. Raises FormatError, UnknownNameError."""
    kinds = offered(task, dims)
    strangers = [name for name in plan.what if name not in kinds]
    if strangers or not plan.what:
        raise UnknownNameError(f"some of {', '.join(kinds)}", ", ".join(strangers) or "nothing", "choose from these")
    if plan.form is not None and plan.form not in _FORMATS[dims]:
        raise FormatError(f"one of {', '.join(_FORMATS[dims])} for samples of {dims} axes", repr(plan.form), "choose another format")
    if plan.smallest < 1:
        raise FormatError("objects of 1 pixel or more", f"{plan.smallest}", "give the smallest size in pixels")
    if plan.classes is None:
        return default_classes(task)
    unknown = [name for name in plan.classes if name not in task.classes]
    if unknown or not plan.classes:
        raise UnknownNameError(f"classes of {', '.join(task.classes)}", ", ".join(unknown) or "none", "choose from these")
    return [task.classes.index(name) for name in plan.classes]


def _channels_of(records: list[SampleRecord]) -> list[str]:
    """Return the names of the channels where all samples agree on them, else numbers."""
    names = {record.channel_names for record in records}
    return list(names.pop()) if len(names) == 1 and () not in names else numbered(max(record.channels for record in records))


def _stems(records: list[SampleRecord]) -> list[str]:
    """Return a file name without ending for each sample, all different, that every file system takes."""
    stems = [re.sub(r'[\x00-\x1f/\\:*?"<>|]+', "_", stem_of(Path(record.name))).strip(". ")[:_STEM] or "sample" for record in records]
    known = [stem.lower() for stem in stems]
    return [stem if known.count(low) == 1 else f"{stem}-{record.id[:8]}" for stem, low, record in zip(stems, known, records, strict=True)]


def _share(tell: Callable[[float, str], None], number: int, count: int, text: str, fraction: float) -> None:
    tell((number + fraction) / count, text)


def _about(project: Project, snapshot: Snapshot, plan: Plan, form: str, listed: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the description that goes into every export."""
    task = snapshot.task
    classes = [{"id": label, "name": task.classes[label], "color": task.colors[label]} for label in task.in_use]
    return {"made_by": "PARMESAN Studio", "project": project.name, "time": time.time(), "version": snapshot.version,
            "metric": snapshot.predictor.metric.id, "task": {"kind": task.kind, "classes": classes, "unit": task.unit},
            "what": {name: WHAT[name] for name in plan.what}, "format": form, "smallest_object": plan.smallest,
            "unknown": stored_unknown(task) if task.classes else "NaN", "coordinates": _COORDINATES, "samples": listed}  # fmt: skip
