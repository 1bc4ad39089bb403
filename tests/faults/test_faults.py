"""Torn writes, kills, power cuts and a full disk at each file operation, one after the other: always the state before or after, whole."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import replay, work

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(COMPILER is None or not sys.platform.startswith("linux"), reason="needs Linux and a C compiler")


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    library = tmp_path_factory.mktemp("shim") / "faults.so"
    subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-o", library, HERE / "faults.c", "-ldl", "-lpthread"], check=True)
    return library


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with a project for each case, as it is before."""
    folder = tmp_path_factory.mktemp("faults").resolve() / "root"
    work.prepare(folder)
    return folder


def under(shim, folder, *arguments):
    """Return the JSON object that `work.py` prints, run with the shim below it."""
    known = {**os.environ, "LD_PRELOAD": str(shim), "FAULTS_ROOT": str(folder), "FAULTS_LOG": str(folder.parent / "log"),
             "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, str(HERE / "work.py"), arguments[0], str(folder), *arguments[1:]], env=known, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def recorded(shim, prepared, tmp_path_factory):
    """For each case: the files before, the operations, the files after."""
    folder = tmp_path_factory.mktemp("recorded").resolve() / "root"
    shutil.copytree(prepared, folder)
    before = {case: files_of(folder / case) for case in work.CASES}
    under(shim, folder, "record")
    operations = replay.sections(folder.parent / "log", folder)
    return {case: (before[case], operations[case], files_of(folder / case)) for case in work.CASES}


def files_of(folder: Path) -> replay.Files:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*")
            if path.is_file() and path.relative_to(folder).parts[0] not in replay.PASSING}


def put(files: replay.Files, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("case", list(work.CASES))
def test_a_crash_at_any_operation_leaves_the_state_before_or_after(recorded, tmp_path, case):
    files, operations, after = recorded[case]
    disk = replay.Disk.of(files)
    for op in operations:
        disk.apply(op)
    assert disk.seen() == after  # nothing was written that was not written down
    old, new = work.look(put(files, tmp_path / "now"))[1], work.look(put(after, tmp_path / "now"))[1]
    assert (old != new) == (case != "migrate")
    met = []
    for what, left in replay.crashes(files, operations):
        problems, state = work.look(put(left, tmp_path / "now"))
        assert problems == [] and state in (old, new), what
        met.append(state)
    assert {old, new} <= set(met)
    for left in disk.after_power_cuts():  # the call had returned: a power cut then must not take it back
        assert work.look(put(left, tmp_path / "now"))[1] == new


@pytest.mark.parametrize("error", [("ENOSPC",), ("EROFS",), ("EIO", "one")], ids=["full disk", "read-only folder", "one failed sync"])
def test_an_error_at_any_operation_is_told_clearly_and_leaves_the_state_before_or_after(shim, prepared, tmp_path, error):
    folder = tmp_path.resolve() / "root"
    shutil.copytree(prepared, folder)
    found = under(shim, folder, "fail", *error)
    assert {case: told["wrong"] for case, told in found.items()} == {case: [] for case in work.CASES}
    for case, told in found.items():
        assert told["errors"] and all("expected" in text and "; got " in text for text in told["errors"]), case
