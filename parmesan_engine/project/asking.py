"""Questions about a whole project: what examples decide and what would be without them, where to label next, what contradicts.

Answered from a snapshot, beside the work; nothing is committed. `progress` gets 0 to 1 and may raise to cancel.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from parmesan_engine import insight
from parmesan_engine.errors import EmptyMemoryError, FormatError, UnknownNameError
from parmesan_engine.insight import Audit, Difference, Suggestion
from parmesan_engine.memory.reading import Reader
from parmesan_engine.metric import Metric
from parmesan_engine.project.fitting import fit_metric
from parmesan_engine.project.project import Project
from parmesan_engine.project.snapshot import Snapshot
from parmesan_engine.resample import Box, to_pixels
from parmesan_engine.types import Prediction

PER_SAMPLE = 3  # places offered of one sample before another gets its turn
HALF = 0.5  # share of the vote from which examples decide a place
Progress = Callable[[float], None] | None


@dataclass(frozen=True)
class SampleReach:
    """What some examples do in one sample. share: mean share of the vote they hold; decided: share of the sample where they hold
    more than half of it; difference: what would change without them, with one place per node."""

    sample_id: str
    share: float
    decided: float
    difference: Difference


@dataclass(frozen=True)
class Reach:
    """samples: the most changed first; entries: examples asked about; returning: examples that they had painted over, which would
    come back; refitted: whether the metric would be fitted anew, as it is in `samples`; version: of the memory asked."""

    samples: tuple[SampleReach, ...]
    entries: int
    returning: int
    refitted: bool
    version: str


def choose(project: Project, *, ids: np.ndarray | None = None, **conditions: str | None) -> np.ndarray:
    """Return the ids of the examples that meet all conditions: source, sample, author, gesture. Raises FormatError without any,
    UnknownNameError when there are none."""
    given = {name: value for name, value in conditions.items() if value is not None}
    if not given and ids is None:
        raise FormatError("a stroke, source, sample, author or ids to ask about", "nothing", "say which examples")
    if project.memory is None:
        raise EmptyMemoryError("a project with a sample", "an empty project", "import a sample first")
    chosen = project.memory.select(**given)
    if ids is not None:
        chosen = np.intersect1d(chosen, ids)
    if len(chosen) == 0:
        wanted = ", ".join(f"{name} {value}" for name, value in given.items()) or "these ids"
        raise UnknownNameError("examples of this project", f"none with {wanted}", "look at what there is: names must be exact")
    return chosen


def reach(project: Project, ids: np.ndarray, *, samples: Sequence[str] | None = None, progress: Progress = None) -> Reach:
    """Return all that examples `ids` decide, and what removing them would change: exactly what predicting after it would give.

    samples: which ones to look at, all when None. Raises EmptyMemoryError, UnknownNameError.
    """
    with project.lock:
        before = project.snapshot()
        returning = project.memory.displaced_by(ids)
        view = before.predictor.memory.without(ids, returning)
        metric = project.live.metric_after(view, ids)
    after = _after(project, before, view, metric, progress and (lambda f: progress(0.2 * f)))
    chosen = list(samples) if samples is not None else [record.id for record in project.samples()]
    found = []
    for number, sample_id in enumerate(chosen):
        before.state(sample_id, progress and (lambda _, at=number: progress(0.2 + 0.8 * at / len(chosen))))  # held from here on
        share = insight.reach(before.predictor, sample_id, ids)
        changed = insight.difference(before.overview(sample_id), after(sample_id))
        found.append(SampleReach(sample_id, float(share.mean()), float((share > HALF).float().mean()), changed))
        if progress:
            progress(0.2 + 0.8 * (number + 1) / len(chosen))
    found.sort(key=lambda one: (-one.difference.changed / one.difference.total, -one.share))
    return Reach(tuple(found), len(ids), len(returning), metric is None, before.version)


def _after(project: Project, before: Snapshot, view: Reader, metric: Metric | None,
           progress: Progress) -> Callable[[str], Prediction | None]:
    """Return what predicts a sample, node by node, from an imagined version; None from one without examples."""
    if len(view) == 0:
        return lambda _: None
    if metric is not None and metric.id == before.predictor.metric.id:
        return lambda sample_id: insight.imagine(before.predictor, view, [sample_id]).overview(sample_id)
    metric = metric or fit_metric(view, project.live.groups, view.task, progress=progress)
    return Snapshot(view, metric, project.features).overview


def next_places(project: Project, *, count: int = 8, samples: Sequence[str] | None = None,
                passed: dict[str, list[tuple[int, ...]]] | None = None, progress: Progress = None) -> list[Suggestion]:
    """Return up to `count` places whose label would help most, the best first, spread over samples and over what is alike.

    passed: sample id -> pixels that were offered before and left. Raises EmptyMemoryError, LimitError.
    """
    snapshot, found = project.snapshot(), []
    chosen = list(samples) if samples is not None else [record.id for record in project.samples()]
    for number, sample_id in enumerate(chosen):
        snapshot.state(sample_id, progress and (lambda _, at=number: progress(at / len(chosen))))
        left = np.asarray((passed or {}).get(sample_id, ()), int)
        found += insight.suggest(snapshot.predictor, sample_id, count=min(count, PER_SAMPLE) if len(chosen) > 1 else count, passed=left)
        if progress:
            progress((number + 1) / len(chosen))
    return insight.spread_out(snapshot.predictor, found)[:count]


def next_here(project: Project, sample_id: str, *, count: int = 1, passed: Sequence[tuple[int, ...]] = ()) -> list[Suggestion]:
    """Return the places of one sample worth a label, from what is held of it: at once if the sample is being looked at."""
    with project.lock:
        return insight.suggest(project.live.ready(sample_id), sample_id, count=count, passed=np.asarray(passed, int))


def audit(project: Project, *, progress: Progress = None) -> Audit:
    """Return which examples the others contradict and which strokes they could replace. Raises EmptyMemoryError."""
    return insight.audit(project.snapshot().predictor, progress)


def reach_map(project: Project, sample_id: str, ids: np.ndarray, *, box: Box | None = None) -> np.ndarray:
    """Return (*spatial) float32, of a box if given: the share, 0 to 1, of each place's vote that examples `ids` hold.

    Raises EmptyMemoryError, UnknownNameError.
    """
    with project.lock:
        predictor = project.live.ready(sample_id)
        share, pyramid = insight.reach(predictor, sample_id, ids), predictor.states[sample_id].pyramid
    return to_pixels(share[:, None], pyramid.levels[0], pyramid.spatial_shape, box)[0].numpy(force=True)


def reach_share(project: Project, sample_id: str, ids: np.ndarray) -> tuple[float, float]:
    """Return (mean share of the vote that examples `ids` hold in a sample, share of the sample where they hold more than half)."""
    with project.lock:
        share = insight.reach(project.live.ready(sample_id), sample_id, ids)
    return float(share.mean()), float((share > HALF).float().mean())


def last_change(project: Project, sample_id: str, *, seq: int | None = None, box: Box | None = None) -> Difference:
    """Return what the newest change of the memory, or that with number `seq`, changed in a sample or in a box of it.

    Both sides under the present metric. Raises EmptyMemoryError when both are without examples, VersionError, UnknownNameError.
    """
    with project.lock:
        history = project.history()
        newest = next((n for n, record in enumerate(history) if record.seq == seq), len(history) - 1)

        def predicted(number: int) -> Prediction | None:
            if number < 0:
                return None
            try:
                return project.predict(sample_id, version=history[number].version, box=box)
            except EmptyMemoryError:  # without examples, or all of them switched off
                return None

        after, before = predicted(newest), predicted(newest - 1)
    if before is None and after is None:
        raise EmptyMemoryError("a version with examples", "two without", "label a few pixels first")
    return insight.difference(before, after)
