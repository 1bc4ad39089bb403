"""What a project keeps ready in memory: encoded samples, the metric, and a predictor that follows the memory.

The metric is a function of the entries it was fitted from. It is fitted again when entries that it saw are forgotten (so that
forgetting is exact), when a small memory has grown much, and when asked; `due` says that a large one has grown much. A version
seen before gets back the metric it had, so that taking a gesture back brings the old picture back. Between fits it stays: a
stroke changes only what is near it, painting over examples included.
"""

import logging
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from parmesan_engine.errors import EmptyMemoryError
from parmesan_engine.insight import Explanation, explain, imagine
from parmesan_engine.memory import Memory
from parmesan_engine.memory.history import standing
from parmesan_engine.memory.reading import Reader
from parmesan_engine.metric import Metric
from parmesan_engine.predictor import Predictor
from parmesan_engine.project.features import FeatureCache
from parmesan_engine.project.fitting import fit_metric, let_go
from parmesan_engine.project.holding import Progress, hold, visit
from parmesan_engine.resample import Box
from parmesan_engine.types import MemoryDelta, Prediction, Sample

log = logging.getLogger(__name__)
HELD_STATES = 3  # samples that follow each gesture; others are searched again when looked at
KNOWN_FITS = 64  # versions whose metric is known; most share one fit, a fit of a million entries holds 8 MB
REFIT_GROWTH = 1.5  # a gesture refits the metric when the memory has grown this much since the fit ...
REFIT_SMALL = 300  # ... at once while it is no larger than this: a tenth of a second; later when there is time (see `due`)
PAINTING = {"add", "modify", "set_task", "merge", "switch", "consolidate"}  # verbs that may replace entries, but take none back


@dataclass(frozen=True)
class Fit:
    """A metric, the version it was fitted on, and the entries that it saw."""

    metric: Metric
    fitted_on: str
    ids: np.ndarray


