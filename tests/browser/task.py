"""One real task from the first click: make a project, add a sample, paint what a person sees, and score what comes out.

Strokes follow the known labels, as a person follows what is in the picture: short lines in the middle of things.
"""

import math

import numpy as np
import pytest
from playwright.sync_api import expect

from parmesan_engine.evaluation import Score
from parmesan_engine.gestures import Stroke
from parmesan_engine.io import open_dataset
from parmesan_engine.project import Project
from parmesan_engine.project.demo import demo_strokes
from parmesan_engine.types import TaskSpec
from tests.browser.surface import Surface
from tests.test_real_data import DATA


class Task:
    """A project of one dataset's classes, made by hand in the browser. truth: labels of the sample, negative where unknown."""

    def __init__(self, surface: Surface, home, name: str, dataset: str, split: str = "train", number: int = 0) -> None:
        if not (DATA / dataset).exists():
            pytest.skip(f"{dataset} is not in shared/data")
        self.surface, self.page, self.folder = surface, surface.page, home / name
        self.dataset = open_dataset(DATA / dataset)
        self.task: TaskSpec = self.dataset.task
        self.item = self.dataset.items(split)[number]
        self.truth = self.dataset.read_label(self.item)
        self._create(name)
        self._add_sample(self.item.image_path)

    def _create(self, name: str) -> None:
        title = self.page.get_by_label("Project name")
        while not title.is_visible():  # a run of the page that is under way closes the box
            self.page.get_by_role("button", name="New project").click()
            self.page.wait_for_timeout(1000)
        title.fill(name)
        title.press("Tab")
        classes = self.page.get_by_label("Classes, separated by commas")
        classes.fill(", ".join(self.task.classes))
        classes.press("Tab")
        self.page.get_by_role("button", name="Create", exact=True).click()
        expect(self.page.get_by_text("Add a first sample")).to_be_visible()

    def _add_sample(self, path) -> None:
        box = self.page.get_by_role("textbox", name="or a path on this machine").first
        box.fill(str(path))
        box.press("Enter")
        self.surface.wait(lambda facts: facts.get("project") == self.folder.name and facts.get("sample"))

    def paint(self, strokes: list[Stroke]) -> dict[str, str]:
        """Draw strokes with the mouse, each with the class key that a person would press."""
        for stroke in strokes:
            self.page.keyboard.press(str(stroke.label + 1))
            if stroke.kind == "brush":
                self.surface.root.locator("[data-input=size]").fill(str(round(100 * math.log(max(2 * stroke.radius, 1), 128))))
            self.surface.draw(stroke.points)
        return self.surface.settled()

    def strokes(self, plane: int | None = None) -> list[Stroke]:
        """Return a few short strokes per class, in the whole sample or in one slice."""
        return demo_strokes(self.truth if plane is None else self.truth[plane])

    def corrections(self) -> list[Stroke]:
        """Return strokes where the prediction is wrong, as a person paints them who looks at it."""
        with Project.open(self.folder) as project:
            found = project.predict(project.samples()[0].id).labels
        return demo_strokes(np.where(found == self.truth, -1, self.truth))

    def scores(self) -> tuple[float, float]:
        """Return (miou of the prediction, the best miou that one answer for every pixel can reach)."""
        with Project.open(self.folder) as project:
            found = project.predict(project.samples()[0].id).labels
        return self._miou(found), max(self._miou(np.full_like(self.truth, label)) for label in range(len(self.task.classes)))

    def _miou(self, labels: np.ndarray) -> float:
        score = Score(self.task)
        score.add(self.truth, labels)
        return score.result()["miou"]
