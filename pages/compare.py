"""Compare: what many methods that learned the same examples say of one sample, and what each costs."""

import html

import numpy as np
import streamlit as st

from pages import _contest, _errors, _jobs, _state
from pages._desk import Desk
from pages._panel import css
from pages._sidebar import sidebar
from pages._widgets import border, plain, readable, show_error
from parmesan_engine.compare.picture import Answer, Learned
from parmesan_engine.evaluation import error_unit
from parmesan_engine.jobs import Job
from parmesan_engine.methods import METHODS
from parmesan_engine.project import Project, SampleRecord
from parmesan_engine.project.truth import in_use
from parmesan_engine.project.truth import truth as truth_of
from parmesan_engine.resample import slices
from parmesan_engine.types import TaskSpec

MOST = 8  # methods
WIDTH = 236  # pixels of a picture on the screen: four beside each other on a small one


def page(desk: Desk, project: Project) -> None:
    st.html('<div class="lead"><b>Compare</b> lets many methods learn the same examples, all those of this project, and shows what each '
            "says of this sample, where they disagree, and what it costs.</div>")
    record = next((one for one in project.samples() if one.id == desk.sample), None)
    if record is None or not len(project):
        st.info("Add a sample and label a few pixels on the Annotate page, or choose one of the demo projects: methods are compared by "
                "what they learn from your examples.", icon=":material/draw:")
        return
    project.refresh()  # what other processes have committed
    found = _chosen(desk, project, record)
    if not found:
        st.caption("Methods learn and answer one after the other, beside your work; the project stays as it is.")
        return
    rows = _contest.rows(project.task, {text: learned for text, (learned, _) in found.items()},
                         {text: answer for text, (_, answer) in found.items()})
    _pictures(project, record, {text: answer for text, (_, answer) in found.items()}, {row["method"]: row for row in rows})
    st.dataframe(rows, hide_index=True, column_config={"method": st.column_config.TextColumn(width="medium"),
                                                       "bytes": st.column_config.NumberColumn(format="localized")})
    st.caption(_how(project, record, found))


def _chosen(desk: Desk, project: Project, record: SampleRecord) -> dict[str, tuple[Learned, Answer]]:
    """Ask which methods, have them learn and answer beside the page; return what is known by now."""
    choices, key = _contest.offered(), f"compare {desk.project} {_state.owner()}"  # a reload finds it again
    with st.container(horizontal=True, vertical_alignment="bottom"):
        texts = st.multiselect("Methods", choices, default=[text for text in _contest.FIRST if text in choices], max_selections=MOST,
                               accept_new_options=True, key=f"methods-{desk.project}",
                               help="Type another one with its keywords: random_forest:trees=300")
        job = _state.jobs().get(key)
        asked = st.button("Compare", type="primary", icon=":material/compare:", disabled=not texts or (job is not None and job.active))
    texts = [text for text in texts if readable(METHODS, text)]
    known = {text: _contest.seen(project, text, record.id) for text in texts}
    open_ = [text for text, (_, answer) in known.items() if answer is None]
    again = [text for text in open_ if known[text][0] is not None and not _ended(job, text)]  # another sample of what has learned
    if start := open_ if asked else again:
        _jobs.start(key, lambda job: _contest.work(project, start, record.id, job), text="Learning")

    def answered() -> list[str]:
        return [text for text in texts if _contest.seen(project, text, record.id)[1] is not None]

    job = _jobs.watch(key, so_far=answered)
    for text, error in (job.result if job is not None and job.state == "done" else {}).items():
        if text in open_:  # not one that was asked before, and has answered since or is not chosen any more
            show_error(error, title=f"{text} gave no answer", key=text)
    return {text: known[text] for text in texts if known[text][1] is not None}


def _ended(job: Job | None, text: str) -> bool:
    """Return whether the last work was cancelled or failed: it is not begun again before somebody asks."""
    return job is not None and (job.state in ("cancelled", "failed") or (job.state == "done" and text in job.result))


