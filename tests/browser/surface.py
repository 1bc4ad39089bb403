"""The canvas as a person uses it, and what it tells about itself."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page

PATIENCE = 40  # seconds; every wait is bounded


class Surface:
    def __init__(self, page: Page) -> None:
        self.page = page
        self.root = page.locator("[data-testid=canvas]")
        self.why = page.locator("[data-testid=why]")

    def facts(self) -> dict[str, str]:
        """What the canvas shows: version, hashes of the prediction and the painted examples, operations sent and acknowledged."""
        return self.root.evaluate("element => ({...element.dataset})")

    def wait_for_picture(self) -> dict[str, str]:
        return self.wait(lambda facts: facts.get("prediction"))

    def settled(self) -> dict[str, str]:
        """Wait until the server has carried out all that was sent."""
        return self.wait(lambda facts: facts["seq"] == facts["acked"])

    def wait(self, condition) -> dict[str, str]:
        end = time.monotonic() + PATIENCE
        self.root.wait_for()
        while time.monotonic() < end:
            facts = self.facts()
            if condition(facts):
                return facts
            time.sleep(0.02)
        raise AssertionError(f"waited {PATIENCE} s in vain: {facts}")

    def place(self, x: float, y: float, pane: int = 0) -> tuple[float, float]:
        """The point of the screen at shares (x, y) of the picture, or of one of the three slices of a volume."""
        box = self.page.locator("canvas.view").nth(pane).bounding_box()
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def drag(self, *points: tuple[float, float], steps: int = 6, pane: int = 0, button: str = "left") -> None:
        self.page.mouse.move(*self.place(*points[0], pane))
        self.page.mouse.down(button=button)
        for point in points[1:]:
            self.page.mouse.move(*self.place(*point, pane), steps=steps)
        self.page.mouse.up(button=button)

    def click(self, x: float, y: float, pane: int = 0, **options) -> None:
        self.page.mouse.click(*self.place(x, y, pane), **options)

    def upload(self, files, into: str = "Add samples") -> None:
        """Put files into one of the sidebar's drop zones. files: as Playwright takes them."""
        zone = self.page.get_by_test_id("stExpander").filter(has=self.page.get_by_text(into, exact=True))
        if zone.locator("details").get_attribute("open") is None:
            zone.locator("summary").click()
        zone.locator("input[type=file]").set_input_files(files)

    def open(self, title: str, name: str) -> dict[str, str]:
        """Choose a project and wait for its prediction."""
        self.page.get_by_test_id("stSelectbox").locator("input").first.click()
        self.page.get_by_role("option", name=title).click()
        facts = self.wait(lambda facts: facts.get("project") == name and facts["prediction"])
        self.page.keyboard.press("Escape")  # leaves the box, which would take the keys
        return facts

    def spot(self, x: float, y: float, pane: int = 0) -> tuple[float, float]:
        """The point of the screen that shows a place of the picture, in pixels of it."""
        view = self.page.locator("canvas.view").nth(pane)
        box = view.bounding_box()
        left, top, wide, high = map(float, view.get_attribute("data-view").split())
        return box["x"] + left + x * wide, box["y"] + top + y * high

    def draw(self, points, pane: int = 0) -> None:
        """Draw a line through places of the picture."""
        self.page.mouse.move(*self.spot(*points[0], pane))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.spot(*point, pane), steps=4)
        self.page.mouse.up()


@contextmanager
def visit(browser, server: str, problems: list[str]) -> Iterator[Surface]:
    """Open the Annotate page in a fresh browser session, ready to draw on. problems: gets what the console finds wrong."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(server)
    ready = Surface(page)
    ready.wait_for_picture()
    yield ready
    context.close()
