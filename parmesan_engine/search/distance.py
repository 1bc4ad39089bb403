"""Distances between unit vectors: fast scores with a known error bound, and exact distances of chosen pairs.

`scores` is a matrix product: fast, but its last bits depend on where a row stands in the matrix. `pair_distances` adds
the squared differences of one pair in a fixed order, so its result depends on the pair alone. Every order that a user can
see is decided by `pair_distances`; `scores` only says, within `score_error`, which pairs are worth it.
"""

import os
from types import ModuleType

import torch

from parmesan_engine.search import kernel, scan
from parmesan_engine.search.codes import decode

PAIR_CHUNK = 1 << 22  # elements of one (pairs, channels) temporary: 16 MiB, about the last-level cache


def load_faiss() -> ModuleType:
    """Return the faiss module, imported with the fastest matrix kernel that this processor has.

    The OpenBLAS inside the faiss-cpu wheel does not know new processors and falls to its slowest kernel; the variable
    must be set before the first import, and an explicit choice of the user is kept.
    """
    if "OPENBLAS_CORETYPE" not in os.environ:
        capability = torch.backends.cpu.get_cpu_capability()
        core = {"AVX512": "SkylakeX", "AVX2": "Haswell"}.get(capability)
        if core:
            os.environ["OPENBLAS_CORETYPE"] = core
    import faiss

    return faiss


def scores(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Return (Q, N) inner products of (Q, D) queries and (N, D) keys.

    By torch on every device: numpy's faster kernel has a thread pool of its own, and two pools in turns cost ten times
    what the kernel wins (260 against 23 ms for 65,536 x 500 x 64 on two cores).
    """
    return queries @ keys.T


def score_error(channels: int) -> float:
    """Return a bound on |(1 - score) - pair distance| for unit rows of `channels` values, at distances up to 1.

    The rounding error of a fp32 inner product of unit vectors is at most D * 2^-24 (Higham 2002, eq. 3.5), that of the sum of
    squared differences no larger at such distances; 16 more units cover rows whose length is 1 only to rounding.
    """
    return (2 * channels + 16) * 2.0**-24


def pair_distances(queries: torch.Tensor, codes: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Return (P,) float32 cosine distances, |q - x|^2 / 2, of the pairs (queries[rows], decoded codes[columns]).

    Raises nothing; columns of -1 give +inf. On a CPU by the compiled kernel where there is one: its bits and PyTorch's differ
    in the last place, but one machine always takes the same way.
    """
    if queries.device.type == "cpu" and codes.dtype in kernel.FORMAT_NUMBER and kernel.load():
        return scan.pair_distances(queries, codes, rows, columns)
    out = torch.empty(len(rows), dtype=torch.float32, device=queries.device)
    step = max(PAIR_CHUNK // queries.shape[1], 1)
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        difference = decode(codes[columns[part].clamp(min=0)])
        difference.sub_(queries[rows[part]])
        out[part] = difference.square_().sum(1).mul_(0.5)
    return out.masked_fill_(columns < 0, torch.inf)
