"""Steps and streams, and how steps are made from labelled samples. A stream is made once for a seed, and is the same for all methods."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from parmesan_engine.errors import EmptyMemoryError, FormatError
from parmesan_engine.methods.labelled import some_of
from parmesan_engine.methods.method import Experience
from parmesan_engine.types import Sample, TaskSpec

KINDS = ("domain", "class", "task")
Pair = tuple[Sample, np.ndarray]  # a sample and all that is known of it: class ids with -1, or values with NaN, as `Dataset.read_label`

IGNORED = "Pixels that nobody labelled, or that the dataset says to ignore, are neither learned nor scored."
OVERLAPPED = ("Each step labels its own classes alone; what other classes cover is not labelled in it, rather than labelled as background, "
              "so that the meaning of background does not shift (the overlapped setting of Cermelli et al., CVPR 2020, arXiv 2002.00718, "
              "without its background). A class is scored on all held-back samples that contain it; pixels whose truth is a class not yet "
              "taught are left out.")


@dataclass(frozen=True)
class Step:
    """One experience and its data.

    labels: for each sample (*spatial) int16 class ids, -1 where not labelled in this step, or float32 values, NaN where not labelled.
    tests: held-back samples with their whole truth, in the same words; never learned from. whole: every known pixel is labelled.
    """

    experience: Experience
    samples: tuple[Sample, ...]
    labels: tuple[np.ndarray, ...]
    tests: tuple[Pair, ...]
    whole: bool = False


@dataclass(frozen=True)
class Stream:
    """Steps in the order in which they are learned. kind: one of KINDS; notes: in words, what was done with the data and why."""

    name: str
    kind: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()


def one_step(name: str, task: TaskSpec, pairs: Iterable[Pair], tests: Iterable[Pair], per_class: int | None, seed: int,
             classes: Sequence[int] | None = None) -> Step:
    """Return a step that labels up to `per_class` pixels of each class and sample (None: all), of `classes` alone where given.

    Samples and tests that have nothing of it are left out. Raises EmptyMemoryError where none is left.
    """
    def own(known: np.ndarray) -> np.ndarray:
        return known if classes is None else np.where(np.isin(known, classes), known, np.int16(-1))

    told = [(sample, some_of(own(known), per_class, seed=seed, name=sample.name)) for sample, known in pairs if _any(own(known))]
    samples, labels = zip(*told, strict=True) if told else ((), ())
    held = tuple((sample, truth) for sample, truth in tests if _any(own(truth)))
    if not samples or not held:
        raise EmptyMemoryError(f"labelled pixels of step {name} in the samples chosen to learn from and in those held back",
                               f"{len(samples)} and {len(held)} samples with any", "choose more samples or more tests")
    return _told(Step(Experience(name, task.kind, task), samples, labels, held, per_class is None))


def class_steps_of(task: TaskSpec, pairs: Sequence[Pair], tests: Sequence[Pair], per_step: int, per_class: int | None,
                   seed: int) -> tuple[Step, ...]:
    """Return steps of `per_step` new classes each, in the order of the task, each on all samples that have any of them."""
    if task.kind != "segmentation" or not 1 <= per_step < len(task.classes):
        got = f"{per_step} classes a step of {len(task.classes)}" if task.classes else "values without classes"
        raise FormatError("classes that come in two steps or more", got, "choose another dataset, or fewer classes a step")
    parts = [task.in_use[first : first + per_step] for first in range(0, len(task.in_use), per_step)]
    return tuple(one_step(", ".join(task.classes[c] for c in part), task, pairs, tests, per_class, seed, part) for part in parts)


def mixed(steps: Sequence[Step], share: float, seed: int) -> tuple[Step, ...]:
    """Return steps in which a share of the samples is replaced by samples that other steps learn: domains that overlap."""
    if not 0 <= share < 1:
        raise FormatError("a share of samples from other steps from 0 up to, but not, 1", f"{share:g}", "0.25 is a quarter")
    found = []
    for number, step in enumerate(steps):
        random = np.random.default_rng((seed, number))
        others = [pair for other in steps if other is not step for pair in zip(other.samples, other.labels, strict=True)]
        count = min(round(share * len(step.samples)), len(others))
        own = random.permutation(len(step.samples))[count:]
        pairs = [(step.samples[i], step.labels[i]) for i in sorted(own)] + [others[i] for i in random.permutation(len(others))[:count]]
        found.append(_told(replace(step, samples=tuple(s for s, _ in pairs), labels=tuple(k for _, k in pairs))))
    return tuple(found)


def _told(step: Step) -> Step:
    """Return the step, its experience told of the classes that are labelled in it."""
    if step.experience.task.kind == "regression":
        return step
    classes = np.unique(np.concatenate([np.unique(labels) for labels in step.labels]))
    return replace(step, experience=replace(step.experience, classes=tuple(int(c) for c in classes if c >= 0)))


def _any(labels: np.ndarray) -> bool:
    return bool(np.isfinite(labels).any() if labels.dtype.kind == "f" else (labels >= 0).any())
