"""From the pen leaving the picture to the new overlay on the screen, in a real browser: 20 strokes on 1024x1024 with 100,000 examples.

The app and Chromium run as programs of their own, as a person has them. The page's clock times each stroke from pointer-up to the
frame after the overlay was drawn; what the server takes of it is read from the page's WebSocket, the engine's share from the app.
"""

import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from parmesan_engine.bench.studio import Studio, chromium, resident_mb, studio
from parmesan_engine.project import Project
from parmesan_engine.project.entries import make_batch, one_hot
from parmesan_engine.synthetic import demo_task, make_2d
from parmesan_engine.types import Sample

SIDE, ENTRIES, STROKES = 1024, 100_000, 20
QUICK = (512, 10_000, 5)
NAME = "bench"  # of the project: its folder and its title
VIEW = "canvas.view"
PAUSE_SECONDS = 0.3  # between strokes, as a quick hand makes it
PATIENCE_MS = 600_000  # for the first picture: every pixel searches the whole memory
STROKE_PATIENCE_MS = 60_000
SEED = 0

WATCH = """(() => {
  const bench = (window.bench = { strokes: [], clock: null });
  const Plain = window.WebSocket;
  window.WebSocket = class extends Plain {
    constructor(...all) {
      super(...all);
      this.addEventListener("message", () => { if (bench.clock) bench.clock.received = performance.now(); });
    }
    send(data) { if (bench.clock && !bench.clock.sent) bench.clock.sent = performance.now(); return super.send(data); }
  };
  addEventListener("pointerup", (event) => {
    const root = event.composedPath().find((node) => node.dataset?.testid === "canvas");
    if (!root) return;
    const before = root.dataset.painted, clock = (bench.clock = { up: performance.now() });
    const look = () => {
      if (root.dataset.seq !== root.dataset.acked || root.dataset.painted === before) return;
      watch.disconnect();
      clock.drawn = performance.now();
      clock.engine = Number(root.dataset.engine);
      requestAnimationFrame(() => setTimeout(() => { clock.shown = performance.now(); bench.strokes.push(clock); bench.clock = null; }));
    };
    const watch = new MutationObserver(look);
    watch.observe(root, { attributes: true });
  }, true);
})()"""


def run(quick: bool) -> dict[str, Any]:
    """Return {stroke_ms{median, p95}, engine_ms, server_ms, strokes, entries, shape, server_mb[], browser_mb[], heap_mb[], ...}.

    engine_ms and server_ms are medians; the lists hold one number before the first stroke and one after each.
    """
    side, entries, strokes = QUICK if quick else (SIDE, ENTRIES, STROKES)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        versions = _make(home / NAME, side, entries)
        with studio(home) as app, chromium() as browser:
            measured = _draw(app, browser, strokes)
        with Project.open(home / NAME) as project:
            carried_out = len(project.history()) - versions
    return {**measured, "entries": entries, "shape": [3, side, side], "strokes": strokes,
            "clicks_fired_twice": max(carried_out - strokes, 0), "strokes_lost": max(strokes - carried_out, 0)}


def _make(path: Path, side: int, entries: int) -> int:
    """Make a project with one picture to work on and so many examples from another; return how many versions it has."""
    task = demo_task(2)
    with Project.create(path, name=NAME, task=task) as project:
        sample, _ = mosaic(side, seed=0)
        project.add_sample(sample)
        other, labels = mosaic(side, seed=1000)
        record = project.add_sample(other)
        pyramid = project.encoder.encode(other, stride=2)
        nodes = np.sort(np.random.default_rng(SEED).permutation(len(pyramid.levels[0].keys))[:entries])
        answers = one_hot(labels[::2, ::2].ravel()[nodes], task.label_dim)
        project.commit([make_batch(pyramid, nodes, answers, sample_id=record.id, sample_hash=record.content_hash, gesture=NAME,
                                   author=NAME, source=NAME, time=time.time())], author=NAME)
        return len(project.history())


