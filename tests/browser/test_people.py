"""Several people, and one person who comes back: two browsers on one project, a reload, light and dark, the keyboard alone."""

import re

from playwright.sync_api import expect

from tests.browser.surface import Surface


def call_oneself(surface: Surface, name: str) -> None:
    field = surface.page.get_by_role("textbox", name="You are")
    field.fill(name)
    field.press("Enter")
    surface.page.locator("canvas.view").focus()


def test_two_browsers_see_each_other_and_each_others_strokes(surface, second):
    call_oneself(surface, "Ann")
    call_oneself(second, "Bob")
    expect(surface.page.get_by_test_id("company")).to_contain_text("Bob on tissue-0")
    expect(second.page.get_by_test_id("company")).to_contain_text("Ann on tissue-0")
    before = surface.facts()
    surface.page.keyboard.press("2")
    surface.drag((0.60, 0.55), (0.64, 0.58))
    second.page.keyboard.press("1")
    second.drag((0.35, 0.30), (0.39, 0.33))  # at once: one waits for the other, nothing is lost
    mine, yours = surface.settled(), second.settled()
    both = surface.wait(lambda facts: facts["version"] not in (before["version"], mine["version"]) or facts["version"] == yours["version"])
    assert second.wait(lambda facts: facts["version"] == both["version"] and facts["prediction"] == both["prediction"])
    for _ in range(2):  # the newest change first, whoever made it
        second.page.keyboard.press("z")
        second.settled()
    expect(second.root.locator("[data-out=said]")).to_contain_text(re.compile("Undone: painting by (Ann|Bob)"))
    surface.wait(lambda facts: facts["version"] == before["version"] and facts["prediction"] == before["prediction"])


def test_a_reload_leads_back_to_where_one_was(surface):
    page = surface.page
    call_oneself(surface, "Cleo")
    first = surface.facts()["sample"]
    page.get_by_test_id("stRadio").get_by_text("tissue-1").click()
    there = surface.wait(lambda facts: facts["sample"] != first and facts["prediction"])
    page.locator("canvas.view").focus()
    page.keyboard.press("l")
    for _ in range(3):
        page.keyboard.press("+")
    page.wait_for_timeout(500)
    zoom = surface.root.locator("[data-out=zoom]").inner_text()  # written with the picture, not with the key
    page.reload()
    assert surface.wait_for_picture()["sample"] == there["sample"]
    expect(page.get_by_role("textbox", name="You are")).to_have_value("Cleo")
    expect(surface.root.locator("[data-tool=lasso]")).to_have_attribute("aria-checked", "true")
    expect(surface.root.locator("[data-out=zoom]")).to_have_text(zoom)


def test_light_and_dark_are_one_choice_away(surface):
    page, ground = surface.page, "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
    colors = {}
    for name in ("Dark", "Light"):
        page.get_by_test_id("stMainMenu").click()
        page.get_by_test_id(f"stMainMenuItem-theme-{name}").click()
        page.keyboard.press("Escape")
        page.wait_for_timeout(600)
        colors[name] = page.evaluate(ground)
    assert colors == {"Dark": "rgb(20, 24, 29)", "Light": "rgb(255, 255, 255)"}


def test_every_control_is_reached_by_the_tab_key_and_shows_it(surface):
    page = surface.page
    page.evaluate("document.activeElement.blur()")
    seen, hidden = set(), []
    for _ in range(120):
        page.keyboard.press("Tab")
        name, outlined = page.evaluate(FOCUSED)
        if name in seen and name.startswith("tool") and len(seen) > 25:
            break
        seen.add(name)
        if not outlined:
            hidden.append(name)
    wanted = {"canvas", "do undo", "do help", "do next", "input size", "input version"}
    words = " ".join(seen)
    assert not {part for part in wanted if part not in words}, sorted(seen)
    for word in ("Project", "You are", "Annotate", "Memory", "Classes"):
        assert word in words, (word, sorted(seen))
    assert not hidden, hidden


# What has the focus, and whether one sees it: an outline, on itself or on the label around it.
FOCUSED = """() => {
  let node = document.activeElement;
  while (node.shadowRoot && node.shadowRoot.activeElement) node = node.shadowRoot.activeElement;
  const data = node.dataset || {}, kind = ['tool', 'do', 'input', 'layer', 'label', 'axis'].find((one) => data[one] !== undefined);
  const name = node.tagName === 'BODY' ? 'body' : node.tagName === 'CANVAS' ? 'canvas' : kind ? `${kind} ${data[kind]}`
    : (node.getAttribute('aria-label') || node.innerText || node.title || node.dataset.testid || node.tagName).trim().slice(0, 60);
  if (node.tagName === 'BODY') return ['body', true]; // between the end of the page and its beginning
  const seen = (one) => one && getComputedStyle(one).outlineStyle !== 'none' && parseFloat(getComputedStyle(one).outlineWidth) > 0;
  const shown = seen(node) || seen(node.closest('label'));
  return [name, shown];
}"""
