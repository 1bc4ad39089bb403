"""The part of the sidebar that brings samples in, and says what could not be read."""

from pathlib import Path

import streamlit as st

from pages import _state
from pages._desk import Desk
from pages._widgets import show_error, show_refused
from parmesan_engine.errors import ParmesanError
from parmesan_engine.io import SUPPORTED
from parmesan_engine.project import Project


def add_samples(desk: Desk, project: Project) -> None:
    """Draw the drop zone and import what was dropped into it, or what lies at the typed path."""
    with st.expander("Add samples", icon=":material/upload:", expanded=not project.samples()):
        turn = _state.picked("upload-turn") or 0
        files = st.file_uploader("Files", accept_multiple_files=True, key=f"upload-{desk.project}-{turn}", label_visibility="collapsed",
                                 help=f"{', '.join(sorted(SUPPORTED))}")
        path = st.text_input("or a path on this machine", key=f"path-{desk.project}-{turn}", placeholder="/data/picture.tif")
        if not files and not path:
            return
        failed = []
        with st.spinner("Reading"):
            jobs = [(file.name, lambda f=file: project.import_bytes(f.name, f.getvalue())) for file in files]
            jobs += [(path, lambda: project.import_file(Path(path).expanduser()))] if path else []
            for name, job in jobs:
                try:
                    desk.choose(job().id)
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
