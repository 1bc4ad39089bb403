"""Fits the metric anew beside the work when the memory has outgrown it: reads one version, takes no lock, hands over when done."""

import threading

import numpy as np

from parmesan_engine.errors import VersionError
from parmesan_engine.memory.reading import Reader
from parmesan_engine.project.fitting import fit_metric
from parmesan_engine.project.live import Fit, Live


class Upkeep:
    """The background fit of one project. Its methods are called under the project's lock, except `join`."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._fitter: threading.Thread | None = None
        self._tried = ""  # the version of the last such fit: each is tried once

    def join(self) -> None:
        """Wait for a fit under way; without the lock, which it takes to hand over."""
        if self._fitter is not None:
            self._fitter.join()

    def due(self, live: Live) -> bool:
        """Whether a fit is under way, or worth its time at a version where none was tried."""
        return self._fitting or (live.due and self._tried != live.memory.version)

    def start(self, live: Live) -> bool:
        """Start a fit if one is due; return whether one is under way."""
        if not self.due(live):
            return False
        if not self._fitting:
            self._tried = live.memory.version
            self._fitter = threading.Thread(target=self._fit, args=(live, live.memory.checkout(self._tried)), daemon=True)
            self._fitter.start()
        return True

    @property
    def _fitting(self) -> bool:
        return self._fitter is not None and self._fitter.is_alive()

    def _fit(self, live: Live, view: Reader) -> None:
        try:
            fit = Fit(fit_metric(view, live.groups, view.task), view.version, view.ids)
        except VersionError:  # what it was reading has been unlearned
            return
        with self._lock:
            if np.isin(fit.ids, live.memory.ids).all():  # else something was taken back meanwhile
                live.adopt(fit)
