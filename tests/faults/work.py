"""What a process under `faults.c` does: steps on projects, written down or let fail. Run as a program; prints one JSON object.

    work.py record FOLDER            does each case once, in FOLDER/CASE, while its operations are written down
    work.py fail FOLDER ERRNO [one]  does each case again and again in FOLDER, failing at the first, second, ... operation
"""

import ctypes
import errno
import itertools
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from parmesan_engine.bench import crash_steps as work
from parmesan_engine.bench.crash import _age
from parmesan_engine.errors import ParmesanError
from parmesan_engine.memory.manifest import FILE_NAME
from parmesan_engine.project import Project

STEPS = 14  # before the case itself
STRIDE = 3  # operations between two places where the disk becomes full: each place costs a tenth of a second


def _step(verb: str, number: int = 5) -> Callable[[Path], None]:
    def do(path: Path) -> None:
        with Project.open(path) as project:
            work.do(project, verb, number)
    return do


def _open(path: Path) -> None:
    Project.open(path).close()


CASES = {"create": work.begin, **{verb: _step(verb) for verb in ("paint", "unlearn", "consolidate", "class", "tag", "sample", "truth")},
         "migrate": _open}


def prepare(folder: Path) -> None:
    """Make FOLDER/CASE for every case, as it is before."""
    work.begin(folder / "base")
    with Project.open(folder / "base") as project:
        for number, (verb, other) in enumerate(itertools.islice(work.steps(3), STEPS)):
            work.do(project, verb if number % 2 else "paint", other)
    shutil.rmtree(folder / "base" / "cache", ignore_errors=True)
    for case in CASES:
        if case != "create":
            shutil.copytree(folder / "base", folder / case)
    _age(folder / "migrate" / "memory" / FILE_NAME)


def look(path: Path) -> list:
    """Return [what verify says, fingerprint of all there is]; None where no project was made yet."""
    if not (path / "project.json").exists():
        return [[], None]
    with Project.open(path) as project:
        return [project.verify(), None if project.memory is None else repr(work.state(project))]


def record(folder: Path, library: ctypes.CDLL) -> dict:
    for case, do in CASES.items():
        library.faults_log(1, case.encode())
        do(folder / case)
        library.faults_log(0, b"end")
    return {}


def fail(folder: Path, library: ctypes.CDLL, error: int) -> dict:
    """Return {case: {"errors": [messages], "wrong": [what must not be]}}."""
    return {case: _fail(folder, case, do, library, error) for case, do in CASES.items()}


def _fail(folder: Path, case: str, do: Callable[[Path], None], library: ctypes.CDLL, error: int) -> dict:
    errors, wrong = set(), []
    before = look(_again(folder, case, "before"))[1]
    do(whole := _again(folder, case, "after"))
    after = look(whole)[1]
    for at in itertools.count(0, 1 if error < 0 else STRIDE):
        place = _again(folder, case, str(at))  # each its own: SQLite knows files by numbers, which the system gives again
        told = ""
        library.faults_arm(at, error)
        try:
            do(place)
        except ParmesanError as problem:
            told = str(problem)
            errors.add(told)
        except Exception as problem:  # any other error is no clear one
            told = f"{type(problem).__name__}: {problem}"
            wrong.append(f"{at}: {told}")
        operations = library.faults_disarm()
        problems, state = look(place)  # there is room again
        wrong += [f"{at}: {problem}" for problem in problems]
        if state != after and (state != before or not told):
            wrong.append(f"{at}: {'neither before nor after' if told else 'no error, and not done'}")
        if operations <= at or error == errno.EROFS:  # a folder is read-only from the first operation on, or not
            break
    return {"errors": sorted(errors), "wrong": wrong}


def _again(folder: Path, case: str, name: str) -> Path:
    place = folder / f"{case} {name}"
    if case != "create":
        shutil.copytree(folder / case, place)
    return place


if __name__ == "__main__":
    task, where, *more = sys.argv[1:]
    shim = ctypes.CDLL(None)
    number = getattr(errno, more[0]) if more else 0
    print(json.dumps(record(Path(where), shim) if task == "record" else fail(Path(where), shim, -number if more[1:] else number)))
