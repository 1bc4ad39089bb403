"""Encoding by itself: from pixels in memory to three levels of features, and on to keys of unit length, ready to search."""

import inspect
import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from parmesan_engine.encoders import ENCODERS
from parmesan_engine.metric import Metric
from parmesan_engine.metric.model import MAX_OUTPUTS
from parmesan_engine.types import Sample

CASES = (((1, 512, 512), 2), ((3, 512, 512), 2), ((1, 512, 512), 1), ((3, 512, 512), 1), ((3, 2048, 2048), None),
         ((1, 5000), 1), ((1, 65536), 1), ((1, 36, 50, 36), 1), ((1, 128, 128, 128), None))
QUICK = (((1, 512, 512), 2), ((3, 512, 512), 2), ((1, 5000), 1), ((1, 36, 50, 36), 1))
PRECISIONS = ("float32", "bfloat16")


def run(quick: bool, encoders: Sequence[dict[str, Any]] = ()) -> dict:
    """Return {"cases": [{encoder, precision, shape, stride, nodes, channels, ms, cpu_ms, ready_ms, bytes_per_entry}]}.

    encoders: recipes; without, all that need no files of others, in each precision that they offer. ms is the median wall time
    after one call to warm up, cpu_ms the processor time of the same calls (what is left of ms when other programs want the
    cores); ready_ms adds the metric, which makes keys of unit length; shape is (channels, *spatial); bytes_per_entry is one
    finest feature vector.
    """
    repeats = 3 if quick else 7
    return {"cases": [_case(recipe, shape, stride, repeats) for recipe in encoders or _shipped()
                      for shape, stride in (QUICK if quick else CASES)]}


def _shipped() -> list[dict[str, Any]]:
    """Return the recipes of the encoders that need nothing from elsewhere."""
    recipes = []
    for name in ENCODERS.names():
        known = inspect.signature(ENCODERS.get(name)).parameters
        if "model" not in known:
            recipes += [{"name": name, "keywords": {"precision": precision} if "precision" in known else {}}
                        for precision in (PRECISIONS if "precision" in known else PRECISIONS[:1])]
    return recipes


def _case(recipe: dict[str, Any], shape: tuple[int, ...], stride: int | None, repeats: int) -> dict:
    encoder = ENCODERS.build(recipe)
    sample = Sample(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8), "noise")
    metric = _metric(encoder.channels_of(shape[0], len(shape) - 1))
    metric.transform(encoder.encode(sample, stride=stride).levels[0].keys)
    wall, processor, ready = [], [], []
    for _ in range(repeats):
        start, start_processor = time.perf_counter(), time.process_time()
        level = encoder.encode(sample, stride=stride).levels[0]
        wall.append((time.perf_counter() - start) * 1e3)
        processor.append((time.process_time() - start_processor) * 1e3)
        metric.transform(level.keys)
        ready.append((time.perf_counter() - start) * 1e3)
    return {"encoder": recipe["name"], "precision": getattr(encoder, "precision", "float32"), "shape": list(shape),
            "stride": level.stride[0], "nodes": level.keys.shape[0], "channels": level.keys.shape[1],
            "ms": round(statistics.median(wall), 1), "cpu_ms": round(statistics.median(processor), 1),
            "ready_ms": round(statistics.median(ready), 1), "bytes_per_entry": level.keys.shape[1] * 4}


def _metric(features: int) -> Metric:
    """Return a metric as wide as a fitted one: what it does to a key takes the same time whatever it has learned."""
    return Metric(np.zeros(features), np.random.default_rng(0).normal(size=(features, min(features, MAX_OUTPUTS))) / features)
