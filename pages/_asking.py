"""Label next: lead to the place whose label would help most, and say why. No Streamlit in here.

The best place of the open sample is found at once. Where other samples are in more doubt is looked up beside the work, from a
snapshot, and used as soon as it is known.
"""

from pages._view import View, record_of
from parmesan_engine.insight import NEVER_SEEN, Suggestion
from parmesan_engine.jobs import Job, Jobs
from parmesan_engine.project import Project, asking

MORE = 1.5  # another sample must promise this many times as much: a change of sample costs the user's attention
KEPT = 200  # places offered before that are remembered, per sample
lookouts = Jobs(workers=1)  # closed by the launcher


def go_next(view: View, project: Project) -> str:
    """Show the place to label next, on this sample or another, and return why. Raises EmptyMemoryError."""
    here = _best(view, project, view.sample)
    there = _elsewhere(view, project)
    if there is not None and (here is None or there.worth > MORE * here.worth):
        here = _best(view, project, there.sample_id) or here
    if here is None:
        return "Nothing left to ask: every place is labelled, or was offered before."
    record = record_of(project, here.sample_id)
    view.goto(record, here.at)
    passed = view.asked.passed.setdefault((view.project, here.sample_id), [])
    passed.append(here.at)
    del passed[:-KEPT]
    return reason(here)


def reason(place: Suggestion) -> str:
    """Return why a place is worth a label, in words."""
    why = "Never seen: nothing labelled so far looks much like this." if place.reason == NEVER_SEEN else \
        "Examples contradict: the nearest ones disagree about this place."
    alike = f"About {100 * place.worth:.0f}% of the sample is in the same doubt." if place.worth >= 0.01 else "Little else is in doubt."
    return f"Label here next. {why} {alike}"


def _best(view: View, project: Project, sample_id: str) -> Suggestion | None:
    passed = view.asked.passed.get((view.project, sample_id), [])
    return next(iter(asking.next_here(project, sample_id, passed=passed)), None)


def _elsewhere(view: View, project: Project) -> Suggestion | None:
    """Return the best place of another sample by the newest lookout that is done, and have a new one made when that is old."""
    records = project.samples()
    if len(records) < 2:
        return None
    key, version, known = str(project.path), project.version, {record.id for record in records}
    job = lookouts.get(key)
    done = job.result if job is not None else None
    if job is None or not (job.active or (done and done[0] == version)):
        lookouts.start(key, lambda job: _look(project, version, job), text="Looking where a label would help")
    places = done[1] if done else []
    return next((one for one in places if one.sample_id in known - {view.sample}), None)


def _look(project: Project, version: str, job: Job) -> tuple[str, list[Suggestion]]:
    return version, asking.next_places(project, count=max(len(project.samples()), 1), progress=job.report)
