"""Run `alone` in a process of its own, as a person would who installed Faiss and numpy with pip and knows nothing of settings."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parmesan_engine.bench import alone
from parmesan_engine.errors import StoreError

LIMITS = "_NUM_THREADS"  # how many cores may be used is no setting of ours, and must be the same for all that is compared


@dataclass(frozen=True)
class Apart:
    """Keys and queries on disk, where other processes find them."""

    keys: Path
    queries: Path

    def faiss(self, k: int) -> dict[str, Any]:
        """Return {"ms", "faiss", "settings", "modules"} of IndexFlatIP as installed."""
        return run("faiss", self.keys, self.queries, k)

    def matrix(self) -> dict[str, Any]:
        """Return {"ms", "block", "settings", "modules"} of the fp32 matrix product by numpy."""
        return run("matrix", self.keys, self.queries)


@contextmanager
def apart(keys: np.ndarray, queries: np.ndarray) -> Iterator[Apart]:
    """Write (N, D) keys and (Q, D) queries, float32, to a temporary folder for as long as they are measured."""
    with tempfile.TemporaryDirectory() as folder:
        found = Apart(Path(folder) / "keys.npy", Path(folder) / "queries.npy")
        np.save(found.keys, keys, allow_pickle=False)
        np.save(found.queries, queries, allow_pickle=False)
        yield found


def run(what: str, *arguments: object) -> dict[str, Any]:
    """Return what `alone` printed. Raises StoreError with its last words if it failed."""
    command = [sys.executable, "-P", str(Path(alone.__file__)), what, *map(str, arguments)]  # -P: no imports from the folder of the file
    done = subprocess.run(command, env=clean(os.environ), capture_output=True, text=True, check=False)
    if done.returncode:
        raise StoreError(f"a measurement of {what} in a process of its own", " ".join(done.stderr.split())[-200:], "see its message")
    return json.loads(done.stdout.splitlines()[-1])


def clean(environment: Any) -> dict[str, str]:
    """Return the environment without any setting of a library of matrix products or threads, limits on cores excepted."""
    return {name: value for name, value in environment.items() if not name.startswith(alone.PREFIXES) or name.endswith(LIMITS)}
