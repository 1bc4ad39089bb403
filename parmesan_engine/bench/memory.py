"""The durable memory by itself: open, commit, undo, unlearn and verify at size, each commit durable when it returns."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from parmesan_engine.memory import Memory
from parmesan_engine.types import EntryBatch, TaskSpec

CHANNELS = 64
GESTURE = 500
SOURCES = 10
REPEATS = 15
TASK = TaskSpec(classes=("one", "two", "three"), colors=((230, 159, 0), (86, 180, 233), (0, 158, 115)))


def run(quick: bool) -> dict:
    """Return {"cases": [{entries, channels, gesture, ..._ms medians, open_s, verify_s, unlearn_s, bytes_per_entry}]}."""
    return {"cases": [_case(entries) for entries in ((10_000, 100_000) if quick else (100_000, 1_000_000))]}


def _case(entries: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "memory"
        with Memory.create(path, channels=CHANNELS, task=TASK, encoder={"name": "none"}) as memory:
            bulk = [_batch(seed, entries // SOURCES, "bulk") for seed in range(SOURCES)]
            learned = _seconds(lambda: memory.add(bulk))
        opened = _seconds(lambda: Memory.open(path).close())
        with Memory.open(path) as memory:
            strokes = [_batch(SOURCES + number, GESTURE, "stroke") for number in range(REPEATS)]
            result = {"entries": entries, "channels": CHANNELS, "gesture": GESTURE, "bulk_s": learned, "open_s": opened,
                      "add_ms": _median_ms([lambda s=s: (memory.add([s]), memory.ids) for s in strokes]),
                      "undo_ms": _median_ms([lambda: (memory.undo(), memory.ids)] * (REPEATS // 2)),
                      "redo_ms": _median_ms([lambda: (memory.redo(), memory.ids)] * (REPEATS // 2))}
            rng, ids = np.random.default_rng(0), memory.ids
            chosen = np.split(rng.permutation(ids)[: GESTURE * REPEATS], REPEATS)
            result |= {"remove_ms": _median_ms([lambda c=c: (memory.remove(c), memory.ids) for c in chosen]),
                       "select_ms": _median_ms([lambda: memory.select(source="stroke 12")] * REPEATS),
                       "keys_ms": _median_ms([lambda c=c: memory.keys(c) for c in chosen]),
                       "all_keys_s": _seconds(lambda: memory.keys(memory.ids)),
                       "checkout_ms": _median_ms([lambda: memory.checkout(memory.history()[2].version)] * 3),
                       "verify_s": _seconds(memory.verify), "bytes_per_entry": memory.bytes / memory.stored,
                       "unlearn_s": _seconds(lambda: memory.unlearn(memory.select(source="stroke 12", removed=True)))}
        return result


def _batch(seed: int, rows: int, what: str) -> EntryBatch:
    rng, coarse = np.random.default_rng(seed), rows // 16 + 1
    labels = np.eye(TASK.label_dim, dtype=np.float32)[rng.integers(0, TASK.label_dim, rows)]
    return EntryBatch(rng.standard_normal((rows, CHANNELS), np.float32), labels, rng.integers(0, 512, (rows, 2)),
                      rng.standard_normal((coarse, CHANNELS), np.float32), rng.integers(0, coarse, rows), f"sample {seed}",
                      f"hash {seed}", f"gesture {seed}", "bench", f"{what} {seed}", float(seed))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _median_ms(works: list[Callable[[], object]]) -> float:
    return statistics.median(_seconds(work) for work in works) * 1000
