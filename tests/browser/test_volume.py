"""Three linked slices in a real browser: scrolling without reruns, painting in any of them, window and level, layouts."""

import pytest
from playwright.sync_api import expect


@pytest.fixture
def volume(surface):
    """The demo volume, the requests for slices that were made, and a way to count the runs of the script."""
    requests = []
    surface.page.on("request", lambda request: requests.append(request.url) if "/api/" in request.url else None)
    surface.open("Scan volume (3D)", "demo-3d")
    surface.click(0.5, 0.5, pane=0, button="middle")  # keys go to the canvas
    surface.requests = requests
    return surface


def at(facts: dict[str, str], name: str = "at") -> list[int]:
    return [int(number) for number in facts[name].split()]


def test_the_wheel_scrolls_one_slice_and_the_crosshair_follows_without_a_rerun(volume):
    before = volume.facts()
    z, y, x = at(before)
    volume.page.mouse.move(*volume.place(0.5, 0.5, 1))
    for _ in range(3):
        volume.page.mouse.wheel(0, 100)
    after = volume.wait(lambda facts: at(facts, "shown") == [z, y + 3, x])
    assert after["rev"] == before["rev"] and at(after) == [z, y + 3, x]
    volume.page.keyboard.press("PageDown")
    volume.wait(lambda facts: at(facts, "shown") == [z, y + 2, x])
    known = len(volume.requests)
    volume.page.keyboard.press("PageUp")
    volume.wait(lambda facts: at(facts, "shown") == [z, y + 3, x])
    assert not [url for url in volume.requests[known:] if url.endswith(f"/1/{y + 3}")], "what was seen is kept"


def test_ctrl_wheel_zooms_and_the_zoom_survives_scrolling_and_painting(volume):
    volume.page.mouse.move(*volume.place(0.4, 0.4))
    volume.page.keyboard.down("Control")
    volume.page.mouse.wheel(0, -100)
    volume.page.keyboard.up("Control")
    zoom = volume.root.locator("[data-out=zoom]")
    shown = zoom.inner_text()
    z, y, x = at(volume.facts())
    volume.page.mouse.wheel(0, 100)
    volume.wait(lambda facts: at(facts, "shown") == [z + 1, y, x])
    volume.page.keyboard.press("2")
    volume.drag((0.4, 0.4), (0.45, 0.45))
    volume.settled()
    assert zoom.inner_text() == shown
    volume.page.keyboard.press("z")
    volume.settled()


@pytest.mark.parametrize("pane", [0, 1, 2])
def test_painting_in_any_slice_changes_it_and_undo_takes_it_back(volume, pane):
    volume.page.mouse.move(*volume.place(0.5, 0.5, pane))
    volume.page.keyboard.press("3")
    wanted = at(volume.facts(), "shown")
    wanted[pane] += 1
    volume.page.mouse.wheel(0, 100)
    before = volume.wait(lambda facts: at(facts, "shown") == wanted)
    volume.drag((0.45, 0.45), (0.52, 0.5), pane=pane)
    painted = volume.settled()
    assert painted["painted"] != before["painted"] and painted["version"] != before["version"]
    assert at(painted, "shown") == wanted
    volume.page.keyboard.press("z")
    assert volume.settled()["version"] == before["version"]
    volume.wait(lambda facts: facts["painted"] == before["painted"] and facts["prediction"] == before["prediction"])


def test_a_right_drag_moves_the_crosshair_and_asks_why(volume):
    volume.drag((0.5, 0.5), (0.42, 0.4), pane=0, button="right")
    facts = volume.settled()
    expect(volume.why).to_have_attribute("data-state", "explained")
    z, y, x = at(facts)
    expect(volume.why).to_contain_text(f"x {x}, y {y}, z {z}")
    assert at(volume.wait(lambda facts: facts["shown"] == facts["at"])) == [z, y, x]


def test_window_and_level_change_the_picture_without_a_rerun(volume):
    before = volume.facts()
    volume.page.keyboard.press("w")
    window = volume.root.locator("[data-input=window]")
    expect(window).to_be_visible()
    width = float(window.input_value())
    volume.drag((0.4, 0.5), (0.6, 0.5))
    assert float(window.input_value()) > width
    window.fill("200")
    window.press("Enter")
    volume.root.locator("[data-input=level]").fill("100")
    volume.root.locator("[data-input=level]").press("Enter")
    volume.root.get_by_role("button", name="Auto").click()
    assert float(window.input_value()) == width
    assert any("/picture/all_0_200/" in url for url in volume.requests)
    assert volume.facts()["version"] == before["version"] and volume.facts()["rev"] == before["rev"]


def test_one_slice_large_alone_and_all_alike(volume):
    views = volume.page.locator("canvas.view")
    small = views.nth(0).bounding_box()["width"]
    volume.page.keyboard.press("m")
    assert views.nth(0).bounding_box()["width"] > 1.2 * small
    expect(views.nth(2)).to_be_visible()
    volume.page.keyboard.press("m")
    expect(views.nth(2)).to_be_hidden()
    volume.page.keyboard.press("m")
    expect(views.nth(2)).to_be_visible()
    assert views.nth(0).bounding_box()["width"] == small


def test_a_ball_reaches_into_the_slices_beside(volume):
    volume.page.keyboard.press("d")
    volume.page.keyboard.press("3")
    z, y, x = at(volume.facts())
    volume.click(0.5, 0.45, pane=0)
    painted = volume.settled()
    volume.page.mouse.wheel(0, 100)
    beside = volume.wait(lambda facts: at(facts, "shown") == [z + 1, y, x])
    volume.page.keyboard.press("z")
    undone = volume.wait(lambda facts: facts["seq"] == facts["acked"] == "2" and facts["painted"] != beside["painted"])
    assert undone["version"] != painted["version"]
    volume.page.keyboard.press("d")


def test_label_next_leads_to_a_place_and_says_why(volume):
    before = volume.facts()
    volume.page.keyboard.press("g")
    facts = volume.wait(lambda facts: facts["seq"] == facts["acked"] == "1" and facts["shown"] == facts["at"])
    assert facts["at"] != before["at"] and facts["version"] == before["version"]
    expect(volume.root.locator("[data-out=said]")).to_contain_text("Label here next")
    expect(volume.why).to_have_attribute("data-state", "explained")


def test_the_prediction_in_three_dimensions(volume):
    volume.root.get_by_role("button", name="3D").click()
    dialog = volume.page.get_by_role("dialog").filter(has_text="three dimensions")
    expect(dialog.locator(".js-plotly-plot .legend")).to_be_visible(timeout=60_000)  # drawn by the processor here
    for name in ("background", "organs", "vessels"):
        expect(dialog.get_by_text(name)).to_be_visible()
    volume.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
