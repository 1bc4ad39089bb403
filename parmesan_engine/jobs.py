"""Work beside the page: jobs in threads, with progress, a word on what is being done, and cancel. Knows nothing of the work itself.

    jobs = Jobs()
    job = jobs.start("export cells", lambda job: export(project, progress=job.report))
    job.state, job.fraction, job.text          # at any time, from any thread
    job.cancel()                               # the next `report` inside the work raises StoppedError
"""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from parmesan_engine.errors import ParmesanError

WORKERS = 2  # a long job must not hold up a short one; more would only take cores from the strokes
KEPT = 64  # finished jobs that are remembered, with their results


class StoppedError(ParmesanError, RuntimeError):
    """The work was cancelled by the one who asked for it."""

    def __init__(self) -> None:
        super().__init__("work that runs to its end", "a request to cancel", "start it again when it is wanted")

    def __reduce__(self):
        return type(self), ()


class Job:
    """One piece of work. States: waiting, running, done, failed, cancelled; the last three are final."""

    def __init__(self, key: str, text: str) -> None:
        self.key, self.text, self.fraction = key, text, 0.0
        self._cancel = threading.Event()
        self._future: Future | None = None

    def report(self, fraction: float, text: str = "") -> None:
        """Say how far the work is, 0 to 1, and what it does now. Called by the work; raises StoppedError once it was cancelled."""
        if self._cancel.is_set():
            raise StoppedError
        self.fraction = min(max(float(fraction), 0.0), 1.0)
        self.text = text or self.text

    def part(self, start: float, stop: float, text: str = "") -> Callable[[float], None]:
        """Return a progress callback for one part of the work: its 0 to 1 is [start, stop] of the whole."""
        return lambda fraction: self.report(start + (stop - start) * fraction, text)

    def cancel(self) -> None:
        """Ask the work to stop at its next report; work that still waits never starts."""
        self._cancel.set()
        self._future.cancel()

    def wait(self, seconds: float | None = None) -> "Job":
        """Wait until the job is final and return it. Raises TimeoutError after `seconds`."""
        with suppress(CancelledError):
            self._future.exception(seconds)
        return self

    @property
    def active(self) -> bool:
        return not self._future.done()

    @property
    def state(self) -> str:
        if not self._future.done():
            return "running" if self._future.running() else "waiting"
        if self._future.cancelled() or isinstance(self._future.exception(), StoppedError):
            return "cancelled"
        return "failed" if self._future.exception() else "done"

    @property
    def error(self) -> BaseException | None:
        """What the work raised, None unless the state is failed."""
        return self._future.exception() if self.state == "failed" else None

    @property
    def result(self) -> Any:
        """What the work returned, None unless the state is done."""
        return self._future.result() if self.state == "done" else None


class Jobs:
    """Runs jobs in a few threads and remembers the last one of each key. Thread-safe."""

    def __init__(self, workers: int = WORKERS) -> None:
        self._pool = ThreadPoolExecutor(workers, "job")
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def start(self, key: str, work: Callable[[Job], Any], *, text: str = "") -> Job:
        """Start `work(job)` and return its job; while one of the same key is active, return that one instead."""
        with self._lock:
            known = self._jobs.pop(key, None)
            job = known if known is not None and known.active else Job(key, text)
            if job is not known:
                job._future = self._pool.submit(work, job)
            self._jobs[key] = job  # the newest is last
            finished = [name for name, other in self._jobs.items() if not other.active]
            for name in finished[:-KEPT]:
                del self._jobs[name]
            return job

    def get(self, key: str) -> Job | None:
        """Return the last job of a key, None when there is none."""
        with self._lock:
            return self._jobs.get(key)

    def active(self) -> list[Job]:
        """Return the jobs that wait or run, oldest first."""
        with self._lock:
            return [job for job in self._jobs.values() if job.active]

    def drop(self, key: str) -> None:
        """Cancel the job of a key and forget it with its result."""
        with self._lock:
            job = self._jobs.pop(key, None)
        if job is not None:
            job.cancel()

    def close(self) -> None:
        """Cancel everything and wait until the threads are done. No job can be started afterwards."""
        for job in self.active():
            job.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)
