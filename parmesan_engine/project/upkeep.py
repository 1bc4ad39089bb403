"""Work beside the work: a new metric when the memory has outgrown it, then a new approximate index when that is worth it.

Each reads one state, takes no lock meanwhile, and hands over when it is done.
"""

import logging
import threading
import weakref
from collections.abc import Callable

import numpy as np

from parmesan_engine.errors import VersionError
from parmesan_engine.jobs import StoppedError
from parmesan_engine.memory.reading import Reader
from parmesan_engine.predictor import Predictor
from parmesan_engine.project.fitting import fit_metric
from parmesan_engine.project.live import Fit, Live

log = logging.getLogger(__name__)
WAIT_SECONDS = 0.2  # between two looks whether to wait on


class Upkeep:
    """The background work of one project, one thing at a time. Called under the project's lock, except `join` and `make_index`."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._worker: threading.Thread | None = None
        self._making = threading.Lock()  # held while an index is made, whoever asked for it: never two at a time
        self._tried = ""  # the version of the last such fit: each is tried once
        self._failed: Callable[[], Predictor | None] = lambda: None  # whose index could not be made: tried once, it searches on as it is

    def join(self) -> None:
        """Wait for work under way; without the lock, which it takes to hand over."""
        if self._worker is not None:
            self._worker.join()

    def due(self, live: Live) -> bool:
        """Whether something is under way, or worth its time: a fit at a version where none was tried, or an index."""
        return self._working or self._fit_due(live) or self.index_due(live)

    def index_due(self, live: Live) -> bool:
        """Whether an approximate index is to be made, or is being made, of what is searched now."""
        return live.index_due and not live.uses(self._failed())

    def start(self, live: Live) -> bool:
        """Start what is due, a fit first; return whether something is under way."""
        if not self.due(live):
            return False
        if not self._working:
            if self._fit_due(live):
                self._tried = live.memory.version
                work = self._fit, (live, live.memory.checkout(self._tried))
            else:
                work = self._index, (live,)
            self._worker = threading.Thread(target=work[0], args=work[1], daemon=True)
            self._worker.start()
        return True

    def make_index(self, live: Live, progress: Callable[[float], None] | None = None) -> None:
        """Make the index that is due, on this thread and without the project's lock; one that is being made is waited for.

        progress may raise to stop it. Raises MemoryError or RuntimeError where it cannot be made.
        """
        report = progress or (lambda fraction: None)
        while not self._making.acquire(timeout=WAIT_SECONDS):
            report(0.0)
        try:
            with self._lock:
                if not self.index_due(live):
                    return
                predictor = live.predictor()
                make = predictor.index_maker()
            try:
                index = make(report)
            except StoppedError:
                raise
            except (MemoryError, RuntimeError):
                with self._lock:
                    self._failed = weakref.ref(predictor)
                raise
            with self._lock:
                if live.uses(predictor):  # else the metric, and with it all keys, changed meanwhile
                    predictor.adopt(index)
        finally:
            self._making.release()

    @property
    def _working(self) -> bool:
        return self._worker is not None and self._worker.is_alive()

    def _fit_due(self, live: Live) -> bool:
        return live.due and self._tried != live.memory.version

    def _fit(self, live: Live, view: Reader) -> None:
        try:
            fit = Fit(fit_metric(view, live.groups, view.task), view.version, view.ids)
        except VersionError:  # what it was reading has been unlearned
            return
        with self._lock:
            if np.isin(fit.ids, live.memory.ids).all():  # else something was taken back meanwhile
                live.adopt(fit)

    def _index(self, live: Live) -> None:
        try:
            self.make_index(live)
        except (MemoryError, RuntimeError) as error:  # no room; torch and Faiss say so by a RuntimeError
            log.warning("an approximate index could not be made, search stays as it is: %s", error)
