"""The Memory page in a real browser: switch a source, choose points on the map, label a version, branch, merge back, unlearn."""

import re

import pytest

from parmesan_engine.bench import studio as programs


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """An app of its own: the versions that are counted here must not depend on what other tests did before."""
    with programs.studio(tmp_path_factory.mktemp("memory") / "home") as running:
        yield running.address


@pytest.fixture
def page(browser, server):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(60_000)
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(server)
    page.get_by_role("link", name="Memory").click()
    page.get_by_text("Size on disk").wait_for()
    yield page
    context.close()
    assert not problems, problems


def section(page, name):
    page.get_by_role("radio", name=name, exact=True).or_(page.get_by_role("button", name=name, exact=True)).first.click()


def number(page, name):
    tile = page.get_by_test_id("stMetric").filter(has_text=name).first
    return tile.get_by_test_id("stMetricValue").inner_text()


def until(page, name, value):
    page.get_by_test_id("stMetric").filter(has_text=name).filter(
        has=page.get_by_test_id("stMetricValue").filter(has_text=re.compile(f"^{value}$"))).first.wait_for()


def test_a_day_with_a_memory(page):
    examples, versions = int(number(page, "Examples")), int(number(page, "Versions"))
    section(page, "Versions")
    page.locator(".stPlotlyChart .scatterlayer .point").nth(6).click(force=True)
    page.get_by_label("Label", exact=True).fill("first draft")
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator(".stPlotlyChart .annotation-text").filter(has_text="first draft").wait_for()
    page.get_by_role("button", name="Branch").click()
    page.get_by_label("Name of the new project").fill("second lab")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Make the project").click()
    until(page, "Versions", "7")
    early = int(number(page, "Examples"))
    assert early < examples

    section(page, "Sources")
    page.get_by_test_id("stCheckbox").locator("label").first.click()
    until(page, "Examples", f"0 of {early}")
    for name in ("Map", "Versions", "Sources", "Examples"):  # a switch that has left the page switches nothing
        section(page, name)
        page.get_by_role("radio", name=name, exact=True).or_(page.get_by_role("button", name=name, exact=True)).first.wait_for()
    page.get_by_role("button", name="Undo", exact=True).click()
    until(page, "Versions", "9")
    assert number(page, "Examples") == str(early)

    section(page, "Versions")
    page.get_by_text("Merge another project").click()
    page.get_by_role("button", name="Merge", exact=True).click()
    page.get_by_text(f"Merged {examples - early} examples").wait_for()
    assert number(page, "Examples") == str(examples) and versions > 7

    section(page, "Map")
    chart = page.locator(".stPlotlyChart").filter(has_text="first axis").locator(".nsewdrag").first
    chart.wait_for()
    page.wait_for_timeout(1500)  # the chart is laid out once more when its size is known
    box = chart.bounding_box()
    around = [(0.5, 0.3), (0.97, 0.3), (0.97, 0.98), (0.5, 0.98), (0.5, 0.32)]
    corners = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in around]
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*corner, steps=6)
    page.mouse.up()
    chosen = page.locator(".chosen b").filter(has_text="chosen")
    chosen.wait_for()
    count = int(chosen.inner_text().split()[0])
    assert 0 < count < examples
    page.get_by_role("button", name="Remove", exact=True).click()
    until(page, "Examples", str(examples - count))

    section(page, "Examples")
    page.get_by_role("button", name="Unlearn…").click()
    page.get_by_role("button", name="Unlearn", exact=True).click()
    page.get_by_text("Nothing of them is left in the store").wait_for()
    section(page, "Receipts")
    page.get_by_role("button", name="Save all receipts").wait_for()
