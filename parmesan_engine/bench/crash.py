"""Kill -9 at random moments of mixed work on a project: is every acknowledged change there, no half one, and `verify` clean?

A child process works (see `crash_steps`) and says after each step that it has returned; it is killed at a random moment, while it
opens the project and brings an older format up, too. A second project, the twin, does the same steps in this process and is never
killed: the killed one must be, part by part, the twin after the acknowledged steps, or after one more, whose answer was on its way.
"""

import logging
import multiprocessing
import sqlite3
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from parmesan_engine.bench import crash_steps as work
from parmesan_engine.errors import StoreError
from parmesan_engine.memory.codec import SUM_BYTES
from parmesan_engine.memory.manifest import FILE_NAME, FORMAT
from parmesan_engine.project import Project

KILLS, QUICK_KILLS = 200, 12
OLD_EVERY = 4  # so many kills to one that may hit a migration
MOST_STEPS = 5  # acknowledged ones before a kill
PATIENCE_SECONDS = 120.0
READY, OPENED, STEPPED = b"ready", b"opened", b"stepped"

log = logging.getLogger(__name__)


@dataclass
class Pace:
    """Seconds that opening and a step took last: the moment of a kill is drawn from so long, on a busy machine too."""

    opening: float = 0.03
    step: float = 0.02


def run(quick: bool) -> dict[str, Any]:
    """Return {kills, steps{verb: n}, acknowledged, unacknowledged_there, unacknowledged_gone, migrations{...}, problems[], ...}."""
    return measure(QUICK_KILLS if quick else KILLS)


def measure(kills: int, seed: int = 0) -> dict[str, Any]:
    """Kill so many times; problems says of each kill after which something was lost, half or wrong what it was."""
    start, chance, count, problems, pace = time.perf_counter(), np.random.default_rng(), Counter(), [], Pace()
    processes = multiprocessing.get_context("forkserver")  # has the engine imported already: a child starts in milliseconds
    processes.set_forkserver_preload([__name__])
    with tempfile.TemporaryDirectory() as folder:
        path, verbs, gone = Path(folder) / "killed", Counter(), []
        for place in (path, Path(folder) / "twin"):
            work.begin(place)
        with Project.open(Path(folder) / "twin") as twin:
            for kill in range(kills):
                old = kill % OLD_EVERY == OLD_EVERY - 1
                if old:
                    _age(path / "memory" / FILE_NAME)
                acknowledged = _kill(processes, path, seed + kill, chance, pace, hurry=old)
                if old:
                    count["migrations_done" if _format(path / "memory" / FILE_NAME) == FORMAT else "migrations_not_begun_or_undone"] += 1
                stepping = work.steps(seed + kill)
                for verb, number in (next(stepping) for _ in range(acknowledged)):
                    verbs[verb] += 1
                    gone += work.do(twin, verb, number)
                found = _compare(path, twin, next(stepping), gone)
                count["acknowledged"] += acknowledged
                count[found if found in ("unacknowledged_there", "unacknowledged_gone") else "failed"] += 1
                problems += [] if found in count and found != "failed" else [f"kill {kill}: {found}"]
                if problems:  # from here on the two differ anyway
                    break
                log.info("kill %d of %d: %s after %d steps, %.1f s", kill + 1, kills, found, acknowledged, time.perf_counter() - start)
            versions, entries = len(twin.history()), len(twin)
    return {"kills": kill + 1, **dict.fromkeys(("acknowledged", "unacknowledged_there", "unacknowledged_gone", "migrations_done",
                                                "migrations_not_begun_or_undone"), 0), **count, "steps": dict(verbs), "versions": versions,
            "entries": entries, "unlearned": len(gone), "problems": problems, "seconds": time.perf_counter() - start,
            "failed": bool(problems)}


def step_until_killed(path: str, seed: int, pipe: Connection) -> None:
    """What the child does: open the project, then step without end and say so each time."""
    pipe.send_bytes(READY)
    with Project.open(path) as project:
        pipe.send_bytes(OPENED)
        for verb, number in work.steps(seed):
            work.do(project, verb, number)
            pipe.send_bytes(STEPPED)


def _kill(processes: Any, path: Path, seed: int, chance: np.random.Generator, pace: Pace, hurry: bool) -> int:
    """Start a child, kill it at a random moment, and return how many steps it said it had done. hurry: most likely while it opens."""
    ours, theirs = processes.Pipe()
    child = processes.Process(target=step_until_killed, args=(str(path), seed, theirs), daemon=True)
    child.start()
    theirs.close()
    said = 0
    try:
        _receive(ours)
        if hurry:
            time.sleep(chance.uniform(0, 2 * pace.opening))
        else:
            pace.opening = _receive(ours)
            for _ in range(chance.integers(MOST_STEPS)):
                pace.step = _receive(ours)
                said += 1
            time.sleep(chance.uniform(0, pace.step))
    finally:
        child.kill()
        child.join()
    try:
        while True:
            said += ours.recv_bytes() == STEPPED
    except EOFError:
        return said


def _receive(pipe: Connection) -> float:
    """Wait for a word of the child and return how long that took."""
    start = time.perf_counter()
    try:
        if pipe.poll(PATIENCE_SECONDS):
            pipe.recv_bytes()
            return time.perf_counter() - start
    except EOFError:
        pass
    raise StoreError("a child that works until it is killed", "one that stopped by itself", "see what it wrote to the terminal")


def _compare(path: Path, twin: Project, following: tuple[str, int], gone: list[str]) -> str:
    """Return whether the step after the acknowledged ones is there, which the twin then does too; else what is wrong."""
    with Project.open(path) as project:
        wrong = project.verify()
        there = "unacknowledged_gone"
        if work.state(project) != work.state(twin):
            gone += work.do(twin, *following)
            there = "unacknowledged_there"
            if work.state(project) != work.state(twin):
                wrong.append(f"neither the project before nor after {following[0]}")
    files = b"".join(file.read_bytes() for file in path.rglob("*") if file.is_file())
    wrong += [f"{name} was unlearned and is in the files" for name in gone if name.encode() in files]
    return "; ".join(wrong) or there


def _age(manifest: Path) -> None:
    """Make a memory one of format 2: its blocks had no checksums."""
    database = sqlite3.connect(manifest)
    with database:
        for table in ("chunks", "changes", "purges"):
            database.execute(f"UPDATE {table} SET data = substr(data, 1, length(data) - {SUM_BYTES})")
        database.execute("UPDATE meta SET value = '2' WHERE key = 'format'")
    database.close()


def _format(manifest: Path) -> int:
    database = sqlite3.connect(manifest)
    found = int(database.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()[0])
    database.close()
    return found
