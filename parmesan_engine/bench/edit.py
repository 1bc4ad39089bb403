"""From a gesture to the new prediction of a 512x512 sample: live update against a full search, in one run.

The memory holds real filter-bank features of generated tissue pictures; nothing is tuned to them. A case times, on one
durable memory on disk: the commit, the live update of every query's neighbours, voting, message passing and the way back to
pixels; then the same prediction by searching all queries again. What begins with `search_` is search and merge alone (`gestures`).
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from parmesan_engine.bench.alone import best_ms
from parmesan_engine.bench.gestures import GESTURE, measure, patch
from parmesan_engine.bench.large import check_room
from parmesan_engine.bench.large import run as run_large
from parmesan_engine.bench.pictures import tissue
from parmesan_engine.encoders import ENCODERS
from parmesan_engine.memory import Memory
from parmesan_engine.predictor import Predictor
from parmesan_engine.project.entries import make_batch, one_hot
from parmesan_engine.project.fitting import fit_metric
from parmesan_engine.registry import recipe_of
from parmesan_engine.search.live import SLACK
from parmesan_engine.synthetic import demo_task
from parmesan_engine.types import EntryBatch, FeaturePyramid

REPEATS = 7


def run(quick: bool, *, large: bool = False) -> dict:
    """Return {"cases": [{entries, queries, gesture, live_add_ms, live_remove_ms, full_ms, ratio, ...}]}, medians.

    large: ten million entries too (see `large`). Raises LimitError where the memory is too small for them.
    """
    if large:
        check_room()
    cases = [_case(entries) for entries in ((10_000, 100_000) if quick else (100_000, 1_000_000))]
    return {"cases": cases, "threads": torch.get_num_threads(), **(run_large() if large else {})}


def _case(entries: int) -> dict:
    encoder, task = ENCODERS.build({"name": "filter_bank"}), demo_task(2)
    with tempfile.TemporaryDirectory() as folder:
        sample, _ = tissue(10_001)
        pyramid = encoder.encode(sample, stride=2)
        memory = Memory.create(Path(folder) / "memory", channels=len(pyramid.groups), task=task, encoder=recipe_of(encoder))
        memory.add(_filling(encoder, entries, task.label_dim), author="bench")
        metric = fit_metric(memory, pyramid.groups, task)
        predictor = Predictor(encoder, memory, metric, task=task)
        start = time.perf_counter()
        predictor.set_pyramid("sample", pyramid)
        predictor.predict("sample")
        first = time.perf_counter() - start
        adds, removes, olds, parts = [], [], [], []
        for number in range(REPEATS):
            gesture = _gesture(pyramid, number, task.label_dim)
            delta, add = _timed(memory, predictor, lambda batch=gesture: memory.add([batch], author="bench"))
            adds.append(add)
            parts.append(predictor.states["sample"].changed)
            _, remove = _timed(memory, predictor, lambda ids=delta.added: memory.remove(ids, author="bench"))
            removes.append(remove)
            old = np.sort(np.random.default_rng(number).choice(memory.ids, GESTURE, replace=False))
            olds.append(_timed(memory, predictor, lambda ids=old: memory.remove(ids, author="bench"))[1])
        state = predictor.states["sample"]
        start = time.perf_counter()
        predictor.set_pyramid("sample", state.pyramid)
        predictor.predict("sample")
        full = time.perf_counter() - start
        memory.close()
    live, index, grid = predictor.states["sample"].live, predictor.index, pyramid.levels[0].grid
    own_ms = best_ms(lambda: index.ranked(live.queries, live.k, width=SLACK * live.k))
    figures = measure(index, live, lambda number: live.queries[torch.from_numpy(patch(grid, number))], own_ms)
    add_ms, remove_ms, old_ms = (1000 * statistics.median(sum(times) for times in rows) for rows in (adds, removes, olds))
    return {"entries": entries, "queries": len(state.queries), "gesture": GESTURE, "key_dim": metric.key_dim, "k": predictor.k,
            "live_add_ms": add_ms, "live_remove_ms": remove_ms, "live_remove_random_ms": old_ms, "full_ms": 1000 * full,
            "ratio": 1000 * full / add_ms, "first_ms": 1000 * first,
            "commit_ms": 1000 * statistics.median(t[0] for t in adds), "search_ms": 1000 * statistics.median(t[1] for t in adds),
            "predict_ms": 1000 * statistics.median(t[2] for t in adds), "changed_queries": int(statistics.median(parts)),
            "searched_again": state.live.searched_again, **figures}


def _timed(memory: Memory, predictor: Predictor, verb) -> tuple:
    """Return (delta, (commit, live update, prediction) in seconds) of one gesture."""
    marks = [time.perf_counter()]
    delta = verb()
    marks.append(time.perf_counter())
    predictor.apply(delta)
    marks.append(time.perf_counter())
    predictor.predict("sample")
    marks.append(time.perf_counter())
    return delta, tuple(np.diff(marks))


def _filling(encoder, entries: int, classes: int) -> list[EntryBatch]:
    """Return so many labelled nodes of pictures that the query is none of."""
    batches, seed, random = [], 0, np.random.default_rng(0)
    while entries:
        sample, labels = tissue(seed)
        pyramid = encoder.encode(sample, stride=2)
        nodes = np.sort(random.permutation(len(pyramid.levels[0].keys))[:entries])
        batches.append(_batch(pyramid, nodes, labels[::2, ::2].ravel()[nodes], f"filling {seed}", classes))
        entries, seed = entries - len(nodes), seed + 1
    return batches


def _gesture(pyramid: FeaturePyramid, number: int, classes: int) -> EntryBatch:
    return _batch(pyramid, patch(pyramid.levels[0].grid, number), np.full(GESTURE, number % classes), f"gesture {number}", classes)


def _batch(pyramid: FeaturePyramid, nodes: np.ndarray, labels: np.ndarray, name: str, classes: int) -> EntryBatch:
    return make_batch(pyramid, nodes, one_hot(labels, classes), sample_id=name, sample_hash=name, gesture=name, author="bench",
                      source="bench", time=0.0)
