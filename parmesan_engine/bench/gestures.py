"""Gestures by themselves: search and merge of what they change, against a full search of all queries by us and by Faiss.

Nothing of the memory on disk or of the prediction is in these times. A gesture is as many entries as a long stroke gives.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from parmesan_engine.bench.alone import best_ms
from parmesan_engine.search import ExactIndex, LiveSearch
from parmesan_engine.search.distance import load_faiss

GESTURE = 500
REPEATS, HARD_REPEATS = 7, 3
WHOLE_MS = 60_000  # Faiss searches all queries where that takes no longer, by the time of FEW of them
FEW = 4096


def measure(index: ExactIndex, live: LiveSearch, stroke: Callable[[int], torch.Tensor], own_ms: float) -> dict[str, Any]:
    """Return medians of the search for a gesture, the full searches and their ratios; the index ends with a few entries less.

    stroke: number -> (GESTURE, D) unit keys of a new gesture; own_ms: a full search of the same queries by the index.
    """
    random = torch.Generator().manual_seed(0)
    adds, newest, olds, hard, again = [], [], [], [], {"random": [], "most_used": []}
    for number in range(REPEATS):
        ids, added = _add(index, live, stroke(number))
        adds.append(added)
        newest.append(_remove(index, live, ids)[0])
        ms, lost = _remove(index, live, index.ids[torch.randperm(len(index), generator=random)[:GESTURE]])
        olds.append(ms)
        again["random"].append(lost)
    for _ in range(HARD_REPEATS):
        ids = most_used(live, GESTURE)
        keys = index.lookup(ids)[0]
        ms, lost = _remove(index, live, ids)
        hard.append(ms)
        again["most_used"].append(lost)
        _add(index, live, keys)  # so that the next ones are used as much
    add_ms = statistics.median(adds)
    faiss_ms, measured = faiss_full_ms(index.keys, live.queries, live.k)
    return {"search_add_ms": add_ms, "search_remove_newest_ms": statistics.median(newest),
            "search_remove_random_ms": statistics.median(olds), "search_remove_most_used_ms": statistics.median(hard),
            **{f"searched_again_{what}": int(statistics.median(counts)) for what, counts in again.items()},
            "search_own_full_ms": own_ms, "search_faiss_full_ms": faiss_ms, "search_faiss_queries": measured,
            "search_ratio_own": own_ms / add_ms, "search_ratio_faiss": faiss_ms / add_ms}


def patch(grid: tuple[int, int], number: int) -> np.ndarray:
    """Return the (GESTURE,) nodes of a compact patch of a grid, as a brush stroke gives."""
    height, width = 20, GESTURE // 20
    corner = np.random.default_rng(number).integers((grid[0] - height, grid[1] - width))
    y, x = np.mgrid[corner[0] : corner[0] + height, corner[1] : corner[1] + width]
    return np.sort(np.ravel_multi_index((y.ravel(), x.ravel()), grid))


def most_used(live: LiveSearch, count: int) -> torch.Tensor:
    """Return the ids that most queries have among their neighbours, the most used first; fewer where fewer are used at all."""
    ids = live.neighbors.ids
    uses = torch.bincount(ids[ids >= 0])
    return uses.topk(min(count, int((uses > 0).sum()))).indices


def faiss_full_ms(keys: torch.Tensor, queries: torch.Tensor, k: int) -> tuple[float, int]:
    """Return the time of a full search by Faiss with its best kernel, and of how many queries: of fewer than all it is scaled up."""
    index = load_faiss().IndexFlatIP(keys.shape[1])
    index.add(keys.numpy())
    few = queries[:FEW]
    expected = best_ms(lambda: index.search(few.numpy(), k)) * len(queries) / len(few)
    if len(few) == len(queries) or expected > WHOLE_MS:
        return expected, len(few)
    return best_ms(lambda: index.search(queries.numpy(), k)), len(queries)


def _add(index: ExactIndex, live: LiveSearch, keys: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Return the ids of new entries, and the milliseconds until every query's neighbours are right again."""
    ids = torch.arange(len(keys)) + index.top
    start = time.perf_counter()
    index.add(ids, keys, ids)
    kept, ties = index.lookup(ids)
    live.added(ids, kept, ties)
    return ids, 1000 * (time.perf_counter() - start)


def _remove(index: ExactIndex, live: LiveSearch, ids: torch.Tensor) -> tuple[float, int]:
    """Return the milliseconds until every query's neighbours are right again, and how many queries had to be searched again."""
    before, ids = live.searched_again, ids.clone()
    start = time.perf_counter()
    index.remove(ids)
    live.removed(ids)
    return 1000 * (time.perf_counter() - start), live.searched_again - before
