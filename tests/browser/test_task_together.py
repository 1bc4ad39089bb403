"""Two browsers at once, and a long run of strokes: nothing is lost, nothing is done twice, nothing grows, the zoom stays."""

import time

from app import COLLECT_SECONDS
from parmesan_engine.bench.app import PageMemory
from parmesan_engine.project import Project

STROKES = 20
HEAP_MB, SERVER_MB = 10, 150  # what 20 strokes may leave behind; a leak of one overlay a stroke would be far beyond


def versions(home) -> int:
    with Project.open(home / "demo-2d") as project:
        return len(project.history())


def test_two_browsers_paint_at_once_and_see_each_other(surface, second, home):
    before = versions(home)
    for number in range(4):
        for each, label, row in ((surface, "1", 0.35), (second, "2", 0.55)):
            each.page.keyboard.press(label)
            each.drag((0.35 + 0.06 * number, row), (0.38 + 0.06 * number, row + 0.03), steps=3)
    mine, theirs = surface.settled(), second.settled()
    assert mine["seq"] == theirs["seq"] == "4"
    assert versions(home) == before + 8
    assert surface.wait(lambda facts: facts["version"] == second.facts()["version"])["version"]
    assert surface.wait(lambda facts: facts["prediction"] == second.facts()["prediction"])


def test_twenty_strokes_leave_memory_flat_and_the_zoom_alone(surface, browser, studio, home):
    page = surface.page
    page.mouse.move(*surface.place(0.5, 0.5))
    page.mouse.wheel(0, -200)
    zoom, memory = surface.root.locator("[data-out=zoom]").inner_text(), PageMemory(browser, page)

    def paint(number: int) -> None:
        page.keyboard.press(str(1 + number % 3))
        surface.drag((0.3 + 0.02 * number, 0.4), (0.31 + 0.02 * number, 0.5), steps=4)
        surface.settled()

    for number in range(6):  # what is loaded once is loaded now
        paint(number)
    done, server, heap = versions(home), rested(studio), memory.mb()[1]
    for number in range(STROKES):
        paint(number)
    assert versions(home) == done + STROKES
    assert surface.root.locator("[data-out=zoom]").inner_text() == zoom
    assert memory.mb()[1] - heap < HEAP_MB
    assert rested(studio) - server < SERVER_MB


def rested(studio) -> float:
    """Return the server's resident MB once its collector has run."""
    time.sleep(COLLECT_SECONDS + 3)
    return studio.mb()
