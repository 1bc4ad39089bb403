"""What goes wrong between hand and server: a picture that does not arrive, an aim that is broken off."""

PICTURES = "**/picture/**"


def test_a_picture_that_does_not_arrive_holds_up_nothing_and_comes_later(second):
    page, first = second.page, second.facts()
    page.route(PICTURES, lambda route: route.abort())
    page.get_by_test_id("stRadio").get_by_text("tissue-1").click()
    other = second.wait(lambda facts: facts["sample"] != first["sample"] and facts["prediction"])
    assert other["picture"] == ""
    page.locator("canvas.view").focus()
    page.keyboard.press("2")
    second.drag((0.60, 0.55), (0.64, 0.58))
    assert second.settled()["version"] != first["version"], "the stroke was taken up"
    page.unroute(PICTURES)
    second.wait(lambda facts: facts["picture"] == "yes")
    page.keyboard.press("z")
    second.settled()


def test_a_slice_that_does_not_arrive_does_not_hold_up_strokes(second):
    page = second.page
    before = second.open("Scan volume (3D)", "demo-3d")
    second.click(0.5, 0.5, pane=0, button="middle")  # keys go to the canvas
    page.route("**/prediction/**", lambda route: route.abort())
    page.keyboard.press("2")
    second.drag((0.4, 0.4), (0.45, 0.45))
    after = second.settled()
    assert after["version"] != before["version"] and after["prediction"] == before["prediction"]
    page.unroute("**/prediction/**")
    second.wait(lambda facts: facts["prediction"] != before["prediction"])
    page.keyboard.press("z")
    second.settled()


def test_an_aim_that_is_broken_off_leaves_no_mark(surface):
    page, view = surface.page, surface.page.locator("canvas.view")
    pixels = "canvas => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(canvas.toDataURL()))))"
    view.focus()
    page.keyboard.press("i")
    page.mouse.move(*surface.place(0.4, 0.4))
    before = view.evaluate(pixels)
    page.mouse.down()
    page.mouse.move(*surface.place(0.6, 0.6), steps=3)
    assert view.evaluate(pixels) != before, "the mark follows the pointer"
    view.evaluate("canvas => canvas.dispatchEvent(new PointerEvent('pointercancel', {pointerId: 1}))")
    assert view.evaluate(pixels) == before
    page.mouse.up()
