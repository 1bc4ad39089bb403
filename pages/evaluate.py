"""Evaluate: how good the predictions are, where they are wrong, and how that changed as examples came."""

from pathlib import Path

import streamlit as st

from pages import _jobs, _scores, _state
from pages._desk import Desk
from pages._sidebar import sidebar
from pages._widgets import border
from parmesan_engine.io import open_dataset
from parmesan_engine.project import Project, scoring, searching
from parmesan_engine.project.curve import learning_curve
from parmesan_engine.project.scoring import Report
from parmesan_engine.project.truth import truth_stamp

OWN, FOLDER = "Samples with known truth", "A dataset folder"


def page(desk: Desk, project: Project) -> None:
    st.html('<div class="lead"><b>How good is it?</b> Predictions are compared with a truth that was made elsewhere: label files added as '
            "truth in the sidebar, or a folder of labelled samples.</div>")
    if project.memory is None or not len(project):
        st.info("Nothing to score yet: label a few pixels on the Annotate page first.", icon=":material/draw:")
        return
    project.refresh()  # what other processes have committed
    row = st.container(horizontal=True, vertical_alignment="center")
    against = row.segmented_control("Against", (OWN, FOLDER), default=OWN, key="against", label_visibility="collapsed") or OWN
    if against == OWN:
        _own(desk, project, row)
    else:
        _folder(desk, project)


def _own(desk: Desk, project: Project, row) -> None:
    ids = scoring.with_truth(project)
    if not ids:
        st.info("No sample of this project has a known truth. Add a label file as truth in the sidebar of the Annotate page, under Add "
                "labels, or choose a dataset folder above.", icon=":material/fact_check:")
        return
    with row:
        asked = st.button("Evaluate", type="primary", icon=":material/analytics:")
        unpainted = st.toggle("Leave out painted pixels", value=True, key="unpainted",
                              help="An example is right about its own pixel: counting it would flatter the score")
        st.caption(f"{len(ids)} of {len(project.samples())} samples")
    opened = desk.project
    key = _key(opened, project, unpainted)
    name = f"evaluate {opened} {unpainted}"
    if asked:
        _jobs.start(name, lambda job: _score_own(opened, project, unpainted, job), text="Comparing with the truth")
    job = _jobs.watch(name)
    then, report = key, _state.scores().get(key)
    if report is None:
        if job is None or job.result is None:
            return
        then, report = job.result
    _stale(project, report, then == key)
    shown = _scores.choose(("Scores", "Errors", "Learning curve"))
    if shown == "Scores":
        _scores.draw(report)
    elif shown == "Errors":
        _scores.draw_errors(desk, project, report)
    else:
        _curve(desk, project, unpainted)


def _score_own(opened: str, project: Project, unpainted: bool, job) -> tuple[tuple, Report]:
    """Return what the report was made from, and the report."""
    key = _key(opened, project, unpainted)
    report = scoring.score_samples(project, project.snapshot(), unpainted=unpainted, progress=job.report)
    if report.version == key[1] and key == _key(opened, project, unpainted):  # nobody changed anything meanwhile
        _state.scores().put(key, report)
    return key, report


def _folder(desk: Desk, project: Project) -> None:
    left, middle, right, last = st.columns([5, 2, 2, 2], gap="small", vertical_alignment="bottom")
    folder = left.text_input("Folder with dataset.json", key="eval-folder", placeholder="/data/nuclei").strip()
    if not folder:
        return
    dataset = open_dataset(Path(folder).expanduser())
    scoring.check_task(project.task, dataset)
    split = middle.selectbox("Part", dataset.splits(), index=0, key=f"eval-split-{folder}")
    limit = right.number_input("Samples at most", 1, 100_000, 20, key="eval-limit")
    name = f"evaluate {desk.project} {folder} {split}"
    key = (int(limit), project.version, project.metric_state()["id"], project.task, searching.mark(project))
    if last.button("Evaluate", type="primary", icon=":material/analytics:", width="stretch", disabled=split is None):
        _jobs.start(name, lambda job: (key, scoring.score_dataset(project.snapshot(), dataset.folder, split=split,
                                                                  samples=int(limit), progress=job.report)),
                    text=f"Scoring on {dataset.name}")  # fmt: skip
    job = _jobs.watch(name)
    if job is None or job.result is None:
        return
    then, report = job.result
    _stale(project, report, then == key)
    if _scores.choose(("Scores", "Errors")) == "Scores":
        _scores.draw(report)
    else:
        _scores.draw_item_errors(project, report, dataset, split)


def _curve(desk: Desk, project: Project, unpainted: bool) -> None:
    opened = desk.project  # the job goes on when another project is opened
    name = f"curve {opened} {unpainted}"
    scores, key = _state.scores(), _key(opened, project, unpainted)

    def work(job):
        return key, learning_curve(project, unpainted=unpainted, known=lambda v: scores.get(_key(opened, project, unpainted, v)),
                                   keep=lambda report: scores.put(_key(opened, project, unpainted, report.version), report),
                                   progress=job.report)

    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Walk through the history", icon=":material/timeline:"):
            _jobs.start(name, work, text="Scoring earlier versions")
        st.caption("Every earlier version is scored with the metric that would have been fitted to it then.")
    job = _jobs.watch(name)
    if job is not None and job.result:
        then, points = job.result
        if project.version not in {point.record.version for point in points}:
            st.caption("The memory has changed since: walk again to see the present version.")
        elif then != key:
            st.caption("What it was made from (truth, classes, metric or search) has changed since: walk again to score what is there now.")
        _scores.draw_curve(points)


def _key(opened: str, project: Project, unpainted: bool, version: str | None = None) -> tuple:
    """Return what a report depends on: project and version, the present metric or the version's own, what was compared with, search."""
    now = version is None or version == project.version
    return (opened, version or project.version, project.metric_state()["id"] if now else "", project.task,
            truth_stamp(project.path), project.version if unpainted else "", searching.mark(project))


def _stale(project: Project, report: Report, same: bool) -> None:
    """Say so when a report is not of what is there now. same: whether it was made from the present truth, task and metric."""
    if report.version != project.version:
        st.caption(f"Of version {report.version[:8]} with {report.entries:,} examples. The memory has changed since and now has "
                   f"{len(project):,}: evaluate again to score it.")
    elif not same:
        st.caption("What it was made from (truth, classes, metric, search or number of samples) has changed since: evaluate again to score "
                   "what is there now.")


with border():
    here = _state.desk()
    chosen = sidebar(here, samples=False)
    page(here, chosen)
