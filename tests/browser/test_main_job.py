"""The main job in a real browser: paint, see the prediction change, ask why, forget, see the old picture again."""

import re

from playwright.sync_api import expect


def test_paint_ask_why_forget(surface):
    page, before = surface.page, surface.facts()
    page.mouse.move(*surface.place(0.5, 0.5))
    page.mouse.wheel(0, -300)
    zoom = surface.root.locator("[data-out=zoom]").inner_text()

    page.keyboard.press("1")
    surface.drag((0.60, 0.55), (0.66, 0.60), (0.70, 0.55))
    painted = surface.settled()
    assert painted["version"] != before["version"]
    assert painted["prediction"] != before["prediction"] and painted["painted"] != before["painted"]
    assert surface.root.locator("[data-out=zoom]").inner_text() == zoom, "the zoom survives an update"
    expect(surface.root.get_by_role("radio", name="background", exact=False).first).to_have_attribute("aria-checked", "true")

    page.keyboard.press("i")
    surface.click(0.66, 0.60)
    surface.settled()
    expect(surface.why).to_have_attribute("data-state", "explained")
    cards = surface.why.locator(".card")
    expect(cards.first).to_contain_text("background")
    expect(cards.first).to_contain_text("tissue-0")
    assert cards.count() >= 2 and "similarity" in cards.first.inner_text()
    assert cards.first.locator("img").evaluate("image => image.complete && image.naturalWidth") > 0

    cards.first.locator(".more").click()
    surface.why.get_by_role("button", name=re.compile("Remove its stroke")).click()
    after = surface.wait(lambda facts: facts["version"] == before["version"] and facts["prediction"] == before["prediction"])
    assert after["painted"] == before["painted"]


def test_quick_strokes_lose_nothing_and_undo_takes_back_each(surface):
    """Strokes come faster than the script reruns: Streamlit merges the requests, the log does not lose any."""
    before = surface.facts()
    surface.page.keyboard.press("2")
    for i in range(8):
        surface.drag((0.35 + 0.03 * i, 0.30), (0.36 + 0.03 * i, 0.33), steps=2)
    painted = surface.settled()
    assert painted["seq"] == "8"
    for _ in range(8):
        surface.page.keyboard.press("z")
    assert surface.settled()["version"] == before["version"]
    assert surface.wait(lambda facts: facts["prediction"] == before["prediction"])


def test_every_tool_draws(surface):
    page = surface.page
    known = {surface.facts()["painted"]}
    page.keyboard.press("3")

    def new_examples() -> None:
        known.add(surface.wait(lambda facts: facts["seq"] == facts["acked"] and facts["painted"] not in known)["painted"])

    page.keyboard.press("l")
    surface.drag((0.40, 0.40), (0.44, 0.40), (0.44, 0.45), (0.40, 0.45))
    new_examples()
    page.keyboard.press("p")
    for corner in ((0.50, 0.40), (0.54, 0.40), (0.52, 0.45)):
        surface.click(*corner)
    page.keyboard.press("Enter")
    new_examples()
    page.keyboard.press("o")
    surface.click(0.60, 0.40)
    new_examples()
    page.keyboard.press("e")
    surface.drag((0.42, 0.42), (0.43, 0.43))
    new_examples()
    for _ in range(4):
        page.keyboard.press("z")
    surface.settled()


def test_painting_and_asking_without_a_pointer(surface):
    page, before = surface.page, surface.facts()
    page.locator("canvas.view").focus()
    page.keyboard.press("3")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("t")
    assert surface.settled()["painted"] != before["painted"]
    page.keyboard.press("Enter")
    surface.settled()
    expect(surface.why).to_have_attribute("data-state", "explained")
    width, height = 384, 384
    expect(surface.why).to_contain_text(f"x {width // 2 - 30}, y {height // 2 - 1}")
    page.keyboard.press("z")
    assert surface.settled()["version"] == before["version"]


def test_history_slider_shows_the_past_read_only(surface):
    now = surface.facts()
    slider = surface.root.locator("[data-input=version]")
    slider.focus()
    slider.press("ArrowLeft")
    past = surface.wait(lambda facts: facts["past"] == "yes" and facts["prediction"] not in ("", now["prediction"]))
    surface.page.keyboard.press("b")
    surface.drag((0.5, 0.5), (0.55, 0.5))
    assert surface.facts()["seq"] == past["seq"], "nothing is drawn on the past"
    surface.root.get_by_role("button", name="Back to now").click()
    surface.wait(lambda facts: facts["past"] == "no" and facts["prediction"] == now["prediction"])


def test_signal(surface):
    signal = surface.open("Heartbeat (1D)", "demo-1d")
    assert signal["dims"] == "1"
    expect(surface.root.locator("[data-tool=interval]")).to_have_attribute("aria-checked", "true")
    surface.drag((0.30, 0.5), (0.33, 0.5))
    assert surface.settled()["painted"] != signal["painted"]
    surface.page.keyboard.press("z")
    assert surface.wait(lambda facts: facts["seq"] == facts["acked"] == "2")["version"] == signal["version"]
    surface.click(0.5, 0.5, button="right")
    expect(surface.why).to_have_attribute("data-state", "explained")


def test_the_memory_page_and_back(surface):
    before = surface.facts()
    surface.page.get_by_role("link", name="Memory").click()
    expect(surface.page.get_by_text("Size on disk")).to_be_visible()
    expect(surface.page.locator(".gallery img").first).to_be_visible()
    surface.page.get_by_role("link", name="Annotate").click()
    assert surface.wait_for_picture()["prediction"] == before["prediction"]
