"""Samples held ready in a predictor: those of a project, a few at a time, and visitors for as long as they are looked at."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from parmesan_engine.predictor import Predictor, SampleState
from parmesan_engine.project.features import FeatureCache, adapt
from parmesan_engine.types import Sample

Progress = Callable[[float], None] | None


def hold(predictor: Predictor, features: FeatureCache, sample_id: str, *, at_most: int, progress: Progress = None) -> SampleState:
    """Return a sample of the project held ready, made so if it was not; of more than `at_most` the first one made goes.

    Raises UnknownNameError, EmptyMemoryError.
    """
    states = predictor.states
    if sample_id not in states:
        notes = features.sample(sample_id).notes
        predictor.set_pyramid(sample_id, features.get(sample_id, progress), progress=progress, notes=notes)
        while len(states) > at_most:
            states.pop(next(iter(states)))
    return states[sample_id]


@contextmanager
def visit(predictor: Predictor, sample: Sample, channels: int, progress: Progress = None) -> Iterator[str]:
    """Hold a sample ready that is not of the project, brought to its channels; yield the name under which it is held.

    Raises ShapeError, EmptyMemoryError.
    """
    name = f"visiting {sample.content_hash}"
    predictor.set_sample(name, adapt(sample, channels), progress=progress)
    try:
        yield name
    finally:
        del predictor.states[name]
