"""Where one looks: sample, slice of a volume, version of the memory, clicked place. No Streamlit in here.

What the browser sends about it is checked here; nonsense is ignored or refused, never believed.
"""

import threading
from dataclasses import dataclass, field
from typing import Any

from pages._asked import Asked
from pages.components.messages import is_count
from parmesan_engine.errors import FormatError, UnknownNameError
from parmesan_engine.project import Project, SampleRecord


@dataclass(kw_only=True)
class View:
    """Where one browser session looks.

    samples: project -> chosen sample; planes: sample id -> (axis, index) of the slice shown; clicked: sample id -> inspected pixel;
    seq: the past version (by its number in the history) that is looked at, None for now; viewed: the last wish of the canvas;
    asked: examples whose reach is shown, places offered for labelling.
    """

    project: str = ""
    samples: dict[str, str] = field(default_factory=dict)
    planes: dict[str, tuple[int, int]] = field(default_factory=dict)
    clicked: dict[str, tuple[int, ...]] = field(default_factory=dict)
    seq: int | None = None
    viewed: dict[str, Any] | None = None
    asked: Asked = field(default_factory=Asked)
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def sample(self) -> str | None:
        return self.samples.get(self.project)

    def choose(self, sample_id: str) -> None:
        """Show another sample, as it is now."""
        if sample_id != self.sample:
            self.samples[self.project] = sample_id
            self.seq = None

    def plane_of(self, sample_id: str, shape: tuple[int, ...]) -> tuple[int, int] | None:
        """Return the (axis, index) of the slice shown, the middle one at first; None unless the sample is a volume."""
        if len(shape) != 3:
            return None
        axis, index = self.planes.get(sample_id, (0, shape[0] // 2))
        return axis, min(index, shape[axis] - 1)

    def goto(self, record: SampleRecord, at: tuple[int, ...]) -> None:
        """Show a place of a sample: its slice, and why it got its answer."""
        self.choose(record.id)
        self.clicked[record.id] = tuple(at)
        if len(record.spatial_shape) == 3:
            axis = self.planes.get(record.id, (0, 0))[0]
            self.planes[record.id] = (axis, at[axis])


def take_view(view: View, project: Project, value: Any) -> None:
    """Take up the slice and version that the canvas wants to see. `value` is untrusted; nonsense is ignored."""
    if not isinstance(value, dict) or not is_count(value.get("n")):
        return
    with view.lock:
        client, number = str(value.get("client"))[:80], value["n"]
        before = view.viewed
        if before and before["client"] == client and before["n"] >= number:
            return
        view.viewed = {"client": client, "n": number}
        if value.get("sample") != view.sample or view.sample is None:
            return
        shape = record_of(project, view.sample).spatial_shape
        axis, index = value.get("axis"), value.get("index")
        if len(shape) == 3 and is_count(axis) and axis < 3:
            middle = shape[axis] // 2
            view.planes[view.sample] = (axis, min(index, shape[axis] - 1) if is_count(index) else middle)
        wanted = value.get("version")
        seqs = [record.seq for record in project.history()]
        seq = int(wanted) if isinstance(wanted, str) and wanted.isdecimal() and len(wanted) < 12 else None
        view.seq = seq if seq in seqs[:-1] else None


def record_of(project: Project, sample_id: Any) -> SampleRecord:
    """Return the record of a sample. Raises UnknownNameError."""
    for record in project.samples():
        if record.id == sample_id:
            return record
    raise UnknownNameError("a sample of this project", "a sample that is gone", "choose one from the list")


def clicked_place(op: dict[str, Any], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the coordinate (*spatial) of the pixel `at` = [x, y] that an operation names. Raises FormatError."""
    at = op.get("at")
    if not isinstance(at, list) or len(at) != 2 or not all(map(is_count, at)):
        raise FormatError("a pixel as two numbers", repr(at)[:40], "click inside the picture")
    place = {1: [at[0]], 2: [at[1], at[0]], 3: [at[1], at[0]]}[len(shape)]
    if len(shape) == 3:
        axis, index = op.get("axis"), op.get("index")
        if not is_count(axis) or axis > 2 or not is_count(index):
            raise FormatError("a slice of the volume", f"axis {axis!r}, index {index!r}"[:60], "click inside the picture")
        place.insert(axis, index)
    if any(p >= n for p, n in zip(place, shape, strict=True)):
        raise FormatError(f"a pixel inside {shape}", f"{place}", "click inside the picture")
    return tuple(place)
