"""Signals in a real browser: stacked lanes, intervals by dragging, milliseconds, one channel alone, gain."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect


@pytest.fixture
def signal(surface):
    surface.open("Heartbeat (1D)", "demo-1d")
    surface.click(0.5, 0.4, button="middle")  # keys go to the canvas
    return surface


def test_the_wheel_zooms_to_milliseconds_and_the_zoom_survives_an_interval(signal):
    seen = signal.root.locator("[data-out=zoom]")
    assert seen.inner_text().endswith(" s")
    before = signal.facts()
    for _ in range(8):
        signal.page.mouse.wheel(0, -300)
    expect(seen).to_have_text(re.compile(r" ms$"))
    near = seen.inner_text()
    signal.page.keyboard.press("2")
    signal.drag((0.3, 0.4), (0.6, 0.4))
    painted = signal.settled()
    assert painted["painted"] != before["painted"] and seen.inner_text() == near
    signal.page.keyboard.press("z")
    assert signal.settled()["version"] == before["version"]


def test_the_readout_says_time_and_value(signal):
    signal.page.mouse.move(*signal.place(0.4, 0.4))
    expect(signal.root.locator("[data-out=where]")).to_contain_text(" s  ·")


def test_many_channels_are_stacked_and_one_can_be_alone(signal, tmp_path):
    rng = np.random.default_rng(0)
    np.savetxt(tmp_path / "leads.csv", np.cumsum(rng.normal(size=(3000, 6)), axis=0), delimiter=",", fmt="%.4f")
    page = signal.page
    page.get_by_test_id("stPopoverButton").locator("visible=true").click()
    page.get_by_label("Project name").fill("leads")
    page.get_by_role("button", name="Create").click()
    signal.upload(tmp_path / "leads.csv")
    signal.wait(lambda facts: facts["project"] == "leads" and facts["dims"] == "1")
    signal.click(0.5, 0.4, button="middle")
    page.keyboard.press("w")
    chips = signal.root.locator(".channels button")
    expect(chips).to_have_text(["All", "1", "2", "3", "4", "5", "6"])
    chips.nth(3).click()
    page.mouse.move(*signal.place(0.3, 0.2))
    expect(signal.root.locator("[data-out=where]")).to_contain_text("·  3 ")
    gain = signal.root.locator("[data-input=gain]")
    signal.drag((0.3, 0.6), (0.3, 0.4))
    assert float(gain.input_value()) > 1
