"""Methods side by side as a person sees them: answers as they come, errors, another sample, cancel."""

import re

from playwright.sync_api import expect

from pages import _contest
from tests.browser.surface import PATIENCE

LONG = 1000 * PATIENCE * 4  # a few methods, one after the other, on a busy machine


def test_methods_side_by_side_on_one_sample_then_on_another(surface):
    page = surface.page
    page.get_by_role("link", name="Compare").click()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text(re.compile("All . agree on"))).to_be_visible(timeout=LONG)
    expect(page.get_by_role("progressbar")).to_have_count(0, timeout=LONG)
    pictures, methods = page.get_by_test_id("stImage").locator("img"), len(set(_contest.FIRST) & set(_contest.offered()))
    expect(pictures).to_have_count(methods + 3)  # the sample, its truth, where they disagree
    assert all(picture.evaluate("one => one.naturalWidth > 100") for picture in pictures.all())
    expect(page.get_by_text(re.compile(r"^mean IoU 0\.\d{3}"))).to_have_count(methods)
    page.get_by_role("radio", name="Errors").click()
    expect(pictures).to_have_count(methods + 2)
    page.get_by_text("tissue-1").click()
    expect(page.get_by_text("none of this sample")).to_be_visible(timeout=LONG)
    expect(page.get_by_text(re.compile(r"^mean IoU 0\.\d{3}"))).to_have_count(methods, timeout=LONG)


def test_what_is_done_is_shown_while_others_learn_and_the_rest_can_be_cancelled(surface):
    page = surface.page
    page.get_by_role("link", name="Compare").click()
    box = page.get_by_role("combobox", name="Methods")
    for text in ("knn:k=7", "unet:minutes=30"):
        box.fill(text)
        page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text("unet:minutes=30: learning")).to_be_visible(timeout=LONG)
    done = page.get_by_test_id("stMarkdown").get_by_text("knn:k=7", exact=True)
    expect(done).to_be_visible(timeout=LONG)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled: unet")).to_be_visible(timeout=LONG)
    expect(done).to_be_visible()
