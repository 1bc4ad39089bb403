"""Drive a components-v2 widget under AppTest, and read the packet that it was given.

Streamlit 1.67 has no public way to do this: AppTest sees an unknown element. The private entry point is used in this one place.
"""

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[2]


def component(at: AppTest, key: str) -> Any:
    return next(element for element in at.get("bidi_component") if element.key == key)


def send(at: AppTest, key: str, **state: Any) -> AppTest:
    """Let the component set its states, and run the script as Streamlit would."""
    states = at._tree.get_widget_states()
    widget = states.widgets.add()
    widget.id, widget.json_value = component(at, key).proto.id, json.dumps(state)
    return at._run(states)


def packet(at: AppTest) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the header and the blobs that the canvas was given."""
    return unpack(component(at, "canvas").proto.bytes)


def unpack(raw: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    assert raw[:4] == b"PSC1"
    length = struct.unpack("<I", raw[4:8])[0]
    header = json.loads(raw[8 : 8 + length])
    parts = {"image": header["image"], **header["maps"]}
    start = 8 + length
    return header, {name: raw[start + p["offset"] : start + p["offset"] + p["length"]] for name, p in parts.items() if p and "offset" in p}


def codes(blob: bytes) -> np.ndarray:
    return np.frombuffer(zlib.decompress(blob), np.uint8)


def log(*ops: dict[str, Any], client: str = "tester", **more: Any) -> dict[str, Any]:
    """Return a log as the canvas sends it: ops numbered from 1."""
    numbered = [{"seq": i, "id": f"{client}-{i}", **op} for i, op in enumerate(ops, 1)]
    return {"client": client, "have": {}, "layer": "prediction", "ops": numbered, **more}
