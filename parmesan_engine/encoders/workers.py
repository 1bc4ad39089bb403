"""Threads that each compute on one core: whole scales run side by side instead of every small product being split.

Why: thousands of small parallel regions cost a barrier each, and when another program wants a core each barrier waits
for the scheduler: 50 ms were measured to become 7 s. Independent scales need no barriers.
"""

import threading
from concurrent.futures import ThreadPoolExecutor

import torch

_lock = threading.Lock()
_pools: list[ThreadPoolExecutor] = []


def pool() -> ThreadPoolExecutor:
    """Return the shared pool, as wide as torch was told to be (OMP_NUM_THREADS) when it is first asked for."""
    with _lock:
        if not _pools:
            _pools.append(_single_threaded(torch.get_num_threads()))
        return _pools[0]


def _single_threaded(width: int) -> ThreadPoolExecutor:
    workers = ThreadPoolExecutor(width, "encoder", initializer=torch.set_num_threads, initargs=(1,))
    started = threading.Barrier(width + 1)
    for _ in range(width):
        workers.submit(started.wait)
    started.wait()
    # the setting is per thread, but the last one made is also what new threads start with
    torch.set_num_threads(width)
    return workers
