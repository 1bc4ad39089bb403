"""Export: choose samples and what to make of them, watch, download."""

import time
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import streamlit as st

from pages import _exports, _jobs, _state
from pages._desk import Desk
from pages._ledger import size
from pages._planes import admit
from pages._shelf import home
from pages._sidebar import sidebar
from pages._widgets import border
from parmesan_engine.jobs import Job
from parmesan_engine.project import Project
from parmesan_engine.project.exporting import Plan, default_classes, export, forms, offered


def page(desk: Desk, project: Project) -> None:
    if project.memory is not None:
        project.refresh()  # what other processes have committed
    if not project.samples() or not len(project):
        st.info("There is nothing to export yet: add a sample and paint a few examples on the Annotate page.", icon=":material/draw:")
        return
    st.caption("Predictions of the samples, as files that other programs open, by the present version of the memory. "
               "You can go on painting meanwhile.")
    left, right = st.columns([2, 3], gap="large")
    with left:
        chosen = _samples(desk, project)
        _saved(desk)
    with right:
        _run(desk, project, _plan(desk, project), chosen)


def _samples(desk: Desk, project: Project) -> list[str]:
    """Draw the list of samples and return the ids of the ticked ones."""
    records, rows = project.samples(), _exports.sample_rows(project)
    event = st.dataframe(
        rows, hide_index=True, on_select="rerun", selection_mode="multi-row", key=f"export-samples-{desk.project}-{len(rows)}",
        selection_default={"selection": {"rows": list(range(len(rows)))}},
        column_config={"Examples": st.column_config.NumberColumn(format="localized", width="small")})
    ticked = [records[row].id for row in event["selection"]["rows"] if row < len(records)]
    st.caption(f"{len(ticked):,} of {len(records):,} samples are ticked")
    return ticked


def _plan(desk: Desk, project: Project) -> Plan:
    """Draw what can be exported and how, and return what is chosen."""
    kinds = offered(project.task, project.samples()[0].spatial_dims)
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Images**")
        images = _ticks(desk, [kind for kind in kinds if kind in _exports.IMAGES], kinds[0])
        form = _form(desk, project, images) if images else None
    with right:
        st.markdown("**Objects and tables**" if set(kinds) & set(_exports.OF_OBJECTS) else "**Tables**")
        others = _ticks(desk, [kind for kind in kinds if kind not in _exports.IMAGES], kinds[0])
        options = _objects(desk, project, "geojson" in others) if set(others) & set(_exports.OF_OBJECTS) else {}
    return Plan((*images, *others), form, **options)


def _ticks(desk: Desk, kinds: list[str], usual: str) -> list[str]:
    with st.container(gap="xsmall"):
        return [kind for kind in kinds if st.checkbox(": ".join(_exports.TEXTS[kind]), kind == usual, wrap=True,
                                                      key=f"export-{kind}-{desk.project}", persist_state="session")]  # fmt: skip


def _form(desk: Desk, project: Project, images: list[str]) -> str:
    choices = forms(project.samples()[0].spatial_dims)
    form = st.selectbox("Images as", choices, format_func=_exports.FORMATS.get, key=f"export-form-{desk.project}")
    if form == "png" and set(images) & {"values", "probabilities", "doubt"}:
        st.caption("Shares and values do not fit into PNG; they become OME-TIFF.")
    return form


def _objects(desk: Desk, project: Project, outlines: bool) -> dict[str, Any]:
    """Draw what makes an object, and return it as keywords of a plan."""
    task = project.task
    usual = [task.classes[label] for label in default_classes(task)]
    classes = st.multiselect("Classes that make objects", [task.classes[label] for label in task.in_use], usual,
                             key=f"export-classes-{desk.project}-{task.classes}")
    smallest = st.number_input("Smallest object, pixels", 1, None, 1, key=f"export-smallest-{desk.project}")
    units = sorted({record.unit for record in project.samples() if record.spacing})
    physical = False
    if outlines and units:
        text = f"Outlines in {' or '.join(units)}, not in pixels"
        physical = st.toggle(text, key=f"export-physical-{desk.project}", help="QuPath wants pixels")
    return {"classes": tuple(classes), "smallest": smallest, "physical": physical}


def _run(desk: Desk, project: Project, plan: Plan, chosen: list[str]) -> None:
    """Draw the button, and the work that it started."""
    key, name = _jobs.own(f"export {desk.project}"), desk.project
    job = _state.jobs().get(key)
    ready = bool(chosen) and bool(plan.what) and plan.classes != () and (job is None or not job.active)
    label = f"Export {len(chosen):,} sample{'s' if len(chosen) != 1 else ''}"
    if st.button(label, type="primary", icon=":material/package_2:", disabled=not ready, width="stretch"):
        _jobs.start(key, partial(_work, project, name, plan, tuple(chosen)), text="Preparing")
        st.rerun()
    job = _jobs.watch(key)
    if job is not None and job.state == "done":
        done = job.result
        st.success(f"{Path(done['out']).name}: {done['samples']:,} samples, {done['files']:,} files, {done['seconds']:.1f} s, "
                   f"made by version {done['version'][:8]}", icon=":material/check:")


def _work(project: Project, name: str, plan: Plan, chosen: tuple[str, ...], job: Job) -> dict:
    result = export(project, _exports.new_path(home(), name), plan, samples=chosen, progress=job.report)
    _exports.tidy(home(), name)
    return result


def _saved(desk: Desk) -> None:
    """Draw the exports that were made before, to download and to delete."""
    there = _exports.saved(home(), desk.project)
    if not there:
        return
    st.markdown("**Exports of this project**")
    for one in there:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            when = time.strftime("%d %b %H:%M:%S", time.localtime(one.time))
            st.markdown(f"{when} :gray[{size(one.bytes)}]", width="stretch")
            st.link_button("Download", f"{admit(desk)}exports/{quote(one.path.name)}", icon=":material/download:")
            st.button("", key=f"delete {one.path.name}", icon=":material/delete:", help=f"Delete {one.path.name}",
                      on_click=partial(one.path.unlink, True))
    st.caption(f"In `{there[0].path.parent}` on this machine; the {_exports.KEPT} newest are kept. Unlearning does not change "
               "files that were exported.")


with border():
    here = _state.desk()
    page(here, sidebar(here, samples=False))
