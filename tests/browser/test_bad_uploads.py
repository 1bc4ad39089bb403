"""Files that are not what they claim to be: a clear message in the page, nothing stored, and the app goes on."""

import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect


def png(side: int = 64) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(side).integers(0, 255, (side, side, 3), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def pickled() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def huge() -> bytes:
    """A PNG whose header claims 100,000 x 100,000 pixels."""
    raw = bytearray(png())
    raw[16:24] = (100_000).to_bytes(4, "big") * 2
    return bytes(raw)


BAD = {
    "cut.png": png()[:200], "text.tif": b"this is no picture at all\n" * 20, "pickled.npy": pickled(), "empty.png": b"", "huge.png": huge(),
}


def upload(surface, name: str, data: bytes) -> None:
    surface.upload({"name": name, "mimeType": "application/octet-stream", "buffer": data})


@pytest.fixture
def samples(surface):
    """The names in the list of samples."""
    return lambda: surface.page.get_by_test_id("stRadio").get_by_role("radiogroup").inner_text().split("\n")


@pytest.mark.parametrize("name", list(BAD))
def test_a_bad_file_is_refused_and_the_app_goes_on(surface, samples, name):
    before, listed = surface.facts(), samples()
    upload(surface, name, BAD[name])
    box = surface.page.get_by_role("alert").filter(has_text=f"{name} was not imported")
    expect(box).to_contain_text("Expected")
    expect(box).to_contain_text("What to do")
    assert samples() == listed
    surface.page.keyboard.press("Escape")
    surface.click(0.5, 0.5, button="right")
    assert surface.settled()["version"] == before["version"]
    expect(surface.why).to_have_attribute("data-state", "explained")


def test_a_good_file_after_a_bad_one(surface, samples):
    upload(surface, "empty.png", b"")
    expect(surface.page.get_by_role("alert").first).to_be_visible()
    upload(surface, "fine.png", png(96))
    surface.wait(lambda facts: facts["sample"] and facts["prediction"] and "fine" in " ".join(samples()))
    expect(surface.page.get_by_role("alert")).to_have_count(0)
