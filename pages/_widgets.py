"""Pieces that pages share: the border box that catches errors, the error box, the styles."""

import html
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import streamlit as st

from parmesan_engine.errors import ParmesanError
from parmesan_engine.registry import Registry

log = logging.getLogger(__name__)
_STYLE = Path(__file__).resolve().parents[1] / "assets" / "style.css"


@contextmanager
def border() -> Iterator[None]:
    """The one broad except of the user interface: whatever goes wrong inside is shown, and the page goes on."""
    try:
        yield
    except ParmesanError as error:
        show_error(error)
    except Exception:
        log.exception("a page failed")
        st.error("Something went wrong on our side; nothing was lost. Details are in the log of the server. Try again, or reload "
                 "the page.", icon=":material/error:")


def show_error(error: ParmesanError, *, title: str = "That did not work", key: str = "") -> None:
    """Say what was expected, what came, and what to do. key: tells several boxes on one page apart."""
    rows = "".join(f"<dt>{name}</dt><dd>{html.escape(text)}</dd>" for name, text in
                   (("Expected", error.expected), ("Got", error.got), ("What to do", error.todo)))
    with st.container(key=f"problem{key}"):
        st.html(f'<div class="problem" role="alert"><b>{html.escape(title)}</b><dl>{rows}</dl></div>')


def readable(registry: Registry, text: str) -> bool:
    """Return whether a recipe that somebody typed can be read; say so when it cannot."""
    try:
        registry.parse(text)
    except ParmesanError as error:
        show_error(error, key=f"recipe{text}")
        return False
    return True


def show_refused(files: list[tuple[str, ParmesanError]]) -> None:
    """Say in one box which files were refused, why, and what to do."""
    rows = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(f'{error.got}; expected {error.expected}. {error.todo}.')}</dd>"
                   for name, error in files)
    with st.container(key="problemimports"):
        st.html(f'<div class="problem" role="alert"><b>{len(files)} files were not imported</b><dl>{rows}</dl></div>')


def plain(text: str) -> str:
    """Return text with everything escaped that Markdown would take for itself: names come from files and from people."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|:<>~$&])", r"\\\1", text)


def style() -> None:
    """Tighten Streamlit's padding, once per page."""
    st.html(f"<style>{_STYLE.read_text(encoding='utf-8')}</style>")
