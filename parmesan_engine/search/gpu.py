"""Candidates on a GPU, with the distance up to which they are certainly complete. Triton's fused scan, else torch tiles.

The scan multiplies in the type of the keys' codes, so the queries are rounded to it. What that costs is known per query.
Write q for the query, r for its rounded form, e = q - r, x for a key (its decoded code), d = |q - x|^2 / 2. Then

    <q, x> = <r, x> + <e, q> + <e, x - q>,   |<e, x - q>| <= |e| |x - q| = |e| sqrt(2 d).

<e, q> is one number per query and moves all scores alike; the last term is all that is unknown, and it is small for the
near keys, which are the ones that matter (at d = 0.01 a seventh of |e|). A key left out has a score of at most `cut`, hence

    d + |e| sqrt(2 d) >= t   with   t = 1 - cut - <e, q> - error,

a quadratic in sqrt(d): d >= (sqrt(t + |e|^2 / 2) - |e| / sqrt(2))^2, the floor. float32 codes have e = 0 and the floor t.
"""

import importlib.util
import logging
import os
import subprocess

import torch

from parmesan_engine.errors import LimitError
from parmesan_engine.search.codes import decode, inverse_lengths
from parmesan_engine.search.distance import score_error, scores

TILE = 1 << 27  # scores of one tile of the torch scan: 512 MiB
OLDEST = (8, 0)  # compute capability: before it Triton multiplies on no tensor core and spills (compiled for 7.5)
MOST_KEYS = 1 << 30  # slots and their steps are 32-bit in the kernel

_log = logging.getLogger(__name__)
_failure: str | None = None  # why Triton cannot be used in this process, once it failed


def backend(device: torch.device) -> str:
    """Return what scans on `device` from now on: "triton", on a GPU with tensor cores for its types or in its interpreter, or "torch"."""
    if _failure is not None or importlib.util.find_spec("triton") is None:
        return "torch"
    if device.type == "cuda":
        return "triton" if torch.cuda.get_device_capability(device) >= OLDEST else "torch"
    return "triton" if os.environ.get("TRITON_INTERPRET") == "1" else "torch"


def scan_gpu(queries: torch.Tensor, codes: torch.Tensor, m: int, scales: torch.Tensor | None = None
             ) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the slots of m candidates of each query, and the distance below which every entry is among them.

    queries (Q, D) float32 unit rows; codes (N, D) float32, float16, bfloat16 or int8 (see `codes`), on the same device,
    m <= N; scales: the `inverse_lengths` of the codes, computed here where they are not given. Returns (Q, m) int64 and (Q,)
    float32. Raises LimitError. Where Triton does not work, this is logged once and torch takes its place (see `backend`).
    """
    if len(codes) > MOST_KEYS:
        raise LimitError(f"at most {MOST_KEYS} keys in one scan", f"{len(codes)}", "split the memory")
    if scales is None and codes.dtype != torch.float32:
        scales = inverse_lengths(codes)
    if backend(queries.device) == "triton":
        rounded = queries.to(torch.float16 if codes.dtype == torch.int8 else codes.dtype).contiguous()
        found = _by_triton(rounded, codes, scales, m)
        if found is not None:
            return found[0], floor(queries, rounded, found[1], scan_error(codes))
    slots, cut = _by_torch(queries, codes, m)
    return slots, floor(queries, queries, cut, scan_error(codes))


def scan_error(codes: torch.Tensor) -> float:
    """Return a bound on |(1 - score) - pair distance| beside what rounding the query costs, at distances up to 1.

    float32: `score_error`. Else, in units of 2^-24 and for rows of length 1: products of two half-precision values are exact
    in float32, but tensor cores add without rounding to nearest: each of D products and at least one sum per four of them
    loses less than 2 units of the largest partial sum, which is at most 1 (Fasi et al. 2021, Numerical behavior of NVIDIA
    tensor cores): 2.5 D. The length of a decoded row is 1 up to D / 2, and the pair distance itself is off by at most D.
    """
    return score_error(codes.shape[1]) if codes.dtype == torch.float32 else (4 * codes.shape[1] + 32) * 2.0**-24


def floor(queries: torch.Tensor, rounded: torch.Tensor, cut: torch.Tensor, error: float) -> torch.Tensor:
    """Return the (Q,) float32 distances below which no key was left out by `cut` (see the top of this file)."""
    rest = queries.double() - rounded.double()
    size, shift = rest.norm(dim=1), (rest * queries).sum(1)
    t = 1 - cut.double() - shift - error
    root = (t.clamp(min=0) + size.square() / 2).sqrt() - size / 2**0.5
    return torch.where(t > 0, root.square(), t).float()


def _by_triton(queries: torch.Tensor, codes: torch.Tensor, scales: torch.Tensor | None, m: int
               ) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return what `triton_scan.scan` does, or None where Triton fails: no compiler for its launcher, an unknown device."""
    global _failure
    from triton.errors import TritonError

    from parmesan_engine.search import triton_scan

    try:
        return triton_scan.scan(queries, codes, scales, m)
    except torch.OutOfMemoryError:
        raise
    except (TritonError, RuntimeError, OSError, subprocess.CalledProcessError) as error:
        _failure = f"{type(error).__name__}: {error}"
        _log.warning("Triton does not work here, so the search on the GPU is by torch from now on: %s", _failure)
        return None


def _by_torch(queries: torch.Tensor, codes: torch.Tensor, m: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return slots and cut by tiles of one float32 product each and a running top-m."""
    best = torch.full((len(queries), m), -torch.inf, device=queries.device)
    slots = torch.zeros((len(queries), m), dtype=torch.int64, device=queries.device)
    step = max(TILE // max(len(queries), 1), m)
    for start in range(0, len(codes), step):
        tile = scores(queries, decode(codes[start : start + step]))
        values, columns = tile.topk(min(m, tile.shape[1]), dim=1)
        best, order = torch.cat([best, values], 1).topk(m, dim=1)
        slots = torch.cat([slots, columns + start], 1).gather(1, order)
    cut = best[:, -1] if m < len(codes) else torch.full_like(best[:, 0], -torch.inf)
    return slots, cut
