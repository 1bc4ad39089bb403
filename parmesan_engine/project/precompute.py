"""What is known of every sample, computed beside the work: features, then class fractions and doubt of one version.

    survey = Survey(project)
    survey.run(ids, progress=job.report)     # in a job; cancel by raising in progress
    survey.standing(sample_id)               # what was found last, at whatever version
    survey.behind(ids)                       # which of them are not of the present version

Never holds the project's lock while it encodes or searches, and stands back while somebody paints.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from parmesan_engine.errors import EmptyMemoryError, UnknownNameError, VersionError
from parmesan_engine.insight import Suggestion, suggest
from parmesan_engine.project.project import Project
from parmesan_engine.types import Prediction

QUIET_SECONDS = 2.0  # without a change of the memory: people pause between strokes for about as long
NAP_SECONDS = 0.1
Report = Callable[[float, str], None]


@dataclass(frozen=True)
class Standing:
    """A sample under one version of the memory.

    fractions: share of each class, then of "unknown" (values: of what is known, then of "unknown"); middle: the median value, None
    for classes; doubt: the mean over the sample of how much its nearest examples disagree, or how new it is, whichever is more.
    """

    version: str
    metric: str
    fractions: tuple[float, ...]
    middle: float | None
    doubt: float


def standing_of(prediction: Prediction) -> Standing:
    """Return what a prediction, or an overview, says of its whole sample."""
    doubt = float(np.maximum(prediction.conflict, prediction.novelty).mean(dtype=np.float64))
    if prediction.labels is not None:
        counts = np.bincount(prediction.labels.ravel().astype(np.int64) + 1, minlength=len(prediction.task.classes) + 1)
        shares = np.roll(counts, -1) / prediction.labels.size
        return Standing(prediction.version, prediction.metric, tuple(shares.tolist()), None, doubt)
    known = prediction.values[np.isfinite(prediction.values)]
    share = known.size / prediction.values.size
    return Standing(prediction.version, prediction.metric, (share, 1 - share), float(np.median(known)) if known.size else None, doubt)


class Survey:
    """The standings of the samples of one project. Thread-safe; one survey serves all sessions."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._standings: dict[str, Standing] = {}
        self._places: dict[str, Suggestion] = {}
        self._encoded: set[str] = set()  # once is enough: a cache that is too small for all of them forgets some again
        self._examples: tuple[str, dict[str, int]] = ("", {})
        self._lock = threading.Lock()

    def standing(self, sample_id: str) -> Standing | None:
        """Return what was found last, None when nothing was."""
        with self._lock:
            return self._standings.get(sample_id)

    def place(self, sample_id: str) -> Suggestion | None:
        """Return the place of a sample most worth a label, as found last; None when it was not looked for or nothing is left."""
        with self._lock:
            return self._places.get(sample_id)

    def put(self, sample_id: str, prediction: Prediction, place: Suggestion | None = None) -> None:
        """Take up a prediction that is at hand anyway, such as that of the sample that is shown."""
        standing = standing_of(prediction)
        with self._lock:
            self._standings[sample_id] = standing
            self._places.pop(sample_id, None)
            if place is not None:
                self._places[sample_id] = place

    def examples(self) -> dict[str, int]:
        """Return how many examples each sample has now; those without any are left out."""
        version = self.project.version
        if version and self._examples[0] != version:
            columns = self.project.memory.columns()
            codes, counts = np.unique(columns.sample, return_counts=True)
            self._examples = version, {columns.names[c]: n for c, n in zip(codes.tolist(), counts.tolist(), strict=True)}
        return self._examples[1] if version else {}

    def behind(self, ids: Sequence[str]) -> list[str]:
        """Return those of the samples whose standing is not of the present version and metric.

        While there is nothing to predict from: those whose features were never made. Features that the cache has let go are no
        reason: they are made again when they are needed, and a cache that cannot hold all samples would never be done.
        """
        now = self._now()
        with self._lock:
            known, encoded = {i: (s.version, s.metric) for i, s in self._standings.items()}, set(self._encoded)
        if now:
            return [i for i in ids if known.get(i) != now]
        return [i for i in ids if i not in encoded and not (self.project.features and self.project.features.ready(i))]

    def resting(self) -> bool:
        """Whether nobody has changed the memory for a moment."""
        history = self.project.history()
        return not history or time.time() - history[-1].time > QUIET_SECONDS

    def run(self, ids: Sequence[str], progress: Report) -> None:
        """Bring samples up to the present version. progress(fraction, text) may raise to cancel: what was found until then stays.

        A sample that is removed meanwhile is passed over; when examples are unlearned meanwhile the rest is left to the next run.
        """
        ids, names = self.behind(ids), {record.id: record.name for record in self.project.samples()}
        snapshot = None
        for number, sample_id in enumerate(ids):
            text = f"Preparing {names.get(sample_id, 'a sample')} ({number + 1} of {len(ids)})"

            def step(part: float, start: int = number, text: str = text) -> None:
                progress((start + part) / len(ids), text)
                self._stand_back(lambda: progress((start + part) / len(ids), text))

            try:
                self.project.features.get(sample_id, progress=lambda part, step=step: step(0.6 * part))
                with self._lock:
                    self._encoded.add(sample_id)
                if len(self.project):
                    snapshot = snapshot or self.project.snapshot()
                    overview = snapshot.overview(sample_id, progress=lambda part, step=step: step(0.6 + 0.4 * part))
                    self.put(sample_id, overview, next(iter(suggest(snapshot.predictor, sample_id)), None))
                    snapshot.predictor.states.clear()  # one sample at a time: a volume's state is large
            except UnknownNameError:
                continue
            except (VersionError, EmptyMemoryError):
                return
        progress(1.0, "All samples are prepared")

    def _stand_back(self, still_wanted: Callable[[], None]) -> None:
        """Wait while somebody paints; a stroke has the machine to itself."""
        while not self.resting():
            still_wanted()
            time.sleep(NAP_SECONDS)

    def _now(self) -> tuple[str, str] | None:
        """Return version and metric of the present, None from an empty memory."""
        if not len(self.project):
            return None
        return self.project.version, self.project.metric_state()["id"]
