"""Real pictures to measure on: labelled datasets of images where there are any, else generated tissue. All in three channels.

A picture without colour is repeated in three channels, so that all have the same features. Classes of several datasets are
counted through, so that a label means one thing.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from parmesan_engine.errors import FormatError
from parmesan_engine.io import SUPPORTED, Dataset, open_dataset, read
from parmesan_engine.io.files import suffix_of
from parmesan_engine.synthetic import demo_task, make_2d
from parmesan_engine.types import Sample

DATA, PHOTOGRAPHS = Path("../shared/data"), Path("../shared/pretrain")  # beside the repository, where it is run from
GENERATED_TRAIN, GENERATED_TEST = 400, 60
Load = Callable[[], tuple[Sample, np.ndarray]]  # -> (3, H, W) sample, (H, W) int16 labels, -1 where unlabelled


@dataclass(frozen=True)
class Pictures:
    """names: of the datasets; train, test: pictures of the memory and of the queries, to load one by one; labels are below `classes`."""

    names: tuple[str, ...]
    train: tuple[Load, ...]
    test: tuple[Load, ...]
    classes: int


def open_pictures(data: Sequence[Path], *, seed: int = 0) -> Pictures:
    """Return the pictures of dataset folders, or of folders of datasets; by default of DATA, else generated ones.

    Datasets take turns, pictures in an order by seed. Raises FormatError where no dataset of labelled images is found.
    """
    datasets = list(itertools.chain(*(_datasets(folder) for folder in data or ((DATA,) if DATA.is_dir() else ()))))
    if not datasets:
        train, test = (tuple(_generated(s) for s in range(first, first + count))
                       for first, count in ((seed, GENERATED_TRAIN), (seed + 10_000, GENERATED_TEST)))
        return Pictures(("generated tissue",), train, test, demo_task(2).label_dim)
    starts = np.cumsum([0, *(dataset.task.label_dim for dataset in datasets)]).tolist()
    train, test = (_turns([_items(dataset, split, start, seed) for dataset, start in zip(datasets, starts[:-1], strict=True)])
                   for split in ("train", "test"))
    return Pictures(tuple(dataset.name for dataset in datasets), train, test, starts[-1])


def photographs(count: int, pictures: Pictures, *, seed: int = 0) -> tuple[str, Iterator[Sample]]:
    """Return where they come from and so many unlabelled samples (3, H, W): photographs of PHOTOGRAPHS, else training pictures."""
    found = sorted(path for path in PHOTOGRAPHS.rglob("*") if suffix_of(path) in SUPPORTED) if PHOTOGRAPHS.is_dir() else []
    if not found:
        return ", ".join(pictures.names), (load()[0] for load in pictures.train[:count])
    chosen = np.random.default_rng(seed).permutation(len(found))[:count]
    return str(PHOTOGRAPHS), (_coloured(read(found[i], spatial_dims=2)) for i in chosen)


def tissue(seed: int, side: int = 512) -> tuple[Sample, np.ndarray]:
    """Return a generated picture of side x side and its labels: mirrored at the edges where the maker's is smaller."""
    sample, labels = make_2d(seed)
    missing = [(0, max(side - n, 0)) for n in labels.shape]
    array = np.pad(sample.array, [(0, 0), *missing], mode="reflect")[:, :side, :side]
    return Sample(np.ascontiguousarray(array), sample.name), np.pad(labels, missing, mode="reflect")[:side, :side]


def _datasets(folder: Path) -> list[Dataset]:
    """Return the dataset in a folder, or those of labelled images in its folders."""
    if (folder / "dataset.json").is_file():
        found = [open_dataset(folder)]
    else:
        found = [open_dataset(path.parent) for path in sorted(folder.glob("*/dataset.json"))]
    usable = [dataset for dataset in found if dataset.spatial_dims == 2 and dataset.task.kind == "segmentation"]
    if not usable:
        raise FormatError("a dataset of images with classes, or a folder of such datasets",
                          f"{folder} with {', '.join(dataset.name for dataset in found) or 'no dataset.json'}", "check the path of DATA")
    return usable


def _items(dataset: Dataset, split: str, start: int, seed: int) -> list[Load]:
    items = dataset.items(split)

    def load(item) -> tuple[Sample, np.ndarray]:
        labels = dataset.read_label(item)
        return _coloured(dataset.read_sample(item)), np.where(labels < 0, np.int16(-1), labels + np.int16(start))

    return [lambda item=items[i]: load(item) for i in np.random.default_rng(seed).permutation(len(items))]


def _turns(groups: list[list[Load]]) -> tuple[Load, ...]:
    """Return one of each group, then the next of each, to the end of the longest."""
    return tuple(load for turn in itertools.zip_longest(*groups) for load in turn if load)


def _generated(seed: int) -> Load:
    return lambda: make_2d(seed)


def _coloured(sample: Sample) -> Sample:
    """Return a sample of three channels: the first three of more, the first three times over of fewer."""
    array = sample.array[:3] if sample.channels >= 3 else np.repeat(sample.array[:1], 3, axis=0)
    return replace(sample, array=np.ascontiguousarray(array), channel_names=())
