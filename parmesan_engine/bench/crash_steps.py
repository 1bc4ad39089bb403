"""Steps of mixed work on a project, each one call that a person waits for; the same from the same state and numbers.

Each step is all of one change or, where the state allows none, nothing: what a killed process leaves is the project of so many steps.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from parmesan_engine.errors import EmptyMemoryError, UnknownNameError, VersionError
from parmesan_engine.gestures import Stroke
from parmesan_engine.memory.budget import drawn
from parmesan_engine.project import Project, branching, sources
from parmesan_engine.project.consolidating import Proposal, Size, consolidate
from parmesan_engine.project.truth import keep_truth, truth
from parmesan_engine.types import Sample, TaskSpec

SIDE, MAX_SAMPLES, MAX_ENTRIES = 32, 6, 600
TASK = TaskSpec(classes=("ground", "cell", "edge"), colors=((230, 159, 0), (86, 180, 233), (0, 158, 115)))
VERBS = (*["paint"] * 6, "erase", "switch", "undo", "undo", "redo", "restore", "remove", "unlearn", "consolidate", "class", "tag", "sample",
         "truth")


def begin(folder: Path) -> None:
    """Make the project that all begins with."""
    with Project.create(folder, name="crash", task=TASK) as project:
        project.add_sample(_picture(0))


def steps(seed: int) -> Iterator[tuple[str, int]]:
    """Yield (verb, number) without end."""
    rng = np.random.default_rng(seed)
    while True:
        yield VERBS[rng.integers(len(VERBS))], int(rng.integers(2**31))


def do(project: Project, verb: str, number: int) -> list[str]:
    """Do one step; return the names of gestures that are gone for good by it."""
    rng = np.random.default_rng(number)
    try:
        return _DO[verb](project, rng, number) or []
    except (VersionError, UnknownNameError, EmptyMemoryError):  # nothing to undo, to redo, to forget
        return []


def state(project: Project) -> tuple:
    """Return all that a person would miss, as a value to compare: history, examples, classes, samples, labels, receipts, truth."""
    memory = project.memory
    ids = memory.select()
    places = [(p.sample_id, p.coordinates, p.gesture, p.author, p.source) for p in memory.provenance(ids)]
    history = [(r.version, r.verb, r.author, r.entries, r.added, r.removed, r.gesture, r.undoes, r.note) for r in project.history()]
    samples = sorted(record.id for record in project.samples())
    truths = [None if (known := truth(project.path, sample)) is None else known.tobytes() for sample in samples]
    proofs = [(r.entries_removed, r.removed_digest, r.version_after, r.verified) for r in memory.receipts()]
    return (project.version, project.task, history, proofs, samples, truths, places, memory.keys(ids).tobytes(),
            memory.labels(ids).tobytes(), memory.weights(ids).tobytes())


def _picture(number: int) -> Sample:
    rng = np.random.default_rng(number)
    return Sample(rng.integers(0, 255, (1, SIDE, SIDE), dtype=np.uint8), f"picture {number}")


def _some(project: Project, rng: np.random.Generator) -> str:
    samples = sorted(record.id for record in project.samples())
    return samples[rng.integers(len(samples))]


def _stroke(project: Project, rng: np.random.Generator, number: int, kind: str) -> None:
    points = tuple((float(x), float(y)) for x, y in rng.uniform(2, SIDE - 2, (2, 2)))
    stroke = Stroke(kind, points, radius=1.5, label=None if kind == "eraser" else int(rng.integers(3)))
    project.annotate(_some(project, rng), [stroke], gesture_id=f"gesture-{number:08x}", author=f"author-{rng.integers(3)}",
                     source=f"source-{rng.integers(4)}")


def _switch(project: Project, rng: np.random.Generator, _: int) -> None:
    source = f"source-{rng.integers(4)}"
    sources.switch(project, source, bool(rng.integers(2)))


def _restore(project: Project, rng: np.random.Generator, _: int) -> None:
    history = project.history()
    project.restore(history[rng.integers(len(history))].version)


def _forget(project: Project, rng: np.random.Generator, purge: bool) -> list[str]:
    rows = project.memory.columns(stored=True)
    names = sorted(rows.names[code] for code in np.unique(rows.gesture).tolist())
    if not names:
        return []
    gesture = names[rng.integers(len(names))]
    project.forget(gesture=gesture, purge=purge)
    return [gesture] if purge else []


def _consolidate(project: Project, rng: np.random.Generator, _: int) -> None:
    memory = project.memory
    ids = memory.select()
    if len(ids) > MAX_ENTRIES or (len(ids) > 20 and rng.integers(2)):
        ids = ids[~drawn(memory.lots(ids), memory.answers(ids), len(ids) // 2)]
        size = Size(len(memory), 0, {})
        consolidate(project, Proposal(memory.version, ids, size, size, 0, "", None))


def _class(project: Project, _: np.random.Generator, number: int) -> None:
    project.rename_class(number % 3, f"class {number}")


def _tag(project: Project, rng: np.random.Generator, number: int) -> None:
    branching.tag(project, int(rng.integers(len(project.history()))), f"label {number}")


def _sample(project: Project, _: np.random.Generator, number: int) -> None:
    if len(project.samples()) < MAX_SAMPLES:
        project.add_sample(_picture(number))


def _truth(project: Project, rng: np.random.Generator, _: int) -> None:
    record = project.store.record(_some(project, rng))
    keep_truth(project.path, record, rng.integers(-1, 3, record.spatial_shape))


_DO = {"paint": lambda *a: _stroke(*a, "brush"), "erase": lambda *a: _stroke(*a, "eraser"), "switch": _switch,
       "undo": lambda project, *_: project.undo() and None, "redo": lambda project, *_: project.redo() and None, "restore": _restore,
       "remove": lambda project, rng, _: _forget(project, rng, False), "unlearn": lambda project, rng, _: _forget(project, rng, True),
       "consolidate": _consolidate, "class": _class, "tag": _tag, "sample": _sample, "truth": _truth}
