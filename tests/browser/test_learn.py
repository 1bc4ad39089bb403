"""Every lesson as a class sees it: opened by its link, moved with the arrow keys, readable without scrolling sideways."""

import pytest
from playwright.sync_api import expect

from tests.browser.surface import PATIENCE

PICTURES = {1: 1, 2: 4, 3: 3, 4: 3, 5: 2}
CHARTS = {1: 1, 2: 3, 3: 1, 4: 0, 5: 1}
LONG = 1000 * PATIENCE  # a busy machine
SCREENS = {"laptop": (1280, 800), "projector": (1920, 1080)}


@pytest.fixture(params=SCREENS)
def page(browser, request):
    context = browser.new_context(viewport=dict(zip(("width", "height"), SCREENS[request.param], strict=True)))
    page = context.new_page()
    page.set_default_timeout(LONG)
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    yield page
    context.close()


@pytest.mark.parametrize("lesson", PICTURES)
def test_a_lesson_follows_the_arrow_keys(page, server, lesson):
    page.goto(f"{server}/learn?lesson={lesson}")
    now, formula = page.locator(".st-key-now"), page.locator(".katex-display")
    expect(now).not_to_have_text("", timeout=LONG)
    body = page.locator(".st-key-lesson-body")
    expect(body.get_by_test_id("stImage").locator("img")).to_have_count(PICTURES[lesson], timeout=LONG)
    expect(body.locator(".js-plotly-plot")).to_have_count(CHARTS[lesson], timeout=LONG)
    said, shown = now.inner_text(), formula.inner_text()
    slider = page.get_by_role("slider")
    for _ in range(2):
        slider.press("ArrowRight")
    expect(now).not_to_have_text(said, timeout=LONG)
    expect(formula).not_to_have_text(shown, timeout=LONG)
    expect(body.get_by_test_id("stAlert")).to_have_count(0, timeout=LONG)
    for picture in body.get_by_test_id("stImage").locator("img").all():
        expect(picture).to_be_visible(timeout=LONG)
        assert picture.evaluate("one => one.complete ? one.naturalWidth : one.decode().then(() => one.naturalWidth)") > 100
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    size = page.evaluate("parseFloat(getComputedStyle(document.querySelector('.st-key-lesson-body p')).fontSize)")
    assert size >= (20 if page.viewport_size["width"] == 1920 else 15)
    assert not page.problems


def test_next_changes_the_link_and_a_link_with_a_position_opens_there(page, server):
    page.goto(f"{server}/learn?lesson=4&novelty=0.2")
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuetext", "0.2", timeout=LONG)
    expect(page.locator(".st-key-now")).to_contain_text("came back into use", timeout=LONG)
    page.get_by_role("button", name="Next").click()
    expect(page).to_have_url(f"{server}/learn?lesson=5", timeout=LONG)
    expect(page.locator(".lesson-title")).to_have_text("Why networks forget and memories do not", timeout=LONG)
