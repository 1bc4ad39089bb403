"""What a killed process leaves behind goes when the project is opened; what another process may be writing now stays."""

import os
import time

import pytest

from parmesan_engine.project import Project
from tests.project.painter import new_project

HOURS = 2 * 3600


def left_behind(folder, *, since):
    """Make a folder with a file of raw data, last written to some seconds ago."""
    (folder / "part").mkdir(parents=True)
    (folder / "part" / "raw.dcm").write_bytes(b"values")
    then = time.time() - since
    for path in (folder / "part" / "raw.dcm", folder / "part", folder):
        os.utime(path, (then, then))


@pytest.mark.parametrize("place", ["incoming/abc", "cache/part-abc"])
def test_old_leftovers_go_and_young_ones_stay(tmp_path, place):
    project, ids = new_project(tmp_path / "p")
    project.features.get(ids[0])
    project.close()
    left_behind(tmp_path / "p" / place, since=HOURS)
    left_behind(tmp_path / "p" / f"{place}-young", since=10)
    left_behind(tmp_path / "p" / f"{place}-busy", since=HOURS)
    (tmp_path / "p" / f"{place}-busy" / "part" / "raw.dcm").write_bytes(b"more values")
    for kept in (tmp_path / "p" / "cache").glob(f"{ids[0]}-*"):
        os.utime(kept, (1.0, 1.0))
    with Project.open(tmp_path / "p") as project:
        assert not (tmp_path / "p" / place).exists()
        assert all((tmp_path / "p" / f"{place}-{kind}" / "part" / "raw.dcm").exists() for kind in ("young", "busy"))
        assert project.features.ready(ids[0]), "features are no leftovers, however old"
