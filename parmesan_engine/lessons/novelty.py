"""Lesson 4, in 2D: keep only what is new; and forget a person, exactly, who had made examples of another one superfluous."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from parmesan_engine.lessons.scene import ENCODER, SCENE, ask, crop, empty_memory, even_metric, examples, some_of_each
from parmesan_engine.memory import Memory
from parmesan_engine.metric import Metric
from parmesan_engine.predictor import Predictor
from parmesan_engine.synthetic import demo_task, make_2d
from parmesan_engine.types import FeaturePyramid, Sample, TaskSpec

SEED, BOX, STRIDE = 0, (slice(160, 256), slice(96, 192)), 2
EACH = 50  # examples of each class and person
CONFUSED, MISTAKES = (2, 1), 0.5  # Ben calls half of the nuclei stroma
ANA, BEN = "Ana", "Ben"
NOVELTIES = (0.0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3, 0.4)


@dataclass(frozen=True)
class Scene:
    """Tissue with its truth (h, w); lessons: for each person (n,) nodes and (n,) labels."""

    sample: Sample
    truth: np.ndarray
    task: TaskSpec
    pyramid: FeaturePyramid
    metric: Metric
    lessons: dict[str, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class State:
    """A memory and its answer. labels: (h, w); right: share that is; version: hash of the content.

    at: (n, 2) pixels of all examples; said: (n,) their labels; used: (n,) which are new enough to be used; back: (n,) which of them
    came into use by forgetting.
    """

    labels: np.ndarray
    right: float
    version: str
    at: np.ndarray
    said: np.ndarray
    used: np.ndarray
    back: np.ndarray


@cache
def scene() -> Scene:
    """Return the tissue and what two people said of it."""
    sample, truth = crop(*make_2d(SEED), BOX)
    pyramid = ENCODER.encode(sample, stride=STRIDE)
    flat, rng = truth[::STRIDE, ::STRIDE].ravel().astype(np.int64), np.random.default_rng(SEED + 1)
    both = some_of_each(rng, flat, (2 * EACH,) * 3).reshape(3, 2, EACH)
    ana, ben = (np.sort(both[:, person].ravel()) for person in (0, 1))
    said, (nucleus, stroma) = flat[ben].copy(), CONFUSED
    said[(said == nucleus) & (rng.random(len(said)) < MISTAKES)] = stroma
    metric = even_metric(pyramid.levels[0].keys.numpy())
    return Scene(sample, truth, demo_task(2), pyramid, metric, {ANA: (ana, flat[ana]), BEN: (ben, said)})


def taught(novelty: float, *people: str) -> Memory:
    """Return the memory that these people have taught."""
    given = scene()
    memory = empty_memory(given.pyramid, given.task, novelty)
    for person in people:
        memory.add([examples(given.pyramid, *given.lessons[person], given.task, person)])
    return memory


@cache
def story(novelty: float) -> tuple[State, State, State]:
    """Return the memory of both people, the same after Ben was forgotten, and one that never heard of Ben."""
    given = scene()
    memory = taught(novelty, ANA, BEN)
    predictor = ask(memory, given.pyramid, given.metric, given.task)
    together = _state(memory, predictor)
    change, _ = memory.unlearn(memory.select(author=BEN, removed=True))
    predictor.apply(change)
    forgotten = _state(memory, predictor, change.added)
    alone = taught(novelty, ANA)
    return together, forgotten, _state(alone, ask(alone, given.pyramid, given.metric, given.task))


def _state(memory: Memory, predictor: Predictor, back: tuple[int, ...] | np.ndarray = ()) -> State:
    answer, ids = predictor.predict(SCENE), memory.select()
    right = float((answer.labels == scene().truth).mean())
    said = memory.answers(ids).astype(np.int64)
    return State(answer.labels, right, answer.version, memory.coordinates(ids), said, np.isin(ids, memory.ids), np.isin(ids, back))
