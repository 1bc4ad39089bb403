"""The canvas component: one packet down (header and blobs), a log of operations and the wanted view up."""

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "canvas"
_SCRIPTS = ("codec.js", "fetch.js", "surface.js", "signal.js", "hand.js", "pane.js", "stage.js", "display.js", "chrome.js",
            "canvas.js")  # one module: it may import nothing


def _text(*names: str) -> str:
    return "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in names)


_mount = st.components.v2.component("parmesan_canvas", html=_text("canvas.html"), css=_text("canvas.css"), js=_text(*_SCRIPTS))


@dataclass(frozen=True)
class Part:
    """A picture or map. id: names its content; blob: its bytes, made only when they must travel; None: the browser fetches it."""

    id: str
    blob: Callable[[], bytes] | None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scene:
    """All that the canvas shows. header: JSON; image and maps travel as blobs."""

    header: dict[str, Any]
    image: Part | None
    maps: dict[str, Part]

    @property
    def parts(self) -> dict[str, Part]:
        return ({"image": self.image} if self.image else {}) | self.maps


@dataclass
class Courier:
    """Packs scenes for one browser, leaving out the blobs that it said it holds.

    The same scene gives the very same bytes: those travel as a short reference on reruns. What was sent since the browser last
    spoke is not believed to have arrived; what it turns out to lack is sent again.
    """

    believed: dict[str, str] = field(default_factory=dict)
    omitted: dict[str, str] = field(default_factory=dict)
    packed: tuple[str, bytes] | None = None
    rev: int = 0

    def hear(self, have: dict[str, str]) -> None:
        """Take note of what the browser says it holds."""
        self.believed = dict(have)
        if any(have.get(name) != ident for name, ident in self.omitted.items()):
            self.packed = None

    def pack(self, scene: Scene) -> bytes:
        """Return the packet of a scene."""
        key = json.dumps([scene.header, {name: part.id for name, part in scene.parts.items()}])
        if self.packed is None or self.packed[0] != key:
            self.packed = (key, self._pack(scene))
        return self.packed[1]

    def _pack(self, scene: Scene) -> bytes:
        self.rev += 1
        self.omitted, described, blobs, offset = {}, {}, [], 0
        for name, part in scene.parts.items():
            described[name] = {"id": part.id, **part.extra}
            if part.blob is None:
                continue
            if self.believed.get(name) == part.id:
                self.omitted[name] = part.id
                continue
            blob = part.blob()
            described[name] |= {"offset": offset, "length": len(blob)}
            offset += len(blob)
            blobs.append(blob)
            self.believed.pop(name, None)
        header = {**scene.header, "rev": self.rev, "image": described.pop("image", None), "maps": described}
        text = json.dumps(header, separators=(",", ":")).encode()
        return b"".join([b"PSC1", struct.pack("<I", len(text)), text, *blobs])


def canvas(packet: bytes, *, key: str) -> None:
    """Mount the canvas. What the browser sends, operations and the wanted view, is read at the start of the next run."""
    _mount(key=key, data=packet, on_log_change=lambda: None, on_view_change=lambda: None)
