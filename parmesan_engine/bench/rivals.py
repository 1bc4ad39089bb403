"""What search is measured against, in the same run: Faiss as installed, Faiss with its best kernel, the matrix product itself.

The fp32 matrix product of all queries with all keys, block by block, is the limit of every exact search that is built on it.
numpy and torch have thread pools of their own, which must never run at once: numpy's product runs in a process of its own.
"""

from typing import Any

import torch

from parmesan_engine.bench.alone import BLOCKS, best_ms
from parmesan_engine.bench.apart import Apart
from parmesan_engine.search.distance import load_faiss


def faiss_best_ms(keys: torch.Tensor, queries: torch.Tensor, k: int) -> float:
    """Return the time of Faiss IndexFlatIP in this process, with the matrix kernel that suits the processor."""
    index = load_faiss().IndexFlatIP(keys.shape[1])
    index.add(keys.numpy())
    return best_ms(lambda: index.search(queries.numpy(), k))


def product(files: Apart, keys: torch.Tensor, queries: torch.Tensor) -> dict[str, Any]:
    """Return {"gemm_ms", "gemm_by", "gemm_gflops"} of the faster of numpy and torch."""
    numpy_ms, torch_ms = files.matrix()["ms"], torch_product_ms(keys, queries)
    best = min(numpy_ms, torch_ms)
    return {"gemm_ms": best, "gemm_by": "numpy" if numpy_ms <= torch_ms else "torch",
            "gemm_gflops": 2e-6 * len(queries) * keys.numel() / best}


def torch_product_ms(keys: torch.Tensor, queries: torch.Tensor) -> float:
    """Return the time of queries @ keys.T by torch over blocks of keys, of the best size."""
    scores = torch.empty(len(queries) * min(max(BLOCKS), len(keys)))

    def work(block: int) -> None:
        for start in range(0, len(keys), block):
            rows = keys[start : start + block]
            torch.matmul(queries, rows.T, out=scores[: len(queries) * len(rows)].view(len(queries), len(rows)))

    return min(best_ms(lambda b=block: work(b)) for block in sorted({min(block, len(keys)) for block in BLOCKS}))
