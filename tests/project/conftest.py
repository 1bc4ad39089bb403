"""The project that most tests here begin with; a file whose tests begin otherwise has a fixture `project` of its own."""

import pytest

from tests.project.painter import new_project, teach


@pytest.fixture
def fresh(tmp_path):
    """A project of two samples, `first` and `second`, without examples."""
    made, (made.first, made.second) = new_project(tmp_path / "p")
    with made:
        yield made


@pytest.fixture
def project(fresh):
    """The same with three classes painted on the first sample."""
    teach(fresh, fresh.first)
    return fresh
