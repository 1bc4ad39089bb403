"""Streams from folders of datasets: domain steps, class steps, task steps. See `procedural.py` for those that need no data."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from parmesan_engine.continual.grouping import Names, split_groups, united
from parmesan_engine.continual.reading import read_pairs
from parmesan_engine.continual.steps import IGNORED, OVERLAPPED, Pair, Step, Stream, class_steps_of, mixed, one_step
from parmesan_engine.errors import FormatError, ShapeError
from parmesan_engine.io import Dataset, open_dataset
from parmesan_engine.project.features import adapt
from parmesan_engine.project.sampling import choose_items
from parmesan_engine.types import TaskSpec

THIRDS = ("near", "middle", "far")
THIRD_COLORS = ((0, 114, 178), (230, 159, 0), (0, 158, 115))  # after Okabe and Ito (2008)
Folders = str | Path | Sequence[str | Path]


def domain_steps(folders: Folders, *, group: str = "", mix: float = 0.0, per_class: int | None = 30, seed: int = 0,
                 **chosen: Any) -> Stream:
    """Return a stream whose pictures change: a step for each of several datasets, or for each group of samples of one.

    group: regular expression that finds a sample's group in its name (default: see `grouping.group_of`); mix: share of a step's samples
    that come from other steps. chosen: split, eval_split, samples, tests, size and slices, see `_Choice`.
    """
    datasets, choice = _opened(folders), _Choice(seed, **chosen)
    task, ids = united([dataset.task for dataset in datasets])
    notes = [*choice.notes(per_class, datasets), *_united_words(datasets), IGNORED]
    if len(datasets) > 1:
        parts = [(dataset.name, *choice.pairs(dataset, datasets, own)) for dataset, own in zip(datasets, ids, strict=True)]
    else:
        groups, more = split_groups(*([item.name for item in datasets[0].items(s)] for s in (choice.split, choice.eval_split)), group)
        notes += more
        parts = [(name, *choice.pairs(datasets[0], datasets, ids[0], groups[name])) for name in groups]
    steps = tuple(one_step(name, task, learned, held, per_class, seed) for name, learned, held in parts)
    if mix:
        steps = mixed(steps, mix, seed)
        notes.append(f"{mix:.0%} of the samples of a step come from the other steps.")
    return _stream(_name(datasets), "domain", steps, notes)


def class_steps(folder: str | Path, *, per_step: int = 2, per_class: int | None = 30, seed: int = 0, **chosen: Any) -> Stream:
    """Return a stream of `per_step` new classes a step, all on the same pictures, the pixels of all other classes not labelled."""
    datasets, choice = _opened(folder), _Choice(seed, **chosen)
    learned, held = choice.pairs(datasets[0], datasets)
    steps = class_steps_of(datasets[0].task, learned, held, per_step, per_class, seed)
    return _stream(_name(datasets), "class", steps, [*choice.notes(per_class, datasets), IGNORED, OVERLAPPED])


def task_steps(folders: Folders, *, per_class: int | None = 30, seed: int = 0, **chosen: Any) -> Stream:
    """Return a stream of two tasks, segmentation and then values, of two datasets or of one that has values.

    Of values alone the classes near, middle and far are made: thirds of all values that can be learned from.
    """
    datasets, choice = _opened(folders), _Choice(seed, **chosen)
    notes = [*choice.notes(per_class, datasets), IGNORED]
    kinds = sorted(datasets, key=lambda dataset: dataset.task.kind == "regression")
    parts = [(dataset.task, *choice.pairs(dataset, datasets)) for dataset in kinds]
    if [task.kind for task, *_ in parts] == ["regression"]:
        _, learned, held = parts[0]
        edges = np.quantile(np.concatenate([values[np.isfinite(values)] for _, values in learned]), (1 / 3, 2 / 3))
        derived = [[(sample, thirds(values, edges)) for sample, values in pairs] for pairs in (learned, held)]
        parts.insert(0, (TaskSpec("segmentation", THIRDS, THIRD_COLORS), *derived))
        notes.append(f"The classes near, middle and far are thirds of the values to learn from, parted at {edges[0]:.4g} and "
                     f"{edges[1]:.4g} {parts[1][0].unit}: the dataset has no classes of its own.")
    if [task.kind for task, *_ in parts] != ["segmentation", "regression"]:
        raise FormatError("one dataset with values, or one with classes and one with values", ", ".join(d.task.kind for d in datasets),
                          "choose others, or domain steps")
    steps = tuple(one_step(task.kind, task, learned, held, per_class, seed) for task, learned, held in parts)
    return _stream(_name(datasets), "task", steps, notes)


def folder_steps(kind: str, folders: Sequence[str | Path], **chosen: Any) -> Stream:
    """Return the domain, class or task steps of folders. chosen: what the maker of that kind takes. Raises FormatError."""
    if kind == "class":
        if len(folders) > 1:
            raise FormatError("one dataset for steps of classes", f"{len(folders)}", "leave out the others, or choose domain steps")
        return class_steps(folders[0], **chosen)
    return {"domain": domain_steps, "task": task_steps}[kind](folders, **chosen)


def thirds(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return int16 ids of the intervals between edges, -1 where there is no value.

    >>> thirds(np.array([1.0, 5.0, np.nan, 9.0]), np.array([3.0, 7.0])).tolist()
    [0, 1, -1, 2]
    """
    return np.where(np.isfinite(values), np.searchsorted(edges, values, side="right"), -1).astype(np.int16)


