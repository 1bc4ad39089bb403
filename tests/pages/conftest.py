"""One folder of projects for all page tests; each test gets an empty, quick project of its own beside the demos."""

import itertools

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages import _state
from pages._shelf import HOME
from parmesan_engine.gestures import Stroke
from parmesan_engine.types import Sample, TaskSpec
from tests.pages.choosing import choose
from tests.pages.component import ROOT

_numbers = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME, str(folder))
        _state.shelf.clear()
        yield folder
        _state.shelf.clear()


@pytest.fixture
def picture():
    """A project with one small picture, left half dark, right half bright, one stroke in each: (name, project, sample id)."""
    task = TaskSpec("segmentation", ("dark", "bright"), ((0, 114, 178), (230, 159, 0)))
    name = _state.shelf().create(f"picture-{next(_numbers)}", task)
    project = _state.shelf().project(name)
    rng = np.random.default_rng(0)
    array = np.where(np.arange(48) < 24, 60, 190)[None, None] + rng.integers(-20, 20, (3, 32, 48))
    sample = project.add_sample(Sample(array.astype(np.uint8), "two halves"))
    for x, label in ((10.5, 0), (38.5, 1)):
        stroke = Stroke("brush", [(x, 8), (x, 20)], radius=2, label=label)
        project.annotate(sample.id, [stroke], author="tester", gesture_id=f"first-{label}")
    return name, project, sample.id


@pytest.fixture
def at():
    return AppTest.from_file(str(ROOT / "pages" / "main.py"), default_timeout=60)


@pytest.fixture
def page(at, picture):
    """The Annotate page with that project open."""
    at.run()
    choose(at, picture[0])
    return at.run()
