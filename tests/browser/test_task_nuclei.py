"""Nuclei: labelled, exported, and the exported labels taken into another project, which then sees the same nuclei."""

import io
import zipfile

import numpy as np
from PIL import Image
from playwright.sync_api import expect

from parmesan_engine.project import Project
from tests.browser.task import Task


def test_labels_go_out_and_come_in_again(surface, home, tmp_path):
    task = Task(surface, home, "nuclei", "nuclei_dsb2018")
    task.paint(task.strokes())
    ours, constant = task.scores()
    assert ours > constant + 0.1

    page = surface.page
    page.get_by_role("link", name="Export").click()
    page.get_by_role("button", name="Export 1 sample").click()
    page.get_by_text("made by version").wait_for(timeout=120_000)
    labels = exported_labels(page.request.get(page.get_by_role("link", name="Download").first.evaluate("link => link.href")).body())
    assert set(np.unique(labels)) <= {0, 1} and labels.shape == task.truth.shape
    file = tmp_path / "labels.png"
    Image.fromarray(labels).save(file)

    page.get_by_role("link", name="Annotate").click()
    again = Task(surface, home, "nuclei-again", "nuclei_dsb2018")
    page.get_by_text("Add labels", exact=True).first.click()
    box = page.get_by_role("textbox", name="or a path on this machine").last
    box.fill(str(file))
    box.press("Enter")
    page.get_by_role("button", name="Add labels", exact=True).click()
    expect(page.get_by_text("examples added from labels.png")).to_be_visible()
    with Project.open(again.folder) as project:
        predicted = project.predict(project.samples()[0].id).labels
    assert (predicted == labels).mean() > 0.9


def exported_labels(body: bytes) -> np.ndarray:
    """Return the (height, width) label image in an export."""
    with zipfile.ZipFile(io.BytesIO(body)) as packed:
        name = next(name for name in packed.namelist() if name.endswith(".png"))
        return np.asarray(Image.open(io.BytesIO(packed.read(name))))
