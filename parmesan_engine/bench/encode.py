"""Encoding by itself: from pixels in memory to three levels of features that are ready to store and to search."""

import statistics
import time

import numpy as np

from parmesan_engine.encoders import ENCODERS
from parmesan_engine.types import Sample

CASES = (((1, 512, 512), 2), ((3, 512, 512), 2), ((1, 512, 512), 1), ((3, 512, 512), 1), ((3, 2048, 2048), None),
         ((1, 5000), 1), ((1, 65536), 1), ((1, 36, 50, 36), 1), ((1, 128, 128, 128), None))
QUICK = (((1, 512, 512), 2), ((3, 512, 512), 2), ((1, 5000), 1), ((1, 36, 50, 36), 1))


def run(quick: bool) -> dict:
    """Return {"cases": [{encoder, shape, stride, nodes, channels, ms, cpu_ms, bytes_per_entry}]}.

    ms is the median wall time after one call to warm up, cpu_ms the processor time of the same calls (what is left of
    ms when other programs want the cores); shape is (channels, *spatial); bytes_per_entry is one finest key.
    """
    repeats = 3 if quick else 7
    return {"cases": [_case(name, shape, stride, repeats) for name in ENCODERS.names()
                      for shape, stride in (QUICK if quick else CASES)]}


def _case(name: str, shape: tuple[int, ...], stride: int | None, repeats: int) -> dict:
    encoder = ENCODERS.build({"name": name})
    sample = Sample(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8), "noise")
    encoder.encode(sample, stride=stride)
    wall, processor = [], []
    for _ in range(repeats):
        start, start_processor = time.perf_counter(), time.process_time()
        level = encoder.encode(sample, stride=stride).levels[0]
        wall.append((time.perf_counter() - start) * 1e3)
        processor.append((time.process_time() - start_processor) * 1e3)
    return {"encoder": name, "shape": list(shape), "stride": level.stride[0], "nodes": level.keys.shape[0],
            "channels": level.keys.shape[1], "ms": round(statistics.median(wall), 1),
            "cpu_ms": round(statistics.median(processor), 1), "bytes_per_entry": level.keys.shape[1] * 4}
