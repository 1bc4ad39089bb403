"""Streams without data: parts of the demo samples, whose truth is known. Small, and quick to learn."""

from collections.abc import Callable

import numpy as np
import scipy  # its parts load when they are used: that of images takes half a second

from parmesan_engine.continual.steps import KINDS, OVERLAPPED, Pair, Step, Stream, class_steps_of, one_step
from parmesan_engine.errors import FormatError, ShapeError, UnknownNameError
from parmesan_engine.synthetic import demo_task, make_1d, make_2d, make_3d
from parmesan_engine.types import Sample, TaskSpec

MAKERS = {1: make_1d, 2: make_2d, 3: make_3d}
PARTS = {1: (4,), 2: (4, 4), 3: (3, 3, 3)}  # of one demo along each axis
NAMES = {1: "heart beats", 2: "stained tissue", 3: "a scan"}
DARK, NOISY = 0.35, 0.12  # of the range of values: what is left of it, and the deviation of the noise
SMOOTH = 1 / 16  # of the longest side: the deviation of the weights of a local share


def procedural(kind: str = "domain", spatial_dims: int = 2, *, samples: int = 6, tests: int = 4, per_class: int | None = 30,
               seed: int = 0) -> Stream:
    """Return a stream of `kind` from the demo with 1, 2 or 3 axes. Equal seeds give equal streams.

    domain: as it is, in negative, dim and noisy; class: one new class a step; task: its classes, and the local share of the last one.
    samples, tests: of each step, 1 or more. Raises UnknownNameError, ShapeError, FormatError.
    """
    if kind not in KINDS or spatial_dims not in MAKERS:
        if kind not in KINDS:
            raise UnknownNameError(f"steps of {', '.join(KINDS)}", repr(kind), "choose one of them")
        raise ShapeError("1, 2 or 3 spatial axes", f"{spatial_dims}", "choose one of the demos")
    if not (samples and tests):
        raise FormatError("a number of samples and of tests: there is no end of random ones", f"{samples} and {tests}", "say how many")
    task = demo_task(spatial_dims)
    learned, held = (_pairs(spatial_dims, count, 2 * seed + part) for part, count in enumerate((samples, tests)))
    notes = [f"Parts of {NAMES[spatial_dims]} made from random numbers: a step learns {samples} of them and is scored on {tests} others; "
             f"seed {seed}."]
    if kind == "class":
        steps, notes = class_steps_of(task, learned, held, 1, per_class, seed), [*notes, OVERLAPPED]
    elif kind == "task":
        steps = _tasks(task, learned, held, per_class, seed)
        notes.append(f"The second task is the share of {task.classes[-1]} around each pixel.")
    else:
        steps = tuple(_domain(number, name, task, learned, held, per_class, seed) for number, name in enumerate(DOMAINS))
        notes.append(f"All steps show the same places, {', '.join(DOMAINS)}.")
    return Stream(NAMES[spatial_dims], kind, steps, tuple(notes))


def _domain(number: int, name: str, task: TaskSpec, learned: list[Pair], held: list[Pair], per_class: int | None, seed: int) -> Step:
    random = np.random.default_rng((seed, number))
    seen = [[(_shown(sample, name, random), labels) for sample, labels in pairs] for pairs in (learned, held)]
    return one_step(name, task, *seen, per_class, seed)


def _shown(sample: Sample, name: str, random: np.random.Generator) -> Sample:
    """Return the sample as a domain shows it, with values of the same type."""
    values = sample.array.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    values = DOMAINS[name](values, low, high, random)
    bounds = np.iinfo(sample.array.dtype) if sample.array.dtype.kind in "iu" else None
    array = values if bounds is None else np.rint(values).clip(bounds.min, bounds.max)
    return Sample(array.astype(sample.array.dtype), f"{sample.name}, {name}", sample.spacing, sample.unit)


Domain = Callable[[np.ndarray, float, float, np.random.Generator], np.ndarray]
DOMAINS: dict[str, Domain] = {
    "as it is": lambda values, low, high, random: values,
    "in negative": lambda values, low, high, random: high + low - values,
    "dim and noisy": lambda values, low, high, random: (
        low + DARK * (values - low) + random.normal(0, NOISY * (high - low), values.shape).astype(np.float32)),
}


def _tasks(task: TaskSpec, learned: list[Pair], held: list[Pair], per_class: int | None, seed: int) -> tuple[Step, ...]:
    values = [[(sample, scipy.ndimage.gaussian_filter((labels == len(task.classes) - 1).astype(np.float32), SMOOTH * max(labels.shape)))
               for sample, labels in pairs] for pairs in (learned, held)]
    return (one_step("segmentation", task, learned, held, per_class, seed),
            one_step("regression", TaskSpec("regression", display_range=(0.0, 1.0)), *values, per_class, seed))


def _pairs(dims: int, count: int, seed: int) -> list[Pair]:
    """Return `count` parts that show every class, in random order, of as many demos as it takes; each demo has such parts."""
    random, pairs, demo = np.random.default_rng((seed, dims)), [], 0
    classes = len(demo_task(dims).classes)
    while len(pairs) < count:
        sample, labels = MAKERS[dims](1000 * seed + demo)
        parts = (_part(sample, labels, PARTS[dims], place) for place in random.permutation(int(np.prod(PARTS[dims]))))
        pairs += [(part, known) for part, known in parts if len(np.unique(known)) == classes]
        demo += 1
    return pairs[:count]


def _part(sample: Sample, labels: np.ndarray, parts: tuple[int, ...], place: int) -> Pair:
    places = np.unravel_index(place, parts)
    box = tuple(slice(i * (n // k), (i + 1) * (n // k)) for i, n, k in zip(places, labels.shape, parts, strict=True))
    return Sample(sample.array[(slice(None), *box)].copy(), f"{sample.name}-{place}", sample.spacing, sample.unit), labels[box].copy()
