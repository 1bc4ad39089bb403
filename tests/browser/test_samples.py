"""Many samples in the real browser: the strip follows the work, a click on it shows another sample, scores are drawn."""

import pytest
from playwright.sync_api import expect

PATIENCE = 60_000  # milliseconds; every wait is bounded


@pytest.fixture
def strip(surface):
    found = surface.page.locator("[data-testid=strip]")
    expect(found.locator(".card").first).to_be_visible(timeout=PATIENCE)
    return found


def test_a_click_on_the_strip_shows_another_sample_once(surface, strip):
    page, first = surface.page, surface.facts()
    expect(strip.locator(".card .line").nth(1)).to_contain_text("doubt", timeout=PATIENCE)  # prepared in the background
    cards = strip.locator(".card")
    expect(cards.nth(0)).to_have_attribute("aria-selected", "true", timeout=PATIENCE)
    cards.nth(1).click()
    expect(cards.nth(1)).to_have_attribute("aria-selected", "true")
    second = surface.wait(lambda facts: facts["prediction"] not in ("", first["prediction"]) and facts["seq"] == facts["acked"])
    strip.get_by_role("button", name="Mark as checked").click()
    expect(cards.nth(1)).to_have_attribute("data-state", "verified", timeout=PATIENCE)
    page.wait_for_timeout(2500)  # another look of the strip at the server must not repeat the click
    expect(cards.nth(1)).to_have_attribute("aria-selected", "true")
    assert surface.facts()["prediction"] == second["prediction"]
    strip.get_by_role("button", name="Take the mark away").click()
    expect(cards.nth(1)).not_to_have_attribute("data-state", "verified", timeout=PATIENCE)
    cards.nth(1).focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(cards.nth(0)).to_have_attribute("aria-selected", "true", timeout=PATIENCE)
    surface.wait(lambda facts: facts["prediction"] == first["prediction"])


def test_the_strip_follows_a_stroke_without_touching_the_canvas(surface, strip):
    bar = strip.locator(".card").first
    before = bar.inner_text()
    surface.page.keyboard.press("2")
    surface.page.keyboard.press("b")
    surface.drag((0.45, 0.4), (0.55, 0.45))
    zoomed = surface.settled()
    expect(bar).not_to_have_text(before, timeout=PATIENCE)
    assert surface.facts()["version"] == zoomed["version"]
    surface.page.keyboard.press("z")
    surface.settled()


def test_scores_errors_and_curve_are_drawn(surface):
    page = surface.page  # the demo comes with its truth
    figures = page.locator(".js-plotly-plot")
    page.get_by_role("link", name="Evaluate").click()
    page.get_by_role("button", name="Evaluate").click()
    expect(page.get_by_text("Mean IoU")).to_be_visible(timeout=PATIENCE)
    expect(figures).to_have_count(3, timeout=PATIENCE)
    page.get_by_test_id("stButtonGroup").get_by_text("Errors").click()
    expect(page.get_by_text("Sample, the worst first")).to_be_visible(timeout=PATIENCE)
    expect(figures).to_have_count(1, timeout=PATIENCE)
    page.get_by_test_id("stButtonGroup").get_by_text("Learning curve").click()
    page.get_by_role("button", name="Walk through the history").click()
    expect(page.get_by_text("examples in the memory")).to_be_visible(timeout=2 * PATIENCE)
