"""Pages other than Annotate tell of others' commits, and are drawn anew only when one wants it."""

import pytest
from playwright.sync_api import expect

from parmesan_engine.gestures import Stroke
from parmesan_engine.project import Project

PATIENCE = 20_000  # milliseconds; every wait is bounded


@pytest.fixture
def elsewhere(surface, home):
    """The open project, as another process has it."""
    with Project.open(home / surface.facts()["project"]) as project:
        before = project.version
        yield project
        project.refresh()
        if project.version != before:
            project.restore(before)


def paint(project, x: float) -> None:
    project.annotate(project.samples()[0].id, [Stroke("brush", ((x, 20), (x, 24)), radius=2, label=1)], author="Bob")


def test_the_memory_page_tells_of_others_and_waits(surface, elsewhere):
    page = surface.page
    page.get_by_role("link", name="Memory").click()
    version, news = page.get_by_test_id("stMetricValue").last, page.get_by_role("button", name="Show what others changed")
    expect(version).to_have_text(elsewhere.version[:8], timeout=PATIENCE)
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(version).not_to_have_text(elsewhere.version[:8])
    page.get_by_role("button", name="Undo").click()
    expect(version).to_have_text(elsewhere.version[:8])
    page.wait_for_timeout(2000)
    expect(news).to_have_count(0)  # one's own work is no news

    before = elsewhere.version[:8]
    page.get_by_role("button", name="Unlearn…").click()
    expect(page.get_by_role("dialog")).to_be_visible()  # else the page might be drawn for the click after the other's stroke
    paint(elsewhere, 30)
    expect(news).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(version).to_have_text(before)
    page.get_by_role("button", name="Keep them").click()
    expect(version).to_have_text(elsewhere.version[:8], timeout=PATIENCE)
    expect(news).to_have_count(0)
    paint(elsewhere, 50)
    news.click(timeout=PATIENCE)
    expect(version).to_have_text(elsewhere.version[:8])
    expect(news).to_have_count(0)


@pytest.mark.parametrize("name", ["Evaluate", "Export"])
def test_evaluate_and_export_tell_of_others_too(surface, elsewhere, name):
    page = surface.page
    page.get_by_role("link", name=name).click()
    expect(page.get_by_role("button", name=name).first).to_be_visible(timeout=PATIENCE)
    news = page.get_by_role("button", name="Show what others changed")
    page.wait_for_timeout(1500)
    expect(news).to_have_count(0)
    paint(elsewhere, 40)
    news.click(timeout=PATIENCE)
    expect(news).to_have_count(0)
