"""The real app on a free port with a fresh folder of projects, and a real Chromium. What is started here is stopped by its own id."""

from pathlib import Path

import pytest

from parmesan_engine.bench import studio as programs
from parmesan_engine.errors import UnknownNameError
from tests.browser.surface import visit


@pytest.fixture(scope="session")
def studio(tmp_path_factory):
    """The running app: its address, its process, and its folder of projects `home`."""
    with programs.studio(tmp_path_factory.mktemp("server") / "home") as running:
        yield running


@pytest.fixture(scope="session")
def server(studio) -> str:
    """The address of the running app."""
    return studio.address


@pytest.fixture(scope="session")
def home(studio) -> Path:
    """The folder of the projects."""
    return studio.home


@pytest.fixture(scope="session")
def browser():
    try:
        with programs.chromium() as running:
            yield running
    except UnknownNameError as error:
        pytest.skip(str(error))


@pytest.fixture
def surface(browser, server):
    """The Annotate page in a fresh browser session, ready to draw on; errors in the console fail the test."""
    problems = []
    with visit(browser, server, problems) as ready:
        yield ready
    assert not problems, problems


@pytest.fixture
def second(browser, server):
    """The same in another browser session; its console may complain."""
    with visit(browser, server, []) as ready:
        yield ready
