"""The panel that says why a pixel got its class: JSON down, a log of acts (show, forget) up."""

from pathlib import Path
from typing import Any

import streamlit as st

_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "why"
_FILES = {kind: (_FOLDER / f"why.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")}
_mount = st.components.v2.component("parmesan_why", **_FILES)


def why(data: dict[str, Any], *, key: str) -> None:
    """Mount the panel. `data` may hold JSON values only (bytes in it would silently become text); acts are read in the next run."""
    _mount(key=key, data=data, on_acts_change=lambda: None)
