"""Label next: lead to the place whose label would help most, and say why. No Streamlit in here.

The best place of the open sample is found at once. Where other samples are in more doubt is known from the survey that keeps the
strip of samples up to date, beside the work.
"""

from pages._view import View, record_of
from parmesan_engine.insight import NEVER_SEEN, Suggestion
from parmesan_engine.project import Project, asking

MORE = 1.5  # another sample must promise this many times as much: a change of sample costs the user's attention
KEPT = 200  # places offered before that are remembered, per sample


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
    """Return the best place of another sample, as the survey beside the work found it last."""
    if view.asked.survey is None:
        return None
    places = [view.asked.survey.place(record.id) for record in project.samples() if record.id != view.sample]
    places = [one for one in places if one is not None and one.at not in view.asked.passed.get((view.project, one.sample_id), [])]
    return max(places, key=lambda one: one.worth, default=None)
