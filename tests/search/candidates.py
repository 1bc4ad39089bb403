"""What `scan_gpu` promises, checked in float64: the slots are right, and every entry nearer than the floor is among them."""

import numpy as np
import torch

from parmesan_engine.search import gpu
from parmesan_engine.search.codes import decode
from parmesan_engine.search.distance import pair_distances
from tests.search.reference import unit_rows

TYPES = (torch.float32, torch.float16, torch.bfloat16, torch.int8)


def some_case(seed: int, n: int, d: int, distinct: int, dtype: torch.dtype, queries: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (Q, d) queries, two of them near keys, and (n, d) codes of which `distinct` differ."""
    random = np.random.default_rng(seed)
    keys, asked = unit_rows(random, n, d, distinct=distinct), unit_rows(random, queries, d)
    asked[0] = keys[0]
    asked[1] = torch.nn.functional.normalize(keys[-1] + 0.01 * asked[1], dim=0)
    return asked, (keys * (127 / keys.abs().amax(1, keepdim=True))).round().to(dtype) if dtype == torch.int8 else keys.to(dtype)


def check_candidates(queries: torch.Tensor, codes: torch.Tensor, m: int) -> None:
    """Scan and assert the promise, and that the floor is as far out as its error bound allows."""
    slots, floor = gpu.scan_gpu(queries, codes, m)
    assert slots.shape == (len(queries), m) and floor.shape == (len(queries),) and floor.dtype == torch.float32
    rows = torch.arange(len(queries), device=codes.device).repeat_interleave(m)
    stored = pair_distances(queries, codes, rows, slots.flatten()).reshape(-1, m).cpu()
    queries, codes, slots, floor = queries.cpu(), codes.cpu(), slots.cpu().numpy(), floor.cpu().numpy()
    assert all(len(set(row)) == m for row in slots), "a slot was found twice"
    exact = 0.5 * torch.cdist(queries.double(), decode(codes).double(), compute_mode="donot_use_mm_for_euclid_dist").square().numpy()
    np.testing.assert_allclose(stored, np.take_along_axis(exact, slots, 1), atol=1e-6)
    left_out = exact.copy()
    np.put_along_axis(left_out, slots, np.inf, 1)
    assert (left_out.min(1) >= floor).all(), "an entry nearer than the floor was left out"
    if m == len(codes):
        assert np.isinf(floor).all()
        return
    rounding = (queries - queries.to(torch.float16 if codes.dtype == torch.int8 else codes.dtype).float()).norm(dim=1).numpy()
    last = np.sort(exact, 1)[:, m - 1]
    assert (floor >= last - 2 * gpu.scan_error(codes) - 2 * rounding * np.sqrt(2 * last) - rounding**2 - 1e-7).all()
