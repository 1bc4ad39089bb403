"""How much the memory takes, and how to keep it within a budget: the cost in accuracy is measured first, then the person decides."""

from collections.abc import Callable

import streamlit as st

from pages import _jobs, _ledger, _state
from pages._desk import Desk
from parmesan_engine.evaluation import Score
from parmesan_engine.jobs import Job
from parmesan_engine.project import Project
from parmesan_engine.project.consolidating import Proposal, propose

_MEASURES = {"miou": "mean IoU", "accuracy": "accuracy", "rmse": "RMSE", "mae": "mean error"}


def key_of(project: str) -> str:
    """Return the key of the job that measures a budget for a project."""
    return f"budget {project}"


def sizes(desk: Desk, project: Project) -> None:
    """Draw what an example takes, the field for a budget, and what was measured of it."""
    memory, count = project.memory, len(project)
    precision = "half" if memory.key_format == "float16" else "single"
    st.caption(f"{_ledger.size(memory.bytes)} on disk, {memory.bytes / max(memory.stored, 1):,.0f} bytes per example with its history; "
               f"features in {precision} precision.")
    if count < 2:
        st.caption("There is nothing to save yet: paint on the Annotate page.")
        return
    key = key_of(desk.project)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        most = st.number_input("Keep at most … examples", 1, count, max(1, count // 2), key=f"budget-{desk.project}", width=220,
                               help="Every class keeps as many as any other, or all it has where it has fewer")
        if st.button("Measure the cost", icon=":material/straighten:"):
            _jobs.start(key, _work(project, int(most)), text="Measuring what a smaller memory costs")
    job = _jobs.watch(key)
    if job is not None and job.state == "done":
        _outcome(desk, project, *job.result)


def _work(project: Project, entries: int) -> Callable[[Job], tuple[int, Proposal]]:
    return lambda job: (entries, propose(project, entries=entries, progress=job.report))


def _outcome(desk: Desk, project: Project, wanted: int, found: Proposal) -> None:
    """Show both sides of a proposal to keep so many examples, and offer to carry it out."""
    if project.version != found.version:
        st.caption("The memory has changed since this was measured. Measure again.")
        return
    if not len(found.ids):
        st.caption(f"The memory is within that budget: it has {found.before.entries:,} examples.")
        return
    rows = [{"": "Examples", "Now": f"{found.before.entries:,}", "Then": f"{found.after.entries:,}"},
            {"": "Search index", "Now": _ledger.size(found.before.index), "Then": _ledger.size(found.after.index)},
            {"": "Bytes per example in it", "Now": f"{found.before.bytes_per_entry:,.0f}",
             "Then": f"{found.after.bytes_per_entry:,.0f}"}]
    rows += _scores(*found.score) if found.score else []
    st.dataframe(rows, hide_index=True, key=f"budget-table-{found.version}-{found.after.entries}", width=520)
    if found.before.classes:
        counts = [{"Examples of each class": name, "Now": f"{count:,}", "Then": f"{found.after.classes[name]:,}"}
                  for name, count in found.before.classes.items()]
        st.dataframe(counts, hide_index=True, key=f"budget-classes-{found.version}-{found.after.entries}", width=520)
    st.caption(f"Scores: {found.probes:,} examples, each answered by the examples of other {found.left_out}s." if found.score else
               "All examples are of one stroke: the cost cannot be measured.")
    if found.after.entries < wanted:
        st.caption(f"Every class gets an equal share, or all it has: with at most {wanted:,} examples that makes {found.after.entries:,}.")
    st.button(f"Keep these {found.after.entries:,}", icon=":material/compress:", type="primary", on_click=_state.ask,
              args=("consolidate", desk.project, found), help="The others are taken out as one version; undo brings them back")


def _scores(before: Score, after: Score) -> list[dict[str, str]]:
    first, second = before.result(), after.result()
    return [{"": text, "Now": f"{first[name]:.3f}", "Then": f"{second[name]:.3f}"} for name, text in _MEASURES.items() if name in first]