def _pictures(project: Project, record: SampleRecord, answers: dict[str, Answer], rows: dict[str, dict]) -> None:
    """Draw the sample, its truth, the answer of each method with its numbers under it, and where they disagree."""
    task, sample = project.task, project.read_sample(record.id)
    with st.container(horizontal=True, vertical_alignment="center"):
        given = truth_of(project.path, record.id)
        view = "Prediction"
        if given is not None:
            view = st.segmented_control("Show", ("Prediction", "Errors"), default=view, key="compare-view",
                                        label_visibility="collapsed") or view
        index = None
        if record.spatial_dims == 3:
            depth = record.spatial_shape[0]
            index = st.slider("Slice across z", 0, depth - 1, depth // 2, key=f"compare-z-{record.id}") if depth > 1 else 0
        _legend(task, view)
    box = slices(_errors.plane_box(record.spatial_shape, index))
    planes = {text: answer.values[box] for text, answer in answers.items()}
    first = next(iter(planes.values()))
    empty = np.full(first.shape, -1 if task.kind == "segmentation" else np.nan, first.dtype)
    truth = empty if given is None else np.asarray(in_use(given[box], task))
    limits = _limits(task, view, truth, list(planes.values()))

    def draw(values: np.ndarray, view: str) -> np.ndarray:
        return _contest.answer_picture(sample, index, task, view, truth, values, limits)

    cells = [("The sample", _contest.sample_picture(sample, index), [])]
    cells += [("The truth", draw(empty, "Truth"), [])] if given is not None and view != "Errors" else []
    cells += [(text, draw(values, view), _contest.words(task, rows[text])) for text, values in planes.items()]
    if len(planes) > 1:
        picture, apart = _contest.disagreement_picture(sample, index, list(planes.values()))
        cells.append(("Where they disagree", picture, _apart(task, apart, len(planes), index)))
    signal = record.spatial_dims == 1  # one under the other: times compare
    with st.container(horizontal=not signal, gap="small"):
        for title, picture, lines in cells:
            with st.container(width="stretch" if signal else WIDTH, gap="xsmall"):
                st.markdown(f"**{plain(title)}**")
                st.image(picture, width="stretch")
                if lines:
                    st.caption((" · " if signal else "  \n").join(map(plain, lines)))


def _legend(task: TaskSpec, view: str) -> None:
    """Say which colour is what; values say it with their limits."""
    if task.kind == "regression":
        return
    marks = {"wrong": "#dc2626", "unknown": "#eaa008"} if view == "Errors" else {task.classes[i]: css(task.colors[i]) for i in task.in_use}
    spans = "".join(f'<span style="--swatch:{color}">{html.escape(name)}</span>' for name, color in marks.items())
    st.html(f'<div class="keys">{spans}</div>')


def _limits(task: TaskSpec, view: str, truth: np.ndarray, planes: list[np.ndarray]) -> tuple[float, float]:
    """Return the values in the first and last colour of all pictures of a plane, and say them; classes need none."""
    if task.kind == "segmentation":
        return 0.0, 1.0
    shown = np.stack([np.abs(values - truth) for values in planes] if view == "Errors" else [truth, *planes])
    known = shown[np.isfinite(shown)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    low, high = (0.0, high) if view == "Errors" else task.display_range or (low, high)
    unit, scale = error_unit(task)
    st.caption(plain(f"{'Errors' if view == 'Errors' else 'Values'}: violet {low / scale:.4g}, yellow {high / scale:.4g} {unit}"))
    return low, high


def _apart(task: TaskSpec, apart: np.ndarray, count: int, index: int | None) -> list[str]:
    """Return what is written under the picture of disagreement."""
    where = "this slice" if index is not None else "the sample"
    if task.kind == "regression":
        (unit, scale), known = error_unit(task), apart[np.isfinite(apart)]
        return [f"Standard deviation of the answers in {where}: violet the least, yellow {known.max(initial=0) / scale:.3g} {unit}"]
    colours = "violet: 1 differs" + f", yellow: {count - 1} differ" * (count > 2)
    return [f"All {count} agree on {(apart == 0).mean():.1%} of {where}", colours]


def _how(project: Project, record: SampleRecord, found: dict[str, tuple[Learned, Answer]]) -> str:
    """Return what the numbers count."""
    learned, answer = next(iter(found.values()))
    own = len(project.memory.select(sample=record.id))
    said = [f"Equal labels: {learned.examples:,} examples, {own:,} of them of this sample." if own else
            f"Equal labels: {learned.examples:,} examples, none of this sample."]
    if answer.checked:
        said.append(f"Scores: {answer.checked:,} pixels whose truth is known, painted places left out.")
    encoding = next((one.encode_seconds for _, one in found.values() if one.encode_seconds is not None), None)
    if encoding is not None:
        said.append(f"Examples were encoded as they were painted; encoding this sample took {encoding:.2f} s, once for all methods that "
                    "use features: neither is among their seconds.")
    return plain(" ".join(said))


with border():
    here = _state.desk()
    page(here, sidebar(here))
