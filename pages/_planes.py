"""Planes over HTTP, beside Streamlit: pictures of every sample and maps of volumes, so that scrolling needs no rerun.

    /api/TOKEN/PROJECT/SAMPLE/picture/LOOK/AXIS/INDEX    PNG or JPEG; LOOK: see `Look`; a picture is plane 0 of axis 0
    /api/TOKEN/PROJECT/SAMPLE/MAP/STATE/AXIS/INDEX       zlib of one uint8 code per pixel

The address names all that the answer depends on, so browsers keep it. Streamlit guards none of these routes: the token, which
nobody can guess, says whose session asks. A map of a state that has passed is empty (204: no error, for the canvas knows the next
state soon).
"""

import logging
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from starlette.responses import Response

from pages._blobs import picture_blob
from pages._desk import Desk
from pages._maps import draw_map, map_states
from pages._view import record_of
from parmesan_engine import render
from parmesan_engine.errors import FormatError, ParmesanError, UnknownNameError
from parmesan_engine.project import Project, SampleRecord
from parmesan_engine.types import Sample

log = logging.getLogger(__name__)

KEEP = {"Cache-Control": "private, max-age=86400, immutable",
        "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}
LIMITS = 256  # samples whose black and white are remembered
CHIPS = 32  # channels that can be shown one by one

_desks: WeakValueDictionary[str, Desk] = WeakValueDictionary()
_limits: OrderedDict[tuple[str, str, int | str | None], list[tuple[float, float]]] = OrderedDict()
_limits_lock = Lock()


@dataclass(frozen=True)
class Look:
    """How intensities become light. channel: None for all together; window: the values shown black and white, None for automatic."""

    channel: int | None = None
    window: tuple[float, float] | None = None

    @classmethod
    def parse(cls, text: str, channels: int) -> "Look":
        """Read "all_auto", "2_auto" or "0_-100.5_300". Raises FormatError."""
        parts = text.split("_")
        try:
            channel = None if parts[0] == "all" else int(parts[0])
            window = None if parts[1:] == ["auto"] else (float(parts[1]), float(parts[2]))
        except (ValueError, IndexError):
            channel, window = -1, None
        if (channel is not None and not 0 <= channel < channels) or len(parts) > 3 or (window and not all(map(math.isfinite, window))):
            raise FormatError("a look such as all_auto or 0_-100_300", repr(text)[:60], "reload the page")
        return cls(channel, window)


def admit(desk: Desk) -> str:
    """Return the start of all addresses of a session, which is known from now on."""
    _desks[desk.secret] = desk
    return f"api/{desk.secret}/{desk.project}/"


def is_admitted(token: str) -> bool:
    """Return whether a session that is still open has this token."""
    return token in _desks


def limits(project: Project, record: SampleRecord, channel: int | None, sample: Sample) -> list[tuple[float, float]]:
    """Return the automatic black and white of each shown channel; found once per sample, the whole of a volume counts."""
    return _known((str(project.path), record.id, channel), lambda: render.windows(sample, channel))


def _known(key: tuple[str, str, int | str | None], find: Callable[[], list[tuple[float, float]]]) -> list[tuple[float, float]]:
    with _limits_lock:
        if key in _limits:
            _limits.move_to_end(key)
            return _limits[key]
    found = find()
    with _limits_lock:
        _limits[key] = found
        while len(_limits) > LIMITS:
            _limits.popitem(last=False)
    return found


def answer(project_of: Callable[[str], Project], token: str, project: str, sample: str, what: str, state: str, axis: int,
           index: int) -> Response:
    """Answer one request. project_of: name -> open project; raises UnknownNameError."""
    desk = _desks.get(token)
    if desk is None:
        return _nothing(404)
    try:
        opened = project_of(project)
        record = record_of(opened, sample)
        plane = _plane(record, axis, index)
        if what == "picture":
            blob, kind = _picture(opened, record, Look.parse(state, record.channels), plane)
            return Response(blob, media_type=kind, headers=KEEP)
        if map_states(desk, opened, record).get(what) != state:
            return _nothing(204)
        blob = draw_map(desk, opened, record, what, plane)
        if map_states(desk, opened, record).get(what) != state:  # somebody painted meanwhile
            return _nothing(204)
        return Response(blob, media_type="application/octet-stream", headers=KEEP)
    except (UnknownNameError, FormatError):
        return _nothing(404)
    except ParmesanError as error:
        log.warning("a plane of %s: %s", sample, error)
        return _nothing(409)


def _nothing(status: int) -> Response:
    return Response(status_code=status, headers={"Cache-Control": "no-store"})


def _plane(record: SampleRecord, axis: int, index: int) -> tuple[int, int] | None:
    """Return the plane of a volume, None for a picture. Raises FormatError."""
    if record.spatial_dims == 3 and axis < 3 and index < record.spatial_shape[axis]:
        return axis, index
    if record.spatial_dims == 2 and (axis, index) == (0, 0):
        return None
    raise FormatError("a plane of the sample", f"axis {axis}, index {index}", "reload the page")


def _picture(project: Project, record: SampleRecord, look: Look, plane: tuple[int, int] | None) -> tuple[bytes, str]:
    sample = project.read_sample(record.id)
    shown = [look.window] * 3 if look.window else limits(project, record, look.channel, sample)
    return picture_blob(render.to_rgb(sample, *(plane or ()), channel=look.channel, limits=shown))


def picture_facts(project: Project, record: SampleRecord) -> dict[str, Any]:
    """Return what the window and level controls need: automatic windows of all channels together and of each one."""
    sample = project.read_sample(record.id)
    looks = [None, *range(min(record.channels, CHIPS))] if record.channels > 1 else [None]
    auto = {("all" if look is None else str(look)): list(limits(project, record, look, sample)[0]) for look in looks}
    whole = bool(np.issubdtype(sample.array.dtype, np.integer))
    return {"channels": record.channels, "names": channel_names(record)[:CHIPS], "auto": auto, "whole": whole}


def signal_facts(project: Project, record: SampleRecord) -> dict[str, Any]:
    """Return how a signal is read: its clock, and name, lowest and highest value of each channel."""
    def find() -> list[tuple[float, float]]:
        array = project.read_sample(record.id).array
        return [(float(low), float(high)) for low, high in zip(array.min(axis=1), array.max(axis=1), strict=True)]

    return {"channels": record.channels, "names": channel_names(record), "ranges": _known((str(project.path), record.id, "range"), find),
            "step": record.spacing[0] if record.spacing else 1, "unit": record.unit if record.spacing else "samples"}


def channel_names(record: SampleRecord) -> list[str]:
    """Return one name per channel; numbers where the file gave none."""
    return list(record.channel_names) if len(record.channel_names) == record.channels else [str(i + 1) for i in range(record.channels)]
