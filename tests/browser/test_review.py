"""Label next, what a stroke decides, and what removing it would change, as a person finds them."""

import re

from playwright.sync_api import expect

from tests.browser.surface import PATIENCE

LONG = 1000 * PATIENCE * 2  # a fit and a search of both samples on a busy machine


def test_from_label_next_to_what_a_removal_would_change_and_back(surface):
    page, before = surface.page, surface.facts()
    page.keyboard.press("g")
    surface.settled()
    expect(surface.root.locator("[data-out=said]")).to_contain_text("Label here next")
    expect(surface.why).to_have_attribute("data-state", "explained")
    surface.why.locator("[data-verb=reach]").first.click()
    expect(surface.why.locator(".reach")).to_contain_text("decides")
    expect(surface.root.locator("[data-layer=reach]")).to_have_attribute("aria-checked", "true")
    assert surface.facts()["version"] == before["version"]

    surface.why.get_by_role("button", name=re.compile("What would change")).click()
    page.get_by_role("button", name="What would removing it change?").click(timeout=LONG)
    expect(page.get_by_text(re.compile(r"^Without [\d,]+ example"))).to_be_visible(timeout=LONG)
    page.get_by_role("button", name=re.compile("^Remove all|^Remove it")).click()
    expect(page.get_by_text("Tick a row to see")).to_be_visible()

    page.get_by_role("link", name="Annotate").click()
    assert surface.wait(lambda facts: facts.get("prediction") and facts["version"] != before["version"])
    page.keyboard.press("z")
    surface.wait(lambda facts: facts["version"] == before["version"])
    expect(surface.why.locator(".reach")).to_have_count(0)