class _Choice:
    """Which samples of a dataset, and how large. samples, tests: at most so many a step (None: all); size: the longest side in pixels;
    slices: planes of each volume, where datasets differ in their number of axes, or where asked for.
    """

    def __init__(self, seed: int, *, split: str = "train", eval_split: str = "test", samples: int | None = 40, tests: int | None = 12,
                 size: int | None = None, slices: int = 0) -> None:
        if split == eval_split:
            raise FormatError("one part of the dataset to learn from and another to score on", f"{split} for both", "choose two")
        self.seed, self.split, self.eval_split = seed, split, eval_split
        self.samples, self.tests, self.size, self.slices = samples, tests, size, slices

    def pairs(self, dataset: Dataset, among: Sequence[Dataset], ids: np.ndarray | None = None,
              names: Names | None = None) -> tuple[list[Pair], list[Pair]]:
        """Return the samples to learn from and those to score on: of all in the splits, or of these names."""
        slices = self._slices(dataset, among)
        own, other = ({item.name: item for item in dataset.items(split)} for split in (self.split, self.eval_split))
        learned, held = names or (list(own), list(other))
        parts = ((own, learned, self.samples), (own | other, held, self.tests))  # a name may stand in both: files are often numbered
        return tuple(read_pairs(dataset, choose_items([items[name] for name in part], _volumes(count, slices), seed=self.seed),
                                size=self.size, slices=slices, ids=ids) for items, part, count in parts)

    def notes(self, per_class: int | None, datasets: Sequence[Dataset]) -> list[str]:
        many = "all samples" if self.samples is None else f"up to {self.samples} samples"
        pixels = "every labelled pixel" if per_class is None else f"{per_class} labelled pixels of each class (or of all values)"
        held = "all" if self.tests is None else f"up to {self.tests}"
        notes = [f"A step learns {many} of {self.split}, {pixels} in each, and is scored on {held} held-back samples; seed {self.seed}."]
        if self.size:
            notes.append(f"Samples longer than {self.size} pixels are made smaller by a whole number; labels are not mixed.")
        return notes + [f"Volumes of {d.name} are cut into {self.slices} planes each." for d in datasets if self._slices(d, datasets)]

    def _slices(self, dataset: Dataset, among: Sequence[Dataset]) -> int:
        """Return how many planes to cut each sample of a dataset into, 0 to leave it whole. Raises ShapeError."""
        axes = {other.spatial_dims for other in among}
        if self.slices and axes <= {2, 3}:
            return self.slices if dataset.spatial_dims == 3 else 0
        if len(axes) > 1:
            raise ShapeError("datasets with the same number of axes, or pictures and volumes that are cut into planes",
                             " and ".join(map(str, sorted(axes))), "say how many planes a volume gives (--slices), or choose others")
        return 0


def _opened(folders: Folders) -> list[Dataset]:
    datasets = [open_dataset(folder) for folder in ([folders] if isinstance(folders, str | Path) else folders)]
    if len({dataset.name for dataset in datasets}) < len(datasets):
        datasets = [replace(dataset, name=str(dataset.folder)) for dataset in datasets]
    if not datasets:
        raise FormatError("a folder with dataset.json in it", "none", "give one or more, or a procedural stream")
    return datasets


def _stream(name: str, kind: str, steps: Sequence[Step], notes: Sequence[str]) -> Stream:
    """Return the stream, all samples brought to the channels of the richest: a method has one input."""
    channels = max(sample.channels for step in steps for sample in (*step.samples, *(sample for sample, _ in step.tests)))
    return Stream(name, kind, tuple(replace(step, samples=tuple(adapt(sample, channels) for sample in step.samples),
                                            tests=tuple((adapt(sample, channels), truth) for sample, truth in step.tests))
                                    for step in steps), tuple(notes))


def _volumes(count: int | None, slices: int) -> int | None:
    return count if count is None or not slices else -(-count // slices)


def _united_words(datasets: Sequence[Dataset]) -> list[str]:
    """Return a note on the classes that several datasets share by name."""
    owners = {name: [d.name for d in datasets if name in d.task.classes] for d in datasets for name in d.task.classes}
    shared = [f"{name} ({', '.join(own)})" for name, own in owners.items() if len(own) > 1]
    return [f"Classes of the same name are one class: {'; '.join(shared)}."] if shared else []


def _name(datasets: Sequence[Dataset]) -> str:
    return ", ".join(dataset.name for dataset in datasets)
