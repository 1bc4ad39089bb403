"""Where a browser was, kept in the home folder: a reload or a restart of the server leads back there. No Streamlit in here.

One small file per browser, HOME/.desks/NAME.json, named by a cookie (see `_cookie`). Which operations of a canvas were carried
out is kept too: after a restart the browser sends its last ones again, and an undo must not happen twice.
"""

import json
import logging
import threading
from pathlib import Path
from typing import Any

from pages._cookie import KNOWN
from pages._desk import Desk
from pages.components.messages import MAX_CLIENTS, is_count, is_name
from parmesan_engine.errors import StoreError
from parmesan_engine.io.files import write_beside

log = logging.getLogger(__name__)
FOLDER = ".desks"
MAX_BYTES = 1 << 20
MAX_SAMPLES = 500  # of which the place is kept; the latest ones
_lock = threading.Lock()


def resume(desk: Desk, home: Path, browser: str) -> None:
    """Put a new desk where this browser was. A file that is missing or damaged means a fresh start."""
    if not KNOWN.fullmatch(browser):
        return
    place = _read(_file(home, browser))
    if not place:
        return
    desk.author, desk.project, desk.layer = place["author"], place["project"], place["layer"]
    desk.samples, desk.seq = place["samples"], place["seq"]
    desk.crosshairs = {sample: tuple(at) for sample, at in place["crosshairs"].items()}
    desk.clicked = {sample: tuple(at) for sample, at in place["clicked"].items()}
    for ledger in (desk.ledger, desk.acts):
        ledger.handled.update(place["handled"])
    desk.kept = _state_of(desk)


def keep(desk: Desk, home: Path, browser: str) -> None:
    """Write down where a desk is, if that has changed. A home folder that cannot be written is logged, once."""
    if not KNOWN.fullmatch(browser):
        return
    with desk.lock:
        state = _state_of(desk)
    if state == desk.kept:
        return
    desk.kept, file = state, _file(home, browser)
    with _lock:
        handled = {**(_read(file) or {}).get("handled", {}), **state["handled"]}  # another tab has canvases of its own
        whole = {**state, "handled": dict(list(handled.items())[-MAX_CLIENTS:])}
        try:
            write_beside(file, lambda out: out.write(json.dumps(whole).encode()))
        except StoreError as error:
            log.warning("where this browser is could not be kept: %s", error)


def _state_of(desk: Desk) -> dict[str, Any]:
    return {
        "author": desk.author, "project": desk.project, "layer": desk.layer, "seq": desk.seq, "samples": _latest(desk.samples),
        "crosshairs": _latest({sample: list(at) for sample, at in desk.crosshairs.items()}),
        "clicked": _latest({sample: list(at) for sample, at in desk.clicked.items()}),
        "handled": {**desk.ledger.handled, **desk.acts.handled},
    }  # fmt: skip


def _latest(items: dict[str, Any]) -> dict[str, Any]:
    return dict(list(items.items())[-MAX_SAMPLES:])


def _file(home: Path, browser: str) -> Path:
    return home / FOLDER / f"{browser}.json"


def _read(file: Path) -> dict[str, Any] | None:
    try:
        with file.open("rb") as opened:
            place = json.loads(opened.read(MAX_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.warning("%s cannot be read, this browser starts afresh: %s", file, error)
        return None
    if not _sound(place):
        log.warning("%s is damaged, this browser starts afresh", file)
        return None
    return place


def _sound(place: Any) -> bool:
    if not isinstance(place, dict) or not all(
            isinstance(place.get(name), dict) for name in ("samples", "crosshairs", "clicked", "handled")):
        return False
    author, project, seq = (place.get(name) for name in ("author", "project", "seq"))
    return (
        isinstance(author, str) and 0 < len(author) <= 60 and isinstance(project, str) and is_name(place.get("layer"))
        and (seq is None or is_count(seq)) and all(isinstance(sample, str) for sample in place["samples"].values())
        and all(_counts(at) and len(at) == 3 for at in place["crosshairs"].values())
        and all(_counts(at) and len(at) in (1, 2, 3) for at in place["clicked"].values())
        and all(is_count(seq) for seq in place["handled"].values())
    )  # fmt: skip


def _counts(value: Any) -> bool:
    return isinstance(value, list) and all(map(is_count, value))
