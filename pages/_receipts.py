"""Receipts: what a removal or an unlearn did, now and all that were ever written, to read and to save."""

import html
import json
from dataclasses import asdict
from typing import Any

import streamlit as st

from pages import _state
from pages._figures import when
from parmesan_engine.memory import Receipt
from parmesan_engine.project import Project

_LINES = {"Selector": "selector", "Digest of what went": "removed_digest", "Version before": "version_before",
          "Version after": "version_after"}  # fmt: skip


def receipt_box(receipt: dict[str, Any]) -> None:
    """Show the receipt of the last action until it is closed."""
    purged = receipt["purged"]
    head = f"{'Unlearned' if purged else 'Removed'} {receipt['entries_removed']:,} examples."
    with st.container(border=True, key="receipt", horizontal=True, vertical_alignment="center"):
        outcome = _outcome(receipt["verified"]) if purged else "Undo brings them back."
        st.html(_body(receipt if purged else {}, head, outcome))
        if purged:
            _save("Save the receipt", receipt, "receipt.json")
        if st.button("Close"):
            _state.drop("receipt")
            st.rerun()


def receipts(project: Project) -> None:
    """List all receipts of unlearning; the ticked one in full, or the newest."""
    found = project.memory.receipts()[::-1]
    if not found:
        st.caption("Nothing has been unlearned in this project. Each unlearn leaves a receipt here: proof that it was done, "
                   "free of what was unlearned.")
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        rows = [{"When": when(one.time), "By": one.author or "engine", "Examples": one.entries_removed, "Verified": one.verified,
                 "Digest of what went": one.removed_digest[:16]} for one in found]
        event = st.dataframe(rows, hide_index=True, on_select="rerun", selection_mode="single-row",
                             key=f"receipts-{project.path.name}-{len(found)}")
        _save("Save all receipts", [asdict(one) for one in found], "receipts.json")
    with right:
        picked = event["selection"]["rows"]
        _whole(found[picked[0]] if picked and picked[0] < len(found) else found[0])


def _whole(receipt: Receipt) -> None:
    with st.container(border=True):
        head = f"Unlearned {receipt.entries_removed:,} examples on {when(receipt.time)} by {receipt.author or 'engine'}."
        st.html(_body(asdict(receipt), head, _outcome(receipt.verified)))
        _save("Save this receipt", asdict(receipt), "receipt.json")


def _outcome(verified: bool) -> str:
    return "Nothing of them is left in the store." if verified else "The store could not be verified: run verify."


def _body(receipt: dict[str, Any], head: str, outcome: str) -> str:
    known = {name: html.escape(str(receipt[key])) for name, key in _LINES.items() if key in receipt}
    rows = "".join(f"<dt>{name}</dt><dd><code>{text}</code></dd>" for name, text in known.items())
    return f'<div class="receipt"><b>{html.escape(head)}</b> {outcome}{rows and "<dl>"}{rows}{rows and "</dl>"}</div>'


def _save(label: str, content: Any, file: str) -> None:
    text = json.dumps(content, default=str, indent=1)
    st.download_button(label, text, file, "application/json", icon=":material/download:", on_click="ignore")