class Live:
    """Follows one memory. Not thread-safe: the project locks around it."""

    def __init__(self, memory: Memory, features: FeatureCache, spatial_dims: int, device: str, index: dict[str, Any]) -> None:
        self.encoder, self.memory, self.features = features.encoder, memory, features
        self.sample_channels, self.device, self.index = features.channels, device, index
        self._spatial_dims = spatial_dims
        self._predictor: Predictor | None = None
        self._fit: Fit | None = None
        self._fits: OrderedDict[str, Fit] = OrderedDict()  # by the version at which they were in use
        self._old: tuple[str, Predictor] | None = None

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The encoder's name of each feature. Not asked before it is needed: history and forgetting go without a model that is missing."""
        return self.encoder.groups_of(self.sample_channels, self._spatial_dims)

    @property
    def fitted_on(self) -> str:
        """The version that the metric in use was fitted on; empty before the first fit."""
        return self._fit.fitted_on if self._fit else ""

    def predictor(self, progress: Progress = None) -> Predictor:
        """Return the predictor of the current version; fits a metric if there is none. Raises EmptyMemoryError."""
        if self._predictor is None:
            known = self._fits.get(self.memory.version)
            if known:
                self.adopt(known)
            else:
                self._use(self._stored_fit() or self._new_fit(progress))
                if self.due:
                    self.refit(progress)
        return self._predictor

    def ready(self, sample_id: str, version: str | None = None, progress: Progress = None) -> Predictor:
        """Return a predictor that holds the sample ready: of the present memory, or of an older version under the present metric."""
        predictor = self.predictor(progress) if version is None else self.past(version, sample_id)
        hold(predictor, self.features, sample_id, at_most=HELD_STATES, progress=progress)
        return predictor

    def predict(self, sample_id: str, version: str | None, box: Box | None, progress: Progress) -> Prediction:
        """Return the prediction of a sample or of a box of it, made ready if it was not."""
        return self.ready(sample_id, version, progress).predict(sample_id, box=box)

    def overview(self, sample_id: str, version: str | None, progress: Progress) -> Prediction:
        """Return the prediction of a sample with one value per node."""
        return self.ready(sample_id, version, progress).overview(sample_id)

    def past(self, version: str, sample_id: str = "") -> Predictor:
        """Return the predictor of an older version under the present metric. Raises EmptyMemoryError, VersionError.

        From one older version to the next, and for a sample that is held now, only what the versions differ in is searched.
        """
        metric = self.predictor().metric if len(self.memory) else None  # an empty memory has none: then that of the version itself
        held = self._predictor is not None and sample_id in self._predictor.states
        at, old = self._old or ("", None)
        if old and ((metric and old.metric.id != metric.id) or (held and sample_id not in old.states)):
            old = None
        if old and at == version:
            return old
        view = self.memory.checkout(version)
        if len(view) == 0:
            raise EmptyMemoryError("a version with examples", f"{version[:8]}, which has none", "choose a later one")
        self._old = None  # should this be stopped half way
        if old and metric and old.task == self.memory.task:
            old.switch(view)
        elif held and self._predictor.task == self.memory.task:
            old = imagine(self._predictor, view, [sample_id])
        else:
            old = self._new(view, metric or fit_metric(view, self.groups, view.task))
        self._old = version, old
        return old

    def metric_after(self, view: Reader, removed: np.ndarray) -> Metric | None:
        """Return the metric that would be in use once removing entries has made the version `view`; None: it would be fitted anew."""
        metric, known = self.predictor().metric, self._fits.get(view.version)
        if known and known.metric.id != metric.id:
            return known.metric
        return None if np.isin(removed, self._fit.ids).any() else metric

    def predict_once(self, sample: Sample, progress: Progress = None) -> Prediction:
        """Return the prediction of a sample that is not kept."""
        with visit(self.predictor(), sample, self.sample_channels, progress) as name:
            return self.predictor().predict(name)

    def explain_once(self, sample: Sample, at: tuple[int, ...], top: int) -> Explanation:
        """Return the explanation of one pixel of a sample that is not kept."""
        with visit(self.predictor(), sample, self.sample_channels) as name:
            return explain(self.predictor(), name, at, top=top)

    def follow(self, delta: MemoryDelta) -> None:
        """Take up a change of the memory: live where the metric stands, anew where it must be fitted again."""
        versions = {record.version for record in self.memory.history()}
        if delta.verb == "unlearn" or (self._fit and self._fit.fitted_on not in versions):
            self._fits = OrderedDict((v, f) for v, f in self._fits.items() if {v, f.fitted_on} <= versions)
            self._old = None
            let_go(self.memory)
        if self._predictor is None:
            return
        known = self._fits.get(self.memory.version)
        purged = self._fit.fitted_on not in versions  # by this process or another: their versions have left the history
        taken_back = known is None and self._done_since(self._predictor.version) - {"add", "consolidate"}  # one seen before has its metric
        forgotten = purged or (taken_back and np.isin(delta.removed, self._fit.ids).any())
        if len(self.memory) == 0:
            self._predictor = None
        elif known and known.metric.id != self._fit.metric.id:
            self.adopt(known)
        elif forgotten or (self.due and len(self.memory) <= REFIT_SMALL):
            self.refit()
        elif self.memory.task.label_dim < self._predictor.task.label_dim:
            self._use(self._fit)
        else:
            self._predictor.set_task(self.memory.task)
            self._predictor.apply(delta)
            self._remember(self._fit)
        if self._old and self._old[1].task != self.memory.task:
            self._old = None

    @property
    def due(self) -> bool:
        """Whether the memory has grown so much since the fit that a new one would be worth its time."""
        return self._predictor is not None and len(self.memory) > REFIT_GROWTH * len(self._fit.ids)

    @property
    def index_due(self) -> bool:
        """Whether an approximate index would be worth making anew."""
        return self._predictor is not None and self._predictor.index_due

    def uses(self, predictor: Predictor) -> bool:
        """Whether a predictor is the one in use."""
        return self._predictor is predictor

    def search_by(self, index: dict[str, Any]) -> None:
        """Search by another index, given by its recipe, from now on."""
        self.index, self._old = index, None
        if self._predictor is not None:
            self._use(self._fit)

    def adopt(self, fit: Fit) -> None:
        """Start again with a metric that was fitted elsewhere or before."""
        self._use(fit)
        self.memory.save_metric(fit.metric.to_bytes(), fitted_on=fit.fitted_on)

    def refit(self, progress: Progress = None) -> None:
        """Fit the metric to the present entries and start again with it. Raises EmptyMemoryError."""
        fit = self._new_fit(progress)
        if self._predictor is None or fit.metric.id != self._predictor.metric.id or self._predictor.version != self.memory.version:
            self._use(fit)

    def forget_sample(self, sample_id: str) -> None:
        """Drop what is held of a sample."""
        self.features.drop(sample_id)
        self._old = None
        if self._predictor:
            self._predictor.states.pop(sample_id, None)

    def _stored_fit(self) -> Fit | None:
        """Return the fit on disk; None when there is none, or when entries that it saw were taken back or switched off since."""
        stored = self.memory.load_metric()
        if stored is None:
            return None
        fit = Fit(Metric.from_bytes(stored[0]), stored[1], self.memory.checkout(stored[1]).ids)
        if fit.metric.features != len(self.groups):
            return None
        taken_back = self._done_since(fit.fitted_on) - PAINTING
        stored = self.memory.is_stored(fit.ids)
        switched_off = stored & (self.memory.weights(fit.ids) == 0)
        return None if switched_off.any() or (taken_back and not stored.all()) else fit

    def _done_since(self, version: str) -> set[str]:
        """Return the verbs that stand since a version was the newest, whoever used them; all of them if it has left the history."""
        history = self.memory.history()
        return standing(history, max((n for n, record in enumerate(history) if record.version == version), default=-1) + 1)

    def _new_fit(self, progress: Progress) -> Fit:
        if len(self.memory) == 0:
            raise EmptyMemoryError("a memory with examples", "an empty one", "label a few pixels first")
        metric = fit_metric(self.memory, self.groups, self.memory.task, progress=progress)
        fit = Fit(metric, self.memory.version, self.memory.ids)
        self.memory.save_metric(metric.to_bytes(), fitted_on=fit.fitted_on)
        log.info("metric %s fitted on %d entries, score %.3f", metric.id, len(fit.ids), metric.score)
        self._remember(fit)
        return fit

    def _use(self, fit: Fit) -> None:
        """Start again with a metric: index, votes and held samples are made anew."""
        self._predictor = self._new(self.memory, fit.metric)
        self._remember(fit)

    def _remember(self, fit: Fit) -> None:
        """Note the metric in use at the present version."""
        self._fit = self._fits[self.memory.version] = fit
        self._fits.move_to_end(self.memory.version)
        while len(self._fits) > KNOWN_FITS:
            self._fits.popitem(last=False)

    def _new(self, memory: Reader, metric: Metric) -> Predictor:
        return Predictor(self.encoder, memory, metric, task=self.memory.task, device=self.device, index=self.index)
