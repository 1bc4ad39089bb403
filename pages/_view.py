"""Where one looks: sample, slice of a volume, version of the memory, clicked place. No Streamlit in here.

What the browser sends about it is checked here; nonsense is ignored or refused, never believed.
"""

import secrets
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

    samples: project -> chosen sample; crosshairs: volume -> (z, y, x), where its three slices meet; clicked: sample -> inspected
    pixel; led: counts the times that somebody else than the canvas moved the crosshair; seq: the past version (by its number in
    the history) that is looked at, None for now; viewed: the last wish of the canvas; secret: what the session's addresses begin with;
    asked: examples whose reach is shown, places offered for labelling.
    """

    project: str = ""
    samples: dict[str, str] = field(default_factory=dict)
    crosshairs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    clicked: dict[str, tuple[int, ...]] = field(default_factory=dict)
    led: int = 0
    seq: int | None = None
    viewed: dict[str, Any] | None = None
    asked: Asked = field(default_factory=Asked)
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def sample(self) -> str | None:
        return self.samples.get(self.project)

    def choose(self, sample_id: str) -> None:
        """Show another sample, as it is now."""
        if sample_id != self.sample:
            self.samples[self.project] = sample_id
            self.seq = None

    def crosshair(self, record: SampleRecord) -> tuple[int, ...] | None:
        """Return (z, y, x) where the slices of a volume meet, its middle at first; None for other samples."""
        if record.spatial_dims != 3:
            return None
        at = self.crosshairs.get(record.id) or tuple(n // 2 for n in record.spatial_shape)
        return tuple(min(a, n - 1) for a, n in zip(at, record.spatial_shape, strict=True))

    def goto(self, record: SampleRecord, at: tuple[int, ...]) -> None:
        """Show a place of a sample: its slices, and why it got its answer."""
        self.choose(record.id)
        self.clicked[record.id] = tuple(int(a) for a in at)
        self.lead(record, at)

    def lead(self, record: SampleRecord, at: tuple[int, ...]) -> None:
        """Move the crosshair of a volume, whatever the canvas shows."""
        if record.spatial_dims == 3:
            self.crosshairs[record.id] = tuple(int(a) for a in at)
            self.led += 1


def take_view(view: View, project: Project, value: Any) -> None:
    """Take up the frame, crosshair and version that the canvas wants to see. `value` is untrusted; nonsense is ignored."""
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
        record, at = record_of(project, view.sample), value.get("at")
        if isinstance(at, list) and len(at) == record.spatial_dims == 3 and all(map(is_count, at)):
            view.crosshairs[record.id] = tuple(min(a, n - 1) for a, n in zip(at, record.spatial_shape, strict=True))
        wanted = value.get("version")
        seqs = [record.seq for record in project.history()]
        seq = int(wanted) if isinstance(wanted, str) and wanted.isdecimal() and len(wanted) < 12 else None
        view.seq = seq if seq in seqs[:-1] else None
        _take_frame(view, project, record, value.get("frame"))


def frames_of(project: Project, record: SampleRecord) -> list[SampleRecord]:
    """Return the time points of the recording that a sample belongs to, in order; just the sample when it is no series."""
    if not record.series:
        return [record]
    return sorted((one for one in project.samples() if one.series == record.series), key=lambda one: one.frame)


def _take_frame(view: View, project: Project, record: SampleRecord, frame: Any) -> None:
    """Go to another time point, looking at the same place."""
    if frame not in [one.id for one in frames_of(project, record)] or frame == record.id:
        return
    at = view.crosshair(record)
    view.choose(frame)
    if at is not None:
        view.crosshairs[frame] = at


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
