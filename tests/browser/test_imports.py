"""A scan as a scanner leaves it and the labels somebody made of it: both go in through the sidebar, and the prediction is there."""

import nibabel
import numpy as np
import pytest
from playwright.sync_api import expect

from parmesan_engine.project import Project
from tests.helpers import TASK
from tests.io.test_dicom import series


@pytest.fixture
def server_home(server, tmp_path_factory):
    """The folder of the running app's projects (see `conftest.server`)."""
    return tmp_path_factory.getbasetemp() / "server0" / "home"


def test_a_dicom_series_and_its_labels_from_another_tool(surface, server_home, tmp_path):
    labels = np.zeros((12, 40, 44), np.uint8)
    labels[3:9, 10:30, 8:30] = 1
    noise = np.random.default_rng(0).normal(0, 60, labels.shape)
    scan = series(tmp_path / "scan", (1000 + 1500.0 * labels + noise).astype(np.uint16), SeriesDescription="knee")
    page = surface.page
    Project.create(server_home / "knees", name="knees", task=TASK).close()
    page.reload()
    surface.wait_for_picture()
    page.get_by_test_id("stSelectbox").locator("input").first.click()
    page.get_by_role("option", name="knees").click()
    page.get_by_text("Add a first sample").wait_for()
    surface.upload(sorted(scan.iterdir()))
    facts = surface.wait(lambda facts: facts["project"] == "knees" and facts["dims"] == "3")
    expect(page.get_by_test_id("stSidebar").get_by_text("12 × 40 × 44")).to_be_visible()
    # another tool stores the same volume with its rows from the back, and says so in the affine
    place = np.diag([-0.75, 0.5, 2.5, 1.0])
    place[:3, 3] = 10, -20 - 39 * 0.5, 30
    nibabel.Nifti1Image(labels[:, ::-1].T, place).to_filename(tmp_path / "labels.nii.gz")
    surface.upload(tmp_path / "labels.nii.gz", "Add labels")
    page.get_by_role("button", name="Add labels", exact=True).click()
    expect(page.get_by_text("examples added from labels.nii.gz")).to_be_visible(timeout=40_000)
    expect(page.get_by_text("axes of the labels turned")).to_be_visible()
    after = surface.wait(lambda seen: seen["version"] != facts["version"] and seen["prediction"])
    assert after["painted"] != facts["painted"]
