"""The parts of the sidebar that bring samples in, and labels that exist already, and that say what could not be read."""

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

from pages import _state
from pages._desk import Desk
from pages._widgets import plain, show_error, show_refused
from parmesan_engine.errors import ParmesanError
from parmesan_engine.project import Project
from parmesan_engine.project.importing import import_frames, import_uploads, together, uploaded
from parmesan_engine.project.labels import paint_labels, remove_truth, set_truth, truth

KINDS = ("PNG, JPEG, TIFF, OME-TIFF, DICOM, NIfTI, NRRD, npy, CSV. A DICOM series: all its files at once, or a zip of its folder. "
         "OME-Zarr: a zip of its folder. Folders on this machine: type the path.")
LABELS = ("One number per pixel: the class id, from 0. Of the same size as the sample. 255 means not labelled; in a file of only "
          "0 and 255, the 255 are class 1.")
PLACES = 300  # of each class, by default: what a person would paint in a few minutes
_EXAMPLES, _TRUTH = "Examples", "Truth"


def add_samples(desk: Desk, project: Project) -> None:
    """Draw the drop zone and import what was dropped into it, or what lies at the typed path."""
    with st.expander("Add samples", icon=":material/upload:", expanded=not project.samples()):
        turn = _state.picked("upload-turn") or 0
        files = st.file_uploader("Files", accept_multiple_files=True, key=f"upload-{desk.project}-{turn}", label_visibility="collapsed",
                                 help=KINDS)
        path = st.text_input("or a path on this machine", key=f"path-{desk.project}-{turn}", placeholder="/data/scan.nii.gz", help=KINDS)
        if not files and not path:
            return
        failed = []
        with st.spinner("Reading"):
            for name, job in _imports(project, [(file.name, file.getvalue()) for file in files], path):
                try:
                    desk.choose(job()[0].id)
                except ParmesanError as error:
                    failed.append((name, error))
        _state.put("failed-imports", (desk.project, failed))
        _state.put("upload-turn", turn + 1)  # fresh, empty widgets: a rerun must not import again
        desk.jumps += 1
        st.rerun()


def import_errors(desk: Desk) -> None:
    """Say what could not be imported into this project, until the next import or until dismissed."""
    where, failed = _state.picked("failed-imports") or ("", [])
    if not failed or where != desk.project:
        return
    files = [(Path(name).name[:60], error) for name, error in failed]
    if len(files) == 1:
        show_error(files[0][1], title=f"{files[0][0]} was not imported", key="import")
    else:
        show_refused(files)
    if st.button("Dismiss", key="dismiss-imports"):
        _state.drop("failed-imports")
        st.rerun()


def add_labels(desk: Desk, project: Project) -> None:
    """Draw the drop zone for labels of the open sample, which become its examples or its truth."""
    if desk.sample is None:
        return
    with st.expander("Add labels", icon=":material/new_label:"):
        turn, known = _state.picked("labels-turn") or 0, truth(project, desk.sample) is not None
        key = f"{desk.project}-{desk.sample}-{turn}"
        use = st.segmented_control("Use them as", [_EXAMPLES, _TRUTH], default=_EXAMPLES, key=f"labels-use-{key}",
                                   help="Examples teach the memory, as if you had painted them, and can be undone. "
                                        "Truth is only compared with, on the page Evaluate.")
        count = 0
        if use == _EXAMPLES:
            count = st.number_input("Places per class", 0, 50_000, PLACES, key=f"labels-count-{key}",
                                    help="So many random places of each class become examples. 0: every labelled place, which takes "
                                         "longer and seldom teaches more.")
        file = st.file_uploader("Label file", key=f"labels-{key}", label_visibility="collapsed", help=LABELS)
        path = st.text_input("or a path on this machine", key=f"labels-path-{key}", placeholder="/data/labels.nii.gz", help=LABELS)
        if use and (file or path) and st.button("Add labels", type="primary", width="stretch", key=f"labels-go-{key}"):
            with st.spinner("Reading"):
                _take_labels(desk, project, use, int(count), file, path)
            _state.put("labels-turn", turn + 1)
            st.rerun()
        if known and st.button("Remove the truth", icon=":material/delete:", width="stretch", key=f"labels-drop-{key}"):
            remove_truth(project, desk.sample)
            _say(desk, "The truth of this sample was removed.")
            st.rerun()
        where, lines = _state.picked("labels-said") or ((), ())
        for line in lines if where == (desk.project, desk.sample) else ():
            st.caption(plain(line))


def _imports(project: Project, files: Sequence[tuple[str, bytes]], path: str) -> list[tuple[str, Callable]]:
    """Return (what to call it, how to import it) for each group of files that belong together, and for the path."""
    jobs = []
    for group in together(files):
        name = group[0][0] if len(group) == 1 else f"{group[0][0]} and {len(group) - 1} more"
        jobs.append((name, lambda group=group: import_uploads(project, group)))
    return jobs + ([(path, lambda: import_frames(project, Path(path).expanduser()))] if path else [])


def _take_labels(desk: Desk, project: Project, use: str, count: int, file, path: str) -> None:
    """Add an uploaded label file, or the one at a path, and note what is to be said about it."""
    try:
        if file:
            with uploaded(project, [(file.name, file.getvalue())]) as place:
                lines = _add(desk, project, use, count, place)
        else:
            lines = _add(desk, project, use, count, Path(path).expanduser())
        desk.error = None
        _say(desk, *lines)
    except ParmesanError as error:
        desk.error = error


def _add(desk: Desk, project: Project, use: str, count: int, path: Path) -> tuple[str, ...]:
    if use == _TRUTH:
        notes = set_truth(project, desk.sample, path)
        return (f"{path.name} is the truth of this sample now.", *notes)
    result = paint_labels(project, desk.sample, path, per_class=count or None, author=desk.author)
    desk.jumps += 1  # classes may be new
    return (f"{result.entries_added:,} examples added from {path.name}.", *result.notes)


def _say(desk: Desk, *lines: str) -> None:
    _state.put("labels-said", ((desk.project, desk.sample), lines))
