"""The learning curve: how good the answers were after each step of the history, on the samples whose truth is known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from parmesan_engine.errors import EmptyMemoryError, VersionError
from parmesan_engine.memory import VersionRecord
from parmesan_engine.project.fitting import fit_metric
from parmesan_engine.project.project import Project
from parmesan_engine.project.scoring import Report, score_samples
from parmesan_engine.project.snapshot import Snapshot

POINTS = 12  # enough to see a curve; each costs a search of every sample


@dataclass(frozen=True)
class Point:
    """One version on the curve: when it was made, and its scores."""

    record: VersionRecord
    report: Report


def milestones(history: Sequence[VersionRecord], count: int = POINTS) -> list[VersionRecord]:
    """Return up to `count` versions with examples, by their number: the least, the newest, and evenly between by ratio.

    Versions of equal content are one version, and of several with equally many examples the latest counts.
    """
    latest = {record.entries: record for record in history if record.entries > 0}
    if not latest:
        return []
    newest, sizes = history[-1], np.array(sorted(latest))
    wanted = np.geomspace(sizes[0], sizes[-1], count)
    chosen = {int(sizes[np.abs(np.log(sizes / size)).argmin()]) for size in wanted}
    if newest.entries > 0:
        chosen = set(sorted(chosen)[-count:]) | {newest.entries}
    return [latest[size] for size in sorted(chosen)]


def as_it_was(project: Project, version: str) -> Snapshot | None:
    """Return a version with the metric in use where it is the present one, else with one fitted to that version alone.

    The metric in use has seen examples that came later: with it, an old version would look better than it was.
    None where all examples were switched off.
    """
    view = project.memory.checkout(version)
    if not len(view):
        return None
    if version == project.version:
        return project.snapshot()
    return Snapshot(view, fit_metric(view, project.live.groups, view.task), project.features)


def learning_curve(project: Project, *, unpainted: bool, known: Callable[[str], Report | None], keep: Callable[[Report], None],
                   count: int = POINTS, progress: Callable[[float], None] | None = None) -> list[Point]:
    """Return the scores of the milestones of the history, each with the metric that would have been fitted to it then.

    known: gives the report of a version that was scored before, else None; keep: takes each new one. A version that is unlearned
    meanwhile, or had all its examples switched off, is left out. Raises EmptyMemoryError without examples or without truth;
    progress may raise to cancel.
    """
    records = milestones(project.history(), count)
    if not records:
        raise EmptyMemoryError("a memory with examples", "an empty one", "label a few pixels first")
    points = []
    for number, record in enumerate(records):
        def step(part: float, start: int = number) -> None:
            if progress:
                progress((start + part) / len(records))

        step(0.0)
        report = known(record.version)
        if report is None:
            try:
                then = as_it_was(project, record.version)
                if then is None:
                    continue
                report = score_samples(project, then, unpainted=unpainted, progress=step)
            except VersionError:  # unlearned meanwhile: nobody may see its score any more
                continue
            keep(report)
        points.append(Point(record, report))
    return points
