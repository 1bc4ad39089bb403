"""The strip of samples: JSON down, a log of operations (pick, page, verify) up."""

from pathlib import Path
from typing import Any

import streamlit as st

_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "strip"
_FILES = {kind: (_FOLDER / f"strip.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")}
_mount = st.components.v2.component("parmesan_strip", **_FILES)


def strip(data: dict[str, Any], *, key: str) -> None:
    """Mount the strip. `data` may hold JSON values only (bytes in it would silently become text); picks are read in the next run."""
    _mount(key=key, data=data, on_picks_change=lambda: None)
