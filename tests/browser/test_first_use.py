"""What a first-time user stumbled over."""

import re

from playwright.sync_api import expect


def test_the_readout_follows_the_prediction_under_a_still_pointer(surface):
    out = surface.root.locator("[data-out=where]")
    before = surface.facts()
    surface.page.keyboard.press("3")
    surface.drag((0.45, 0.45), (0.5, 0.5), (0.55, 0.5))
    surface.settled()
    surface.wait(lambda facts: facts["prediction"] != before["prediction"])
    shown = out.inner_text()
    surface.page.mouse.move(*surface.place(0.552, 0.5))
    surface.page.mouse.move(*surface.place(0.55, 0.5))
    assert out.inner_text() == shown


def test_a_step_into_the_past_leaves_the_slider_as_wide_and_offers_no_refit(surface):
    slider = surface.root.locator("[data-input=version]")
    wide = slider.bounding_box()
    slider.focus()
    slider.press("ArrowLeft")
    surface.wait(lambda facts: facts["past"] == "yes")
    assert slider.bounding_box() == wide
    status = surface.root.get_by_test_id("status")
    expect(status).to_contain_text("under today's metric")
    expect(status).not_to_contain_text("since")
    expect(surface.root.locator("[data-do=refit]")).to_have_count(0)
    surface.root.get_by_role("button", name="Back to now").click()
    surface.wait(lambda facts: facts["past"] == "no")


def test_voters_add_up_and_a_message_goes_with_the_next_action(surface):
    surface.page.keyboard.press("1")
    surface.drag((0.60, 0.55), (0.66, 0.60))
    surface.settled()
    surface.click(0.66, 0.60, button="right")
    surface.settled()
    expect(surface.why).to_contain_text(re.compile(r"voters?"))
    surface.why.locator(".card .more").first.click()
    surface.why.get_by_role("button", name=re.compile("Remove its stroke")).click()
    said = surface.root.locator("[data-out=said]")
    expect(said).to_be_visible()
    surface.page.keyboard.press("z")
    expect(said).to_be_hidden()
