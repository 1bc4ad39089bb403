"""Exact search on a GPU against what that GPU can do at all, all measured in one run: memory bandwidth and matrix product.

No search that looks at every key is faster than reading all keys once, nor than multiplying all pairs:
roofline_ms = max(bytes / bandwidth, flops / rate). The keys are made on the device, in clusters as features of pictures
are; a search is all of it, fp16 scan, fp32 order and whatever the error bound leaves to be looked at again.
"""

import statistics
from collections.abc import Callable
from typing import Any

import torch

from parmesan_engine.errors import LimitError
from parmesan_engine.search import ExactIndex, gpu
from parmesan_engine.search.codes import decode

QUERIES, CHANNELS, K = 1296, 384, 30
CLUSTER, SPREAD = 100, 0.15  # keys around one centre on average; their distance from it, of a unit length
BLOCK = 1 << 18  # keys made, or compared in float64, at a time
SQUARE, COPIED = 8192, 1 << 31  # side of the product, bytes of the copy that say what the device can do
REPEATS, CHECKED = 9, 16


def run(quick: bool) -> dict[str, Any]:
    """Return {"cases": [{n, d, q, k, ours_ms, scan_ms, roofline_ms, ratio, ...}], "device", "bandwidth_gbs", "tflops", ...}.

    Raises LimitError where there is no GPU.
    """
    if not torch.cuda.is_available():
        raise LimitError("a CUDA device and a torch built for it", f"torch {torch.__version__}, which sees none",
                         "run this on a machine with a GPU; `bench search` measures the processor")
    device = torch.device("cuda")
    bandwidth, rate = _bandwidth(device), _rate(device)
    cases = [_case(n, device, bandwidth, rate) for n in ((1_000_000,) if quick else (1_000_000, 10_000_000))]
    return {"cases": cases, "device": torch.cuda.get_device_name(device), "bandwidth_gbs": bandwidth / 1e9, "tflops": rate / 1e12,
            "torch": torch.__version__}


def _case(n: int, device: torch.device, bandwidth: float, rate: float) -> dict[str, Any]:
    free, needed = torch.cuda.mem_get_info(device)[0], 3 * 2 * n * CHANNELS
    if needed > free:
        raise LimitError(f"{needed / 1e9:.0f} GB free on the GPU for {n:,} keys", f"{free / 1e9:.0f} GB", "use --quick")
    index, queries = filled(n, CHANNELS, device), clustered(QUERIES, CHANNELS, n, seed=n, device=device)
    found = index.search(queries, K)
    ours, scan = (median_ms(work) for work in (
        lambda: index.search(queries, K), lambda: gpu.scan_gpu(queries, index.codes, K + 16, index.scales)))
    read, multiply = 1000 * index.codes.nbytes / bandwidth, 2000 * QUERIES * n * CHANNELS / rate
    return {"n": n, "d": CHANNELS, "q": QUERIES, "k": K, "key_format": index.key_format, "backend": gpu.backend(device),
            "ours_ms": ours, "scan_ms": scan, "read_ms": read, "multiply_ms": multiply, "roofline_ms": max(read, multiply),
            "ratio": ours / max(read, multiply), "bytes_per_entry": index.bytes_per_entry,
            "distance_excess": excess(index, queries[:CHECKED], found.ids[:CHECKED]), "checked_queries": CHECKED}


def filled(n: int, channels: int, device: torch.device) -> ExactIndex:
    """Return an index of n clustered keys in half precision; ids and ties are their numbers."""
    index = ExactIndex(channels=channels, device=str(device), key_format="float16")
    for start in range(0, n, BLOCK):
        ids = torch.arange(start, min(start + BLOCK, n), device=device)
        index.add(ids, clustered(len(ids), channels, n, seed=start, device=device), ids)
    return index


def clustered(rows: int, channels: int, n: int, *, seed: int, device: torch.device) -> torch.Tensor:
    """Return (rows, channels) float32 unit rows around centres that depend on n alone."""
    random = torch.Generator(device).manual_seed(0)
    centres = torch.randn(max(n // CLUSTER, 1), channels, generator=random, device=device)
    random.manual_seed(1 + seed)
    chosen = torch.randint(len(centres), (rows,), generator=random, device=device)
    centres = torch.nn.functional.normalize(centres[chosen], dim=1)
    noise = torch.nn.functional.normalize(torch.randn(rows, channels, generator=random, device=device), dim=1)
    return torch.nn.functional.normalize(centres + SPREAD * noise, dim=1)


def excess(index: ExactIndex, queries: torch.Tensor, ids: torch.Tensor) -> float:
    """Return by how much the worst of (Q, k) neighbours is farther off than the true one of its rank, in float64."""
    wide, k = queries.double(), ids.shape[1]
    best = torch.full(ids.shape, torch.inf, dtype=torch.float64, device=queries.device)
    for codes in index.codes.split(BLOCK):
        best = torch.cat([best, torch.cdist(wide, decode(codes).double()).square() / 2], 1).topk(k, largest=False).values
    found = index.lookup(ids.flatten())[0].double().view(*ids.shape, -1)
    return float(((found - wide[:, None]).square().sum(2) / 2 - best).max())


def median_ms(work: Callable[[], Any]) -> float:
    """Return the median time of some calls by the device's own clock, after two that warm up."""
    times = []
    for number in range(2 + REPEATS):
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        stop.record()
        stop.synchronize()
        if number >= 2:
            times.append(start.elapsed_time(stop))
    return statistics.median(times)


def _bandwidth(device: torch.device) -> float:
    """Return bytes read and written per second by the fastest copy."""
    source = torch.ones(COPIED, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * COPIED / median_ms(lambda: target.copy_(source)) * 1000


def _rate(device: torch.device) -> float:
    """Return fp16 operations per second of a large square product of random values; of zeros it would be faster."""
    left, right = (torch.randn(SQUARE, SQUARE, device=device).half() for _ in range(2))
    return 2 * SQUARE**3 / median_ms(lambda: left @ right) * 1000
