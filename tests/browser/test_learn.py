"""Every lesson as a class sees it: opened by its link, moved with the arrow keys, readable without scrolling sideways."""

from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from pages._lessons import LESSONS
from tests.browser.surface import PATIENCE

PICTURES = {1: 1, 2: 4, 3: 3, 4: 3, 5: 2}
CHARTS = {1: 1, 2: 3, 3: 1, 4: 0, 5: 1}
LONG = 2000 * PATIENCE  # a busy machine


@contextmanager
def screen(browser, width, height):
    """Open an empty page of this size; an error in its scripts fails the test."""
    context, problems = browser.new_context(viewport={"width": width, "height": height}), []
    page = context.new_page()
    page.set_default_timeout(LONG)
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    context.close()
    assert not problems, problems


def check(page, lesson, letters):
    """Assert that a lesson is all there, in letters of so many pixels at least, and not wider than the screen."""
    body = page.locator(".st-key-lesson-body")
    expect(page.locator(".lesson-title")).to_have_text(LESSONS[lesson - 1].title, timeout=LONG)
    expect(body.get_by_test_id("stImage").locator("img")).to_have_count(PICTURES[lesson], timeout=LONG)
    expect(body.locator(".js-plotly-plot")).to_have_count(CHARTS[lesson], timeout=LONG)
    for picture in body.get_by_test_id("stImage").locator("img").all():
        assert picture.evaluate("one => one.decode().then(() => one.naturalWidth)") > 100
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('.st-key-lesson-body p')).fontSize)") >= letters
    expect(body.get_by_test_id("stAlert")).to_have_count(0, timeout=LONG)


@pytest.mark.parametrize("lesson", PICTURES)
def test_a_lesson_opens_by_its_link_and_follows_the_arrow_keys(browser, server, lesson):
    with screen(browser, 1280, 800) as page:
        page.goto(f"{server}/learn?lesson={lesson}")
        check(page, lesson, 15)
        now, formula = page.locator(".st-key-now"), page.locator(".katex-display")
        said, shown = now.inner_text(), formula.inner_text()
        for _ in range(4):
            page.get_by_role("slider").press("ArrowRight")
        expect(now).not_to_have_text(said, timeout=LONG)
        expect(formula).not_to_have_text(shown, timeout=LONG)
        check(page, lesson, 15)


def test_next_leads_through_all_lessons_on_a_projector(browser, server):
    with screen(browser, 1920, 1080) as page:
        page.goto(f"{server}/learn")
        for lesson in PICTURES:
            check(page, lesson, 20)
            if lesson < len(LESSONS):
                page.get_by_role("button", name="Next").click()
                expect(page).to_have_url(f"{server}/learn?lesson={lesson + 1}", timeout=LONG)


def test_a_link_with_a_position_opens_there(browser, server):
    with screen(browser, 1280, 800) as page:
        page.goto(f"{server}/learn?lesson=4&novelty=0.2")
        expect(page.get_by_role("slider")).to_have_attribute("aria-valuetext", "0.2", timeout=LONG)
        expect(page.locator(".st-key-now")).to_contain_text("came back into use", timeout=LONG)
