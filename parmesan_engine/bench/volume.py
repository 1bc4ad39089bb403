"""A 512x512x256 volume of 16 bits, opened and annotated in the app: how much memory the server takes at most, and how long each step.

The volume is a NIfTI file that the app reads from its path, as a user gives it; then strokes in several slices.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from parmesan_engine.bench.app import NAME, PATIENCE_MS, SEED, VIEW, choose_project, drag
from parmesan_engine.bench.studio import Studio, chromium, studio
from parmesan_engine.project import Project
from parmesan_engine.synthetic import demo_task

SHAPE, QUICK_SHAPE = (512, 512, 256), (128, 128, 64)
SPACING = (0.7, 0.7, 1.2)  # mm
COARSE = 8  # voxels between the values from which the tissue is interpolated
STROKES = 6


def run(quick: bool) -> dict[str, Any]:
    """Return {shape, bytes, open_s, first_stroke_s, stroke_s[], idle_mb, peak_mb, server_mb[]}; MB are 1e6 bytes."""
    shape = QUICK_SHAPE if quick else SHAPE
    with tempfile.TemporaryDirectory() as folder:
        home, file = Path(folder) / "home", Path(folder) / "scan.nii"
        _write(file, shape)
        Project.create(home / NAME, name=NAME, task=demo_task(3)).close()
        with studio(home) as app, chromium() as browser:
            measured = _annotate(app, browser, file)
    return {"shape": list(shape), "bytes": 2 * int(np.prod(shape)), **measured}


def _write(file: Path, shape: tuple[int, int, int]) -> None:
    """Write a volume of smooth bodies with noise, uint16, a slice at a time."""
    random = np.random.default_rng(SEED)
    coarse = gaussian_filter(random.standard_normal([n // COARSE for n in shape], dtype=np.float32), 3)
    bodies = zoom(coarse / coarse.std(), COARSE, order=1)
    volume = np.empty(shape, np.uint16)
    for z in range(shape[2]):
        volume[..., z] = np.clip(20_000 + 8_000 * np.tanh(3 * bodies[..., z]) + random.normal(0, 800, shape[:2]), 0, 65_535)
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([*SPACING, 1])), file)


def _annotate(app: Studio, browser: Any, file: Path) -> dict[str, Any]:
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(app.address)
    choose_project(page, NAME)
    path = page.get_by_role("textbox", name="or a path on this machine").first
    path.wait_for()
    memory = [app.mb()]
    start = time.perf_counter()
    path.fill(str(file))
    path.press("Enter")
    page.locator(f'[data-testid=canvas][data-project="{NAME}"][data-sample]').wait_for()
    opened = time.perf_counter() - start
    memory.append(app.mb())
    box, took = page.locator(VIEW).first.bounding_box(), []
    for number in range(STROKES):
        x, y = (box[corner] + box[size] * (0.35 + 0.06 * number) for corner, size in (("x", "width"), ("y", "height")))
        page.keyboard.press(str(1 + number % 3))
        start = time.perf_counter()
        drag(page, (x, y), (x + 30, y + 12))
        page.locator(f'[data-testid=canvas][data-seq="{number + 1}"][data-acked="{number + 1}"]:not([data-prediction=""])').wait_for()
        took.append(round(time.perf_counter() - start, 2))
        memory.append(app.mb())
        page.keyboard.press("PageUp")
    return {"open_s": round(opened, 1), "first_stroke_s": took[0], "stroke_s": took[1:], "idle_mb": round(memory[0], 1),
            "peak_mb": round(app.peak_mb(), 1), "server_mb": [round(value, 1) for value in memory]}
