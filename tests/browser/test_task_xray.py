"""A chest X-ray: lungs from a few strokes, and the reason for a pixel."""

from playwright.sync_api import expect

from tests.browser.task import Task


def test_lungs_from_a_few_strokes(surface, home):
    task = Task(surface, home, "lungs", "lung_cxr")
    painted = task.paint(task.strokes())
    assert painted["version"]
    task.paint(task.corrections())
    ours, constant = task.scores()
    assert ours > constant + 0.1

    surface.page.mouse.click(*surface.spot(*task.strokes()[-1].points[1]), button="right")
    surface.settled()
    expect(surface.why).to_have_attribute("data-state", "explained")
    expect(surface.why.locator(".card").first).to_contain_text(task.task.classes[task.strokes()[-1].label])
