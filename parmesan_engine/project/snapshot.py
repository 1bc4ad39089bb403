"""One version of a project, read without its lock: what background work predicts from while people go on painting."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from parmesan_engine.errors import EmptyMemoryError
from parmesan_engine.memory.reading import Reader
from parmesan_engine.metric import Metric
from parmesan_engine.predictor import EXACT, Predictor, SampleState
from parmesan_engine.project.features import FeatureCache
from parmesan_engine.project.holding import hold, visit
from parmesan_engine.resample import Box
from parmesan_engine.types import Prediction, Sample, TaskSpec

HELD_STATES = 2  # samples kept ready: one is looked at, one is compared


class Snapshot:
    """Predicts the samples of a project from one version of its memory under one metric. For one thread.

    Predictions equal those of the project at that version, exact search provided: an approximate index is not made for it.
    Raises EmptyMemoryError from a version without examples, VersionError once examples of the project have been unlearned: what
    it still holds of them must not be seen any more.
    """

    def __init__(self, view: Reader, metric: Metric, features: FeatureCache, index: dict[str, Any] = EXACT) -> None:
        if len(view) == 0:
            raise EmptyMemoryError("a version with examples", f"{view.version[:8]}, which has none", "label a few pixels first")
        self.features = features
        self.predictor = Predictor(features.encoder, view, metric, task=view.task, device=features.encoder.device,
                                   index=index)

    @property
    def version(self) -> str:
        return self.predictor.version

    @property
    def task(self) -> TaskSpec:
        return self.predictor.task

    def state(self, sample_id: str, progress: Callable[[float], None] | None = None) -> SampleState:
        """Return a sample held ready: its features, neighbours and votes. Raises UnknownNameError, VersionError."""
        self.check()
        return hold(self.predictor, self.features, sample_id, at_most=HELD_STATES, progress=progress)

    def visiting(self, sample: Sample) -> AbstractContextManager[str]:
        """Hold a sample ready that is not of the project; gives the name under which it is held. Raises VersionError, ShapeError."""
        self.check()
        return visit(self.predictor, sample, self.features.channels)

    def check(self) -> None:
        """Raise VersionError when examples have been unlearned since."""
        self.predictor.memory.check()

    def predict(self, sample_id: str, *, box: Box | None = None, progress: Callable[[float], None] | None = None) -> Prediction:
        """Return the prediction of a sample of the project, or of a box of it. Raises UnknownNameError, VersionError, ShapeError."""
        self.state(sample_id, progress)
        return self.predictor.predict(sample_id, box=box)

    def overview(self, sample_id: str, progress: Callable[[float], None] | None = None) -> Prediction:
        """Return the prediction of a sample with one value per node of its finest grid."""
        self.state(sample_id, progress)
        return self.predictor.overview(sample_id)
