"""What each verb does with a project. Each takes the parsed options and returns what will be printed."""

import argparse
import datetime
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from parmesan_engine.errors import FormatError
from parmesan_engine.insight import NeighborInfo
from parmesan_engine.io import FORMATS, open_dataset, read, read_frames, write_labels, write_probabilities, write_values
from parmesan_engine.io.files import stem_of
from parmesan_engine.project import Project, learning, scoring
from parmesan_engine.types import Prediction, Sample

DEFAULT_FORMAT = {1: "npy", 2: "png", 3: "nifti"}


def learn(options: argparse.Namespace) -> dict[str, Any]:
    """Learn from a dataset, as one version."""
    dataset, is_new = open_dataset(options.data), not options.project.exists()
    try:
        with learning.project_for(options.project, dataset, encoder=options.encoder, novelty=options.novelty,
                                  keys=options.keys, device=options.device) as project:
            return learning.learn(project, options.data, split=options.split, samples=options.samples, per_class=options.per_class,
                                  source=options.source, author=options.by, seed=options.seed, progress=show_progress("learning"))
    except BaseException:
        if is_new:  # a project of a dataset that could not be learned would only be in the way
            shutil.rmtree(options.project, ignore_errors=True)
        raise


def evaluate(options: argparse.Namespace) -> dict[str, Any]:
    """Score on a dataset."""
    with Project.open(options.project, device=options.device) as project:
        return scoring.evaluate(project, options.data, split=options.split, samples=options.samples, seed=options.seed,
                                 progress=show_progress("evaluating"))


def predict(options: argparse.Namespace) -> dict[str, Any]:
    """Predict files; write class ids or values, and probabilities on request, beside each other in one folder.

    Of a recording every time point is predicted, to files that end in -t1, -t2 and so on.
    """
    names = [stem_of(path) for path in options.inputs]
    if len(set(names)) < len(names):
        raise FormatError("inputs with different names, endings aside", "some twice", "predict them into different folders")
    if options.out.resolve() in {path.resolve().parent for path in options.inputs}:
        raise FormatError("a folder for results that holds none of the inputs", str(options.out), "choose another --out")
    written = []
    with Project.open(options.project, device=options.device) as project:
        options.out.mkdir(parents=True, exist_ok=True)
        for path in options.inputs:
            for sample, stem in _frames(project, path, options.out):
                start = time.perf_counter()
                prediction = project.predict_sample(sample)
                written.append(_write(prediction, sample, time.perf_counter() - start, stem, options))
        return {"version": project.version, "metric": project.metric_state()["id"], "predictions": written}


def explain(options: argparse.Namespace) -> dict[str, Any]:
    """Say which examples decide one pixel of a file."""
    try:
        at = tuple(int(part) for part in options.at.split(","))
    except ValueError as error:
        raise FormatError("a pixel as whole numbers, T or Y,X or Z,Y,X", repr(options.at), "correct --at") from error
    with Project.open(options.project, device=options.device) as project:
        found = project.explain_sample(_read(project, options.input), at, top=options.top)
        names = {record.id: record.name for record in project.samples()}
        task = project.task
        label = found.value if found.label is None else "unknown" if found.label < 0 else task.classes[found.label]
        return {"prediction": label, "at": list(at), "shares": found.shares,
                "neighbors": [_argument(n, names, task.classes) for n in found.neighbors],
                "opponents": {c: [_argument(n, names, task.classes)] for c, n in found.opponents.items()},
                "conflict": found.conflict, "novelty": found.novelty, "abstained": found.abstained, "version": found.version}


def forget(options: argparse.Namespace) -> dict[str, Any]:
    """Unlearn by source, sample, gesture, author or time."""
    with Project.open(options.project, device=options.device) as project:
        receipt = project.forget(source=options.source, sample=options.sample, gesture=options.gesture, author=options.author,
                                 before=_timestamp(options.before), by=options.by)
        return {"version": receipt["version"], "entries_removed": receipt["entries_removed"], "receipt": receipt}


def history(options: argparse.Namespace) -> dict[str, Any]:
    """List the versions, oldest first."""
    with Project.open(options.project) as project:
        return {"versions": [asdict(record) for record in project.history()], **_footprint(project)}


