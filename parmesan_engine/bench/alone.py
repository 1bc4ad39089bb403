"""A program, not a module: measures in a process of its own, with nothing imported but numpy and, for Faiss, faiss.

    python alone.py faiss  KEYS.npy QUERIES.npy K    Faiss IndexFlatIP as pip installs it: {"ms", "modules", "settings", ...}
    python alone.py matrix KEYS.npy QUERIES.npy      the fp32 matrix product by numpy, block by block: {"ms", "block", ...}

It must not import parmesan_engine, whose settings would change what is measured; `apart` runs it and cleans its environment.
"""

import json
import os
import sys
import time

import numpy as np

PREFIXES = ("OPENBLAS_", "OMP_", "GOMP_", "KMP_", "MKL_")
BLOCKS = (1024, 4096, 16384)  # rows of keys per matrix product: the scores of a block stay in a cache, or not
PATIENCE_S, MOST = 3.0, 7  # no further repeat after so long, nor after so many; two at least unless one takes LONG_S
LONG_S = 60.0  # a first call can be slow for reasons of its own: the second counts wherever one can wait for it


def best_ms(work) -> float:
    """Return the shortest time of some calls in milliseconds."""
    times = []
    while not times or (len(times) < 2 and times[0] < LONG_S) or (sum(times) < PATIENCE_S and len(times) < MOST):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def search(keys: np.ndarray, queries: np.ndarray, k: int) -> dict:
    """Measure a search by inner product of all queries together, as Faiss does it by default."""
    import faiss

    index = faiss.IndexFlatIP(keys.shape[1])
    index.add(keys)
    return {"ms": best_ms(lambda: index.search(queries, k)), "faiss": faiss.__version__}


def products(keys: np.ndarray, queries: np.ndarray) -> dict:
    """Measure queries @ keys.T over blocks of keys, nothing else: the limit of every exact search that uses such a product."""
    scores = np.empty(len(queries) * min(max(BLOCKS), len(keys)), np.float32)

    def work(block: int) -> None:
        for start in range(0, len(keys), block):
            rows = keys[start : start + block]
            np.matmul(queries, rows.T, out=scores[: len(queries) * len(rows)].reshape(len(queries), -1))

    times = {block: best_ms(lambda b=block: work(b)) for block in sorted({min(block, len(keys)) for block in BLOCKS})}
    best = min(times, key=times.get)
    return {"ms": times[best], "block": best}


def main(what: str, keys_path: str, queries_path: str, k: str = "0") -> None:
    """Print one JSON object."""
    keys = np.ascontiguousarray(np.load(keys_path, mmap_mode="r", allow_pickle=False))
    queries = np.load(queries_path, allow_pickle=False)
    result = search(keys, queries, int(k)) if what == "faiss" else products(keys, queries)
    result["settings"] = {name: value for name, value in os.environ.items() if name.startswith(PREFIXES)}
    result["modules"] = sorted({"torch", "faiss", "scipy", "parmesan_engine"} & set(sys.modules))
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
