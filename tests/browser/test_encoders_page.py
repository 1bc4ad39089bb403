"""Encoders side by side as a person sees them, and on with another one."""

import re

from playwright.sync_api import expect

from tests.browser.surface import PATIENCE

LONG = 1000 * PATIENCE * 4  # a few encoders, one after the other, on a busy machine


def test_encoders_side_by_side_then_a_project_with_another_one(surface):
    page, project = surface.page, surface.facts()["project"]
    page.get_by_role("link", name="Encoders").click()
    for name in ("conv_pyramid",):  # quicker with two
        page.get_by_test_id("stMultiSelect").get_by_role("button", name=re.compile(f"{name}")).first.click()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible(timeout=LONG)
    expect(page.get_by_role("progressbar")).to_have_count(0, timeout=LONG)
    pictures = page.get_by_test_id("stImage").locator("img")
    expect(pictures).to_have_count(5, timeout=LONG)  # the sample, and features and prediction of two encoders
    assert all(picture.evaluate("one => one.naturalWidth > 100") for picture in pictures.all())
    expect(page.get_by_text("in use", exact=True)).to_be_visible()
    page.get_by_role("button", name="Use this encoder").first.click()
    page.get_by_role("button", name="Make the project").click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Open it").click(timeout=LONG)
    expect(page.get_by_text("is ready")).to_have_count(0, timeout=LONG)
    page.get_by_role("link", name="Annotate").click()
    facts = surface.wait(lambda facts: facts.get("project") not in (None, project) and facts.get("prediction"))
    assert facts["project"].endswith("-skimage")
