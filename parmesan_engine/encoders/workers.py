"""Threads that each compute on one core: whole scales run side by side instead of every small product being split.

Why: thousands of small parallel regions cost a barrier each, and when another program wants a core each barrier waits
for the scheduler: 50 ms were measured to become 7 s. Independent scales need no barriers.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

_lock = threading.Lock()
_pools: list[ThreadPoolExecutor] = []


def pool() -> ThreadPoolExecutor:
    """Return the shared pool, as wide as torch was told to be (OMP_NUM_THREADS) when it is first asked for."""
    with _lock:
        if not _pools:
            _pools.append(_single_threaded(torch.get_num_threads()))
        return _pools[0]


def on_one_thread(network: Callable[[torch.Tensor], Any], pixels: torch.Tensor) -> Any:
    """Return network(pixels) without gradients, of pixels in the processor's memory on one thread, of a card's as ever.

    How sums are split over threads shows in the last bit, and features must not depend on how many a machine has.
    """
    run = torch.no_grad()(network)  # per thread: the caller's does not reach into the pool
    return pool().submit(run, pixels).result() if pixels.device.type == "cpu" else run(pixels)


def _single_threaded(width: int) -> ThreadPoolExecutor:
    workers = ThreadPoolExecutor(width, "encoder", initializer=torch.set_num_threads, initargs=(1,))
    started = threading.Barrier(width + 1)
    for _ in range(width):
        workers.submit(started.wait)
    started.wait()
    # the setting is per thread, but the last one made is also what new threads start with
    torch.set_num_threads(width)
    return workers
