"""The examples of a project with the features of another encoder: to try it, and to go on with it in a project of its own.

A memory is bound to its encoder: its versions, undo and receipts are of these keys. So another encoder gets another project, with
the same samples, truth, classes and examples (label, weight, place, gesture, author, source and time), and a history that begins
anew; the old project stays as it is.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from parmesan_engine.device import device_of
from parmesan_engine.encoders import ENCODERS
from parmesan_engine.errors import EmptyMemoryError
from parmesan_engine.memory import Memory
from parmesan_engine.memory.copying import batches_of
from parmesan_engine.memory.history import MAX_TAG
from parmesan_engine.memory.reading import Reader
from parmesan_engine.project.branching import copied
from parmesan_engine.registry import pinned, recipe_of
from parmesan_engine.types import EntryBatch, FeaturePyramid, Sample

Progress = Callable[[float], None] | None


@dataclass(frozen=True)
class Reencoded:
    """Entries with the features of another encoder. seconds: of encoding, for each sample that has examples."""

    batches: list[EntryBatch]
    seconds: list[float]


def build(project, text: str):
    """Return the encoder that a recipe as text means, on the project's device. Raises UnknownNameError, FormatError, LimitError."""
    recipe = ENCODERS.parse(text)
    keywords = {"device": project.device, **recipe["keywords"]}
    device_of(keywords["device"])  # raises before a sample is read
    return pinned(ENCODERS.build({**recipe, "keywords": keywords}))


def reencoded(view: Reader, encoder, sample_of: Callable[[str], Sample], progress: Progress = None) -> Reencoded:
    """Return all stored entries of a version of a memory anew. sample_of: gives a sample by its id; progress may raise to cancel.

    Raises EmptyMemoryError when there are none, UnknownNameError when a sample is gone.
    """
    ids, batches, seconds = view.select(), [], []
    if not len(ids):
        raise EmptyMemoryError("a project with examples", "none", "label a few pixels first")
    samples = view.samples_of(ids)
    for number, sample_id in enumerate(samples):
        mine, sample = view.select(sample=sample_id), sample_of(sample_id)
        start = time.perf_counter()
        pyramid = encoder.encode(sample, stride=stride_for(encoder, sample, view.coordinates(mine)))
        seconds.append(time.perf_counter() - start)
        batches += [_anew(batch, pyramid) for batch in batches_of(view, mine)]
        if progress:
            progress((number + 1) / len(samples))
    return Reencoded(batches, seconds)


def project_with(project, text: str, folder: str | Path, *, name: str = "", author: str = "local", progress: Progress = None) -> Path:
    """Make a project with another encoder from the examples of this one; return its folder.

    text: a recipe (see `Registry.parse`). The folder appears when all is encoded, and not at all when the work fails or is
    cancelled. Raises FormatError when there is a folder of that name, EmptyMemoryError, StoreError, VersionError when examples were
    unlearned meanwhile.
    """
    folder, encoder = Path(folder), build(project, text)
    with project.lock:
        if project.memory is None:
            raise EmptyMemoryError("a project with examples", "an empty project", "import a sample first")
        view, features, form = project.memory.checkout(project.version), project.features, project.memory.key_format
    recipe = recipe_of(encoder)
    recipe["keywords"]["device"] = "cpu"  # where to compute is each machine's choice, not the project's
    with copied(project, folder, name=name or folder.name, encoder=recipe) as beside:
        found = reencoded(view, encoder, features.sample, progress)
        channels = found.batches[0].keys.shape[1]
        memory = Memory.create(beside / "memory", channels=channels, task=view.task, encoder=recipe, novelty=view.novelty, keys=form)
        try:
            memory.add(found.batches, author=author, gesture=f"encoder {recipe['name']}")
            memory.tag(memory.version, f"all examples of {project.name}, encoded by {recipe['name']}"[:MAX_TAG])
        finally:
            memory.close()
        view.check()
    return folder


def stride_for(encoder, sample: Sample, coordinates: np.ndarray) -> int | None:
    """Return None (the encoder's own choice) where entries lie on its nodes, 1 where they are of single pixels."""
    strides = encoder.strides_for(sample.spatial_shape)
    return None if not (coordinates % np.asarray(strides)).any() or math.prod(strides) == 1 else 1


def _anew(batch: EntryBatch, pyramid: FeaturePyramid) -> EntryBatch:
    """Return a batch with the features of the nodes in which its entries lie."""
    nodes, top = pyramid.levels[0].nodes_of(batch.coordinates), len(pyramid.levels) - 1
    coarse, parents = np.unique(pyramid.parents(top)[nodes], return_inverse=True)
    return replace(batch, keys=pyramid.levels[0].keys[torch.from_numpy(nodes)].numpy(force=True), parents=parents,
                   coarse_keys=pyramid.levels[top].keys[torch.from_numpy(coarse)].numpy(force=True))
