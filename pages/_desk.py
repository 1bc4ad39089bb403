"""What one person has in front of them, and what the operations that arrive from the browser do to it. No Streamlit in here.

Streamlit can run two script threads of one session at once, so everything that changes a desk happens under its lock.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pages import _reach
from pages._asking import go_next
from pages._steps import step
from pages._view import View, clicked_place, record_of
from pages.components.canvas import Courier
from pages.components.messages import Ledger, Log, is_count, is_name, parse_log
from parmesan_engine.errors import EmptyMemoryError, FormatError, ParmesanError, UnknownNameError, VersionError
from parmesan_engine.gestures import Stroke
from parmesan_engine.insight import Explanation
from parmesan_engine.project import Project, searching
from parmesan_engine.types import Prediction


@dataclass(kw_only=True)
class Desk(View):
    """The state of one browser session: where it looks, and what was done there.

    jumps: counts changes of sample that did not come from the list; token: names the session to others on the same project and
    its own jobs; seen: what others can change, as it was when the page was last drawn; kept: the place as it was last written down.
    """

    author: str
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    solid: bool = False  # the view in three dimensions was asked for
    seen: Any = None
    kept: Any = None
    jumps: int = 0
    layer: str = "prediction"
    client: str = ""
    acts_client: str = ""
    error: ParmesanError | None = None
    said: str = ""
    takes: int = 0  # operations carried out so far: tells a message apart from the same one before
    milliseconds: float | None = None
    changed: int | None = None
    courier: Courier = field(default_factory=Courier)
    ledger: Ledger = field(default_factory=Ledger)
    acts: Ledger = field(default_factory=Ledger)
    held: tuple[Any, Prediction] | None = None
    explained: tuple[Any, Explanation] | None = None

    def choose(self, sample_id: str) -> None:
        """Show another sample, as it is now."""
        if sample_id != self.sample:
            self.milliseconds = self.changed = None
        super().choose(sample_id)


def take_canvas(desk: Desk, project: Project, value: Any) -> None:
    """Carry out the operations of the canvas that were not carried out before. `value` is untrusted."""
    log = parse_log(value)
    if log is None:
        return
    with desk.lock:
        desk.courier.hear(log.have)
        desk.layer, desk.client = log.layer, log.client
        _take(desk, log, desk.ledger, lambda op: _draw(desk, project, op))


def take_acts(desk: Desk, project: Project, value: Any) -> None:
    """Carry out what was asked for in the why panel. `value` is untrusted."""
    log = parse_log(value)
    if log is None:
        return
    with desk.lock:
        desk.acts_client = log.client
        _take(desk, log, desk.acts, lambda op: _act(desk, project, op))


def predict(desk: Desk, project: Project) -> Prediction | None:
    """Return the prediction of the chosen sample (under the version looked at); None from an empty memory.

    Of a volume it is the overview: its slices are drawn one by one (`_maps`).
    """
    version = past_version(desk, project)
    what = (desk.project, desk.sample, version, project.task, searching.mark(project))
    with desk.lock:
        if desk.held is None or desk.held[0] != (*what, version or project.version, project.metric_state()["id"]):
            start = time.perf_counter()
            try:
                volume = record_of(project, desk.sample).spatial_dims == 3
                prediction = (project.overview if volume else project.predict)(desk.sample, version=version)
            except EmptyMemoryError:
                return None
            desk.held = ((*what, prediction.version, prediction.metric), prediction)  # what it says itself: others may have painted
            if desk.milliseconds is not None:
                desk.milliseconds += 1000 * (time.perf_counter() - start)
                desk.changed = desk.held[1].changed_nodes
        return desk.held[1]


def explain(desk: Desk, project: Project, prediction: Prediction | None) -> Explanation | None:
    """Return why the clicked pixel of the chosen sample got its answer; None without a click, in the past, or from an empty memory."""
    at = desk.clicked.get(desk.sample)
    if at is None or prediction is None or desk.seq is not None:
        return None
    with desk.lock:
        key = (desk.sample, at, desk.held and desk.held[0])
        if desk.explained is None or desk.explained[0] != key:
            desk.explained = (key, project.explain(desk.sample, at))
        return desk.explained[1]


def past_version(desk: Desk, project: Project) -> str | None:
    """Return the content hash of the past version looked at, None for now. One that is gone means now."""
    if desk.seq is None:
        return None
    found = next((record.version for record in project.history() if record.seq == desk.seq), None)
    if found is None:
        desk.seq = None
    return found


def _take(desk: Desk, log: Log, ledger: Ledger, act: Callable[[dict[str, Any]], None]) -> None:
    for op in ledger.new_ops(log):
        desk.error, desk.said, desk.takes = None, "", desk.takes + 1
        try:
            if op.get("project") != desk.project:
                raise UnknownNameError("an operation on the open project", "one on another project", "repeat it here")
            act(op)
        except ParmesanError as error:  # belongs to this one operation; the others still count
            desk.error = error


def _draw(desk: Desk, project: Project, op: dict[str, Any]) -> None:
    kind = op["kind"]
    if kind == "inspect":
        record = record_of(project, op.get("sample"))
        desk.clicked[record.id] = clicked_place(op, record.spatial_shape)
        return
    if kind == "restore":
        _restore(desk, project, op)
        return
    if kind == "solid":
        desk.solid = True
        return
    if desk.seq is not None:
        raise VersionError("the present version of the memory", "a past one, which is read only", "go back to now, or restore it")
    if not is_name(op.get("id")):
        raise FormatError("an operation with an id of its own", repr(op.get("id"))[:40], "reload the page")
    start = time.perf_counter()
    if kind == "stroke":
        record = record_of(project, op.get("sample"))
        stroke = Stroke.parse(op.get("stroke"))
        result = project.annotate(record.id, [stroke], author=desk.author, gesture_id=op["id"])
        desk.said = " ".join(result.notes)
    elif kind in ("undo", "redo", "next"):
        before = desk.sample
        desk.said = go_next(desk, project) if kind == "next" else step(desk, project, kind, desk.author, op["id"])
        desk.jumps += desk.sample != before
    elif kind == "refit":
        project.refit()
    else:
        raise FormatError("a stroke, undo, redo, next, refit, restore, solid or inspect", repr(kind)[:40], "reload the page")
    desk.milliseconds, desk.changed = 1000 * (time.perf_counter() - start), None


def _restore(desk: Desk, project: Project, op: dict[str, Any]) -> None:
    wanted = str(op.get("version"))
    for record in project.history():
        if str(record.seq) == wanted:
            project.restore(record.version, author=desk.author)
            desk.seq = None
            desk.said = "Restored. The versions in between are kept: undo takes you back."
            return
    raise VersionError("a version of the history", repr(wanted)[:40], "pick one with the slider")


def _act(desk: Desk, project: Project, op: dict[str, Any]) -> None:
    entry = op.get("entry")
    if not is_count(entry):
        raise FormatError("the number of an example", repr(entry)[:40], "click the pixel again")
    (origin,) = project.memory.provenance([entry])
    if op["kind"] == "goto":
        record = record_of(project, origin.sample_id)
        desk.goto(record, origin.coordinates)
        desk.jumps += 1
        return
    if op["kind"] in _reach.ACTS:
        _reach.act(desk, project, op)
        return
    if op["kind"] != "forget":
        raise FormatError("goto, forget, reach, review or close", repr(op["kind"])[:40], "reload the page")
    if desk.seq is not None:
        raise VersionError("the present version of the memory", "a past one, which is read only", "go back to now, or restore it")
    start = time.perf_counter()
    if op.get("scope") == "example":
        project.forget(ids=np.asarray([entry]), purge=False, by=desk.author)
    elif op.get("scope") == "gesture":
        project.forget(gesture=origin.gesture, purge=False, by=desk.author)
    elif op.get("scope") == "source":
        project.forget(source=origin.source, purge=False, by=desk.author)
    else:
        raise FormatError("an example, a stroke or a source", repr(op.get("scope"))[:40], "reload the page")
    desk.milliseconds, desk.changed = 1000 * (time.perf_counter() - start), None
    desk.said = "Forgotten. Undo brings it back; unlearn on the Memory page makes it final."
