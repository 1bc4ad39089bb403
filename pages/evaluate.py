"""Evaluate: how good the predictions are, where they are wrong, and how that changed as examples came."""

from pathlib import Path

import streamlit as st

from pages import _jobs, _scores, _state
from pages._desk import Desk
from pages._sidebar import sidebar
from pages._widgets import border
from parmesan_engine.io import open_dataset
from parmesan_engine.project import Project, scoring
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
    key = _key(desk, project, unpainted)
    name = f"evaluate {desk.project} {unpainted}"
    if asked:
        _jobs.start(name, lambda job: _score_own(project, unpainted, key, job), text="Comparing with the truth")
    job = _jobs.watch(name)
    report = _state.scores().get(key) or (job and job.result)
    if report is None:
        return
    _stale(project, report)
    shown = _scores.choose(("Scores", "Errors", "Learning curve"))
    if shown == "Scores":
        _scores.draw(report)
    elif shown == "Errors":
        _scores.draw_errors(desk, project, report)
    else:
        _curve(desk, project, unpainted)


def _score_own(project: Project, unpainted: bool, key: tuple, job) -> Report:
    report = scoring.score_samples(project, project.snapshot(), unpainted=unpainted, progress=job.report)
    if report.version == key[1]:  # nobody painted meanwhile
        _state.scores().put(key, report)
    return report


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
    if last.button("Evaluate", type="primary", icon=":material/analytics:", width="stretch", disabled=split is None):
        _jobs.start(name, lambda job: scoring.score_dataset(project, project.snapshot(), dataset.folder, split=split, samples=int(limit),
                                                            progress=job.report), text=f"Scoring on {dataset.name}")
    job = _jobs.watch(name)
    if job is None or job.result is None:
        return
    _stale(project, job.result)
    if _scores.choose(("Scores", "Errors")) == "Scores":
        _scores.draw(job.result)
    else:
        _scores.draw_item_errors(project, job.result, dataset, split)


def _curve(desk: Desk, project: Project, unpainted: bool) -> None:
    name = f"curve {desk.project} {unpainted}"
    scores, version = _state.scores(), project.version

    def work(job):
        return learning_curve(project, unpainted=unpainted, known=lambda v: scores.get(_key(desk, project, unpainted, v)),
                              keep=lambda report: scores.put(_key(desk, project, unpainted, report.version), report), progress=job.report)

    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Walk through the history", icon=":material/timeline:"):
            _jobs.start(name, work, text="Scoring earlier versions")
        st.caption("Every earlier version is scored with the metric that would have been fitted to it then.")
    job = _jobs.watch(name)
    if job is not None and job.result:
        if version not in {point.record.version for point in job.result}:
            st.caption("The memory has changed since: walk again to see the present version.")
        _scores.draw_curve(job.result)


def _key(desk: Desk, project: Project, unpainted: bool, version: str | None = None) -> tuple:
    """Return what a report depends on: the project and version, the present metric or the version's own, and what was compared with."""
    now = version is None or version == project.version
    return (desk.project, version or project.version, project.metric_state()["id"] if now else "", project.task,
            truth_stamp(project.path), project.version if unpainted else "")


def _stale(project: Project, report: Report) -> None:
    if report.version != project.version:
        st.caption(f"Of version {report.version[:8]} with {report.entries:,} examples. The memory has changed since and now has "
                   f"{len(project):,}: evaluate again to score it.")


with border():
    here = _state.desk()
    chosen = sidebar(here, samples=False)
    page(here, chosen)