def mosaic(side: int, *, seed: int) -> tuple[Sample, np.ndarray]:
    """Return generated tissue (3, side, side) uint8 put together of pieces, and its labels (side, side)."""
    piece = make_2d(seed)[1].shape[0]
    count = -(-side // piece)
    made = [[make_2d(seed + count * y + x) for x in range(count)] for y in range(count)]
    picture = np.concatenate([np.concatenate([sample.array for sample, _ in row], 2) for row in made], 1)
    labels = np.concatenate([np.concatenate([labels for _, labels in row], 1) for row in made], 0)
    return Sample(np.ascontiguousarray(picture[:, :side, :side]), f"tissue {side} x {side}, {seed}"), labels[:side, :side]


def _draw(app: Studio, browser: Any, strokes: int) -> dict[str, Any]:
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.add_init_script(WATCH)
    begun = time.perf_counter()
    open_project(page, app.address, NAME)
    opened = time.perf_counter() - begun
    box = page.locator(VIEW).first.bounding_box()
    hand = random.Random(SEED)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -250)
    zoom, page_memory = _zoom(page), PageMemory(browser, page)
    memory = [(app.mb(), *page_memory.mb())]
    for number in range(strokes):
        page.keyboard.press(str(1 + number % 3))
        _stroke(page, box, hand)
        page.wait_for_function("count => window.bench.strokes.length === count", arg=number + 1, timeout=STROKE_PATIENCE_MS)
        memory.append((app.mb(), *page_memory.mb()))
        time.sleep(PAUSE_SECONDS)
    clocks = page.evaluate("window.bench.strokes")
    server, process, heap = ([round(value, 1) for value in column] for column in zip(*memory, strict=True))
    return {**_times(clocks), "open_s": round(opened, 1), "server_mb": server, "browser_mb": process, "heap_mb": heap,
            "zoom_kept": _zoom(page) == zoom}


def open_project(page: Any, address: str, title: str) -> None:
    """Go to the app and open a project; return when its prediction is on the screen."""
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    choose_project(page, title)
    page.locator(f'[data-testid=canvas][data-project="{title}"][data-prediction]:not([data-prediction=""])').wait_for()


def choose_project(page: Any, title: str) -> None:
    """Open a project from the list in the sidebar."""
    page.locator("[data-testid=canvas]").wait_for()
    page.get_by_test_id("stSelectbox").locator("input").first.click()
    page.get_by_role("option", name=title, exact=True).click()


def drag(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw from one point of the screen to another."""
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=8)
    page.mouse.up()


def _stroke(page: Any, box: dict[str, float], hand: random.Random) -> None:
    x, y = (box[corner] + box[size] * hand.uniform(0.25, 0.75) for corner, size in (("x", "width"), ("y", "height")))
    drag(page, (x, y), (x + hand.uniform(-60, 60), y + hand.uniform(-60, 60)))


def _zoom(page: Any) -> str:
    return page.locator("[data-out=zoom]").inner_text()


def _times(clocks: list[dict[str, float]]) -> dict[str, Any]:
    """Return the medians of the parts in ms: the whole, the server's and the engine's share, and the browser's before and after."""
    whole = sorted(clock["shown"] - clock["up"] for clock in clocks)
    ends = {"server_ms": ("sent", "received"), "send_ms": ("up", "sent"), "draw_ms": ("received", "shown")}
    parts = {name: [clock[end] - clock[start] for clock in clocks] for name, (start, end) in ends.items()}
    parts["engine_ms"] = [clock["engine"] for clock in clocks]
    return {"stroke_ms": {"median": round(statistics.median(whole), 1), "p95": round(float(np.percentile(whole, 95)), 1)},
            **{name: round(statistics.median(values), 1) for name, values in parts.items()}}


class PageMemory:
    """What a page holds: its process' resident memory and its script heap, after a collection of garbage."""

    def __init__(self, browser: Any, page: Any) -> None:
        self._page = page.context.new_cdp_session(page)
        self._page.send("Performance.enable")
        known = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
        self._pid = max((int(one["id"]) for one in known if one["type"] == "renderer"), key=resident_mb)

    def mb(self) -> tuple[float, float]:
        """Return (resident, script heap) in MB."""
        self._page.send("HeapProfiler.collectGarbage")
        metrics = {one["name"]: one["value"] for one in self._page.send("Performance.getMetrics")["metrics"]}
        return resident_mb(self._pid), metrics["JSHeapUsedSize"] / 1e6