def undo(options: argparse.Namespace) -> dict[str, Any]:
    """Take back the newest change."""
    with Project.open(options.project, device=options.device) as project:
        return _changed(project.undo(author=options.by))


def redo(options: argparse.Namespace) -> dict[str, Any]:
    """Do again what was undone last."""
    with Project.open(options.project, device=options.device) as project:
        return _changed(project.redo(author=options.by))


def restore(options: argparse.Namespace) -> dict[str, Any]:
    """Go back to the content of an old version, as a new version."""
    with Project.open(options.project, device=options.device) as project:
        return _changed(project.restore(options.version, author=options.by))


def verify(options: argparse.Namespace) -> dict[str, Any]:
    """Check everything that is stored; exit status 1 when something is wrong."""
    with Project.open(options.project) as project:
        problems = project.verify()
        return {"ok": not problems, "version": project.version, "problems": problems, "failed": bool(problems), **_footprint(project)}


def _footprint(project: Project) -> dict[str, Any]:
    """Return the bytes of the memory's files, those of one example with its part of the history, and the format of the keys."""
    memory = project.memory
    if memory is None:
        return {"bytes": 0, "bytes_per_entry": None, "keys": None}
    return {"bytes": memory.bytes, "bytes_per_entry": memory.bytes / memory.stored if memory.stored else None, "keys": memory.key_format}


def _read(project: Project, path: Path) -> Sample:
    return read(path, spatial_dims=_dims(project))


def _frames(project: Project, path: Path, folder: Path) -> list[tuple[Sample, Path]]:
    """Return (sample, path of its results without an ending) for each time point of a file."""
    frames, stem = read_frames(path, spatial_dims=_dims(project)), folder / stem_of(path)
    digits = len(str(len(frames)))
    return [(one, stem.with_name(f"{stem.name}-t{one.frame + 1:0{digits}}") if len(frames) > 1 else stem) for one in frames]


def _dims(project: Project) -> int | None:
    return next((record.spatial_dims for record in project.samples()), None)


def _write(prediction: Prediction, sample: Sample, seconds: float, stem: Path, options: argparse.Namespace) -> dict[str, Any]:
    target = stem.with_name(stem.name + FORMATS[options.format or DEFAULT_FORMAT[sample.spatial_dims]])
    if prediction.labels is not None:
        write_labels(target, prediction.labels, sample, prediction.task)
    else:
        write_values(target, prediction.values, sample, prediction.task)
    report = {"input": sample.name, "output": str(target), "seconds": seconds, "fallbacks": list(prediction.fallbacks)}
    if options.probabilities and prediction.probabilities is not None:
        extra = stem.with_name(f"{stem.name}.probabilities.npy")
        write_probabilities(extra, prediction.probabilities, sample, prediction.task)
        report["probabilities"] = str(extra)
    return report


def _argument(info: NeighborInfo, names: dict[str, str], classes: tuple[str, ...]) -> dict[str, Any]:
    label = classes[int(info.label)] if classes else info.label
    return {"sample": names.get(info.sample_id, info.sample_id), "at": list(info.at), "label": label, "similarity": info.similarity,
            "vote": info.vote, "source": info.source, "author": info.author, "entry": info.entry}


def _changed(delta) -> dict[str, Any]:
    return {"version": delta.after, "before": delta.before, "entries_added": len(delta.added), "entries_removed": len(delta.removed),
            "entries_modified": len(delta.modified)}


def _timestamp(text: str | None) -> float | None:
    """Return seconds since 1970 from a number or an ISO date in local time."""
    if text is None:
        return None
    try:
        return float(text) if text.replace(".", "", 1).isdigit() else datetime.datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise FormatError("a time as 2026-11-20T15:00 or seconds since 1970", repr(text), "correct --before") from error


def show_progress(what: str):
    """Return a callback that draws progress on a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        return None

    def show(fraction: float) -> None:
        print(f"\r{what} {fraction:4.0%}", end="\n" if fraction >= 1 else "", file=sys.stderr, flush=True)

    return show
