"""Gestures in a memory too large for a quick test: keys of 8 bits in the index alone, nothing on disk, at two sizes for the growth."""

import time
from typing import Any

import numpy as np
import torch

from parmesan_engine.bench.features import FIT_PICTURES, STRIDE, Maker
from parmesan_engine.bench.gestures import GESTURE, measure, patch
from parmesan_engine.bench.pictures import Pictures, tissue
from parmesan_engine.bench.room import free_bytes
from parmesan_engine.encoders import ENCODERS
from parmesan_engine.errors import LimitError
from parmesan_engine.metric import Metric
from parmesan_engine.search import ExactIndex, LiveSearch
from parmesan_engine.synthetic import demo_task

SIZES = (1_000_000, 10_000_000)
WIDTH = 64
COPIES = 2.5  # of float32 keys, while Faiss is measured
GROWING = ("search_add_ms", "search_remove_random_ms", "search_remove_most_used_ms")


def run(sizes: tuple[int, ...] = SIZES) -> dict[str, Any]:
    """Return {"large": [{entries, queries, gesture, key_format, ...}], "large_growth": {name: last size over the first}}."""
    encoder, maker = ENCODERS.build({"name": "filter_bank"}), _maker()
    metric = maker.metrics[WIDTH]
    level = encoder.encode(tissue(10_001)[0], stride=STRIDE).levels[0]
    queries = metric.transform(level.keys)
    index, seed, cases = ExactIndex(channels=WIDTH, key_format="int8"), 0, []
    for size in sizes:
        seed = _fill(index, encoder, metric, size, seed)
        bytes_per_entry = index.bytes_per_entry
        start = time.perf_counter()
        live = LiveSearch(index, queries, k=metric.k)
        own_ms = 1000 * (time.perf_counter() - start)
        figures = measure(index, live, lambda number: queries[torch.from_numpy(patch(level.grid, number))], own_ms)
        cases.append({"entries": size, "queries": len(queries), "gesture": GESTURE, "key_dim": WIDTH, "k": metric.k, "key_format": "int8",
                      "bytes_per_entry": bytes_per_entry, **figures})
    return {"large": cases, "large_growth": {name: cases[-1][name] / cases[0][name] for name in GROWING}}


def check_room() -> None:
    """Raise LimitError where the memory is too small for the largest size."""
    needed, free = COPIES * 4 * WIDTH * SIZES[-1], free_bytes()
    if needed > free:
        raise LimitError(f"{needed / 1e9:.1f} GB of free memory for {SIZES[-1]:,} entries", f"{free / 1e9:.1f} GB", "leave --large out")


def _maker() -> Maker:
    loads = tuple(lambda seed=seed: tissue(seed) for seed in range(FIT_PICTURES))
    return Maker("filter_bank", Pictures(("generated tissue",), loads, loads[:1], demo_task(2).label_dim), (WIDTH,))


def _fill(index: ExactIndex, encoder: Any, metric: Metric, size: int, seed: int) -> int:
    """Add pictures from number `seed` on until there are `size` entries; return the next number."""
    while len(index) < size:
        keys = metric.transform(encoder.encode(tissue(seed)[0], stride=STRIDE).levels[0].keys)
        keys = keys[torch.from_numpy(np.sort(np.random.default_rng(seed).permutation(len(keys))[: size - len(index)]))]
        ids = torch.arange(len(keys)) + index.top
        index.add(ids, keys, ids)
        seed += 1
    return seed
