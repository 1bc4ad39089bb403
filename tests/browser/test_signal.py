"""Signals in a real browser: stacked lanes, intervals by dragging, milliseconds, one channel alone, gain."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from parmesan_engine.gestures import Stroke
from parmesan_engine.project import Project
from parmesan_engine.types import Sample, TaskSpec


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


@pytest.fixture
def leads(server, home):
    """A project with a signal of six channels."""
    task = TaskSpec("segmentation", ("quiet", "beat"), ((0, 114, 178), (230, 159, 0)))
    array = np.cumsum(np.random.default_rng(0).normal(size=(6, 3000)), axis=1).astype(np.float32)
    with Project.create(home / "leads", name="leads", task=task) as project:
        sample = project.add_sample(Sample(array, "leads", (0.002,), "s", channel_names=tuple("ABCDEF")))
        for label in (0, 1):
            project.annotate(sample.id, [Stroke("interval", [(100 + 500 * label, 0), (180 + 500 * label, 0)], label=label)])


def test_many_channels_are_stacked_and_one_can_be_alone(leads, surface):
    signal, page = surface, surface.page
    signal.open("leads", "leads")
    signal.click(0.5, 0.4, button="middle")
    page.keyboard.press("w")
    chips = signal.root.locator(".channels button")
    expect(chips).to_have_text(["All", *"ABCDEF"])
    chips.nth(3).click()
    page.mouse.move(*signal.place(0.3, 0.2))
    expect(signal.root.locator("[data-out=where]")).to_contain_text("·  C ")
    gain = signal.root.locator("[data-input=gain]")
    signal.drag((0.3, 0.6), (0.3, 0.4))
    assert float(gain.input_value()) > 1
