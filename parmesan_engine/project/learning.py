"""Learn from a labelled dataset: what an annotator with little time would give, in one transaction."""

import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np

from parmesan_engine.encoders import ENCODERS
from parmesan_engine.errors import EmptyMemoryError, FormatError, ShapeError, VersionError
from parmesan_engine.io import Dataset, Item, open_dataset
from parmesan_engine.project.description import read_description
from parmesan_engine.project.entries import make_batch, node_labels, one_hot
from parmesan_engine.project.features import adapt
from parmesan_engine.project.importing import withdraw
from parmesan_engine.project.project import Project
from parmesan_engine.project.sampling import choose_items, choose_pixels
from parmesan_engine.registry import pinned, recipe_of
from parmesan_engine.types import EntryBatch, FeaturePyramid, Sample, TaskSpec

FINE_PIXELS = 1 << 20  # samples up to this size are encoded at stride 1, so that a labelled pixel gets its own features
Progress = Callable[[float], None] | None


def project_for(path: str | Path, dataset: Dataset, *, encoder: str | None = None, novelty: float | None = None,
                keys: str | None = None, device: str = "cpu") -> Project:
    """Open a project, or create one with the task of a dataset. encoder, novelty, keys: of `Project.create`, None: whichever it has.

    Raises ShapeError when an existing one has other classes, FormatError when it is of another kind than asked for.
    """
    asked = {name: value for name, value in (("encoder", encoder), ("novelty", novelty), ("keys", keys)) if value is not None}
    if not (Path(path) / "project.json").exists():
        return Project.create(path, name=dataset.name, task=dataset.task, device=device, **asked)
    _check_kind(Path(path), asked)
    project = Project.open(path, device=device)
    if project.task.kind != dataset.task.kind or project.task.classes != dataset.task.classes:
        own = project.task
        project.close()
        raise ShapeError(f"{own.kind} with classes {', '.join(own.classes) or 'none'}, as in the project",
                         f"{dataset.task.kind} with {', '.join(dataset.task.classes) or 'none'}", "use another project folder")
    return project


def _check_kind(path: Path, asked: dict[str, str | float]) -> None:
    """Raise FormatError where something is asked of a project that is settled when one is made, and otherwise in this one."""
    description = read_description(path)
    own = {"novelty": description["novelty"], "keys": description.get("keys", "float32")}
    for name, value in asked.items():
        if name == "encoder":
            _check_encoder(description["encoder"], value)
        elif value != own[name]:
            raise FormatError(f"{name} {own[name]}, as this project has", f"{name} {value}", "leave it out, or make a new project")


def _check_encoder(own: dict, text: str) -> None:
    """Raise FormatError where a recipe as text asks for another encoder than a project has; what it leaves open is as in the project."""
    asked = ENCODERS.parse(text)
    kept = own["keywords"] if asked["name"] == own["name"] else {}
    try:
        wanted = recipe_of(pinned(ENCODERS.build({"name": asked["name"], "keywords": {**kept, **asked["keywords"]}})))
    except VersionError:  # other files than those that the project was made with
        wanted = None
    if json.loads(json.dumps(wanted)) != own:
        words = ", ".join(f"{name}={own['keywords'].get(name)}" for name in asked["keywords"] if kept)
        raise FormatError(f"encoder {own['name']}{words and ':'}{words}, as this project has", f"encoder {text}",
                          "leave it out, or make a new project")


def learn(project: Project, folder: str | Path, *, split: str = "train", samples: int | None = None, per_class: int | None = 30,
          source: str | None = None, author: str = "local", seed: int = 0, progress: Progress = None) -> dict:
    """Learn labelled pixels of a dataset as one version and fit the metric.

    samples: how many of the split (None: all); per_class: labelled pixels per class and sample (None: every labelled pixel).
    progress may raise to cancel: then, as after any error, nothing is learned and no new sample stays that nobody has labelled.
    Returns {version, entries_added, entries_total, samples, source, seconds, encode_seconds}.
    """
    start = time.perf_counter()
    dataset = open_dataset(folder)
    source = source or dataset.name
    items = choose_items(dataset.items(split), samples, seed=seed)
    added: list[str] = []
    try:
        batches, encoding = _label(project, dataset, items, per_class, seed, source, author, progress, added)
        delta = project.commit(batches, author=author)
    except BaseException:  # also when the user stops it: samples without examples must not stay
        withdraw(project, added)
        raise
    return {"version": delta.after, "entries_added": sum(len(b.keys) for b in batches), "entries_total": len(project),
            "samples": len(items), "source": source, "seconds": time.perf_counter() - start, "encode_seconds": encoding}


def _label(project: Project, dataset: Dataset, items: list[Item], per_class: int | None, seed: int, source: str, author: str,
           progress: Progress, added: list[str]) -> tuple[list[EntryBatch], float]:
    """Store and encode samples; return the entries of the chosen pixels and the seconds of encoding. added: gets ids of new samples."""
    batches, encoding, gesture, now = [], 0.0, uuid.uuid4().hex[:16], time.time()
    known = {record.id for record in project.samples()}
    for number, item in enumerate(items):
        labels = dataset.read_label(item)
        sample = dataset.read_sample(item)
        record = project.add_sample(sample, origin="learn")
        if record.id not in known:
            added.append(record.id)
        before = time.perf_counter()
        pyramid = encode_fine(project.encoder, adapt(sample, project.live.sample_channels))
        encoding += time.perf_counter() - before
        nodes, rows = labelled_nodes(pyramid, labels, project.task, per_class, seed, item.name)
        if len(nodes):
            batches.append(make_batch(pyramid, nodes, rows, sample_id=record.id, sample_hash=record.content_hash, gesture=gesture,
                                      author=author, source=source, time=now))
        if progress:
            progress((number + 1) / len(items))
    if not batches:
        raise EmptyMemoryError("labelled pixels in the chosen samples", "none", "choose more samples or another split")
    return batches, encoding


def encode_fine(encoder, sample: Sample) -> FeaturePyramid:
    """Encode so that a pixel has its own node where the size allows it."""
    return encoder.encode(sample, stride=1 if int(np.prod(sample.spatial_shape)) <= FINE_PIXELS else None)


def labelled_nodes(pyramid: FeaturePyramid, labels: np.ndarray, task: TaskSpec, per_class: int | None, seed: int,
                   name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (nodes, (m, L) label rows) of the chosen labelled pixels of one sample."""
    if per_class is None:
        valid = np.isfinite(labels) if task.kind == "regression" else labels >= 0
        at = np.argwhere(valid)
    else:
        at = choose_pixels(labels, per_class, seed=seed, name=name)
    answers = labels[tuple(at.T)]
    rows = one_hot(answers, task.label_dim) if task.kind == "segmentation" else answers[:, None]
    return node_labels(pyramid, at, rows)

