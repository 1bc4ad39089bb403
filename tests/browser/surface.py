"""The canvas as a person uses it, and what it tells about itself."""

import time

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

    def place(self, x: float, y: float) -> tuple[float, float]:
        """The point of the screen at shares (x, y) of the stage."""
        box = self.page.locator("canvas.view").bounding_box()
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def drag(self, *points: tuple[float, float], steps: int = 6) -> None:
        self.page.mouse.move(*self.place(*points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.place(*point), steps=steps)
        self.page.mouse.up()

    def click(self, x: float, y: float, **options) -> None:
        self.page.mouse.click(*self.place(x, y), **options)
