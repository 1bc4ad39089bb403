"""The scan for GPUs: by Triton's interpreter, by torch, compiled for two generations of GPU, and on a real one where there is one."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parmesan_engine.errors import LimitError
from parmesan_engine.search import ExactIndex, LiveSearch, gpu
from parmesan_engine.search.codes import FORMATS
from parmesan_engine.types import Neighbors
from tests.search.candidates import TYPES, check_candidates, some_case
from tests.search.reference import check_nearest, unit_rows

triton = pytest.importorskip("triton")
ROOT = Path(__file__).resolve().parents[2]
real_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")


def test_kernel_by_the_interpreter():
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/search/interpreted.py"], cwd=ROOT,
                          env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(1, 150), d=st.sampled_from([2, 16, 33, 65]), m=st.integers(1, 160),
       distinct=st.integers(1, 150), dtype=st.sampled_from(TYPES))
def test_torch_scan_keeps_the_same_promise(seed, n, d, m, distinct, dtype):
    assert gpu.backend(torch.device("cpu")) == "torch"
    check_candidates(*some_case(seed, n, d, distinct, dtype), min(m, n))


def test_torch_scan_in_tiles(monkeypatch):
    monkeypatch.setattr(gpu, "TILE", 7 * 13)
    check_candidates(*some_case(0, 90, 16, 90, torch.float16), 5)


def test_floor_is_tight_for_near_keys():
    """Rounding the query costs about |e| sqrt(2 d), not |e|: at d = 0.005 a tenth."""
    queries = torch.nn.functional.normalize(torch.randn(50, 64, generator=torch.Generator().manual_seed(0)), dim=1)
    rounded = queries.to(torch.bfloat16)
    rest = queries - rounded.float()
    cut = 1 - 0.005 - (rest * queries).sum(1)
    lost = 0.005 - gpu.floor(queries, rounded, cut, 0.0)
    assert bool((lost > 0).all()) and bool((lost < 0.11 * rest.norm(dim=1)).all())


def test_failing_triton_is_said_once_and_torch_goes_on(monkeypatch, caplog):
    from parmesan_engine.search import triton_scan

    def fail(*inputs):
        raise RuntimeError("Failed to find C compiler")

    monkeypatch.setenv("TRITON_INTERPRET", "1")  # read again at each call
    monkeypatch.setattr(triton_scan, "scan", fail)
    monkeypatch.setattr(gpu, "_failure", None)
    assert gpu.backend(torch.device("cpu")) == "triton"
    with caplog.at_level(logging.WARNING, logger=gpu.__name__):
        for _ in range(2):
            check_candidates(*some_case(0, 60, 16, 60, torch.float16), 5)
    assert gpu.backend(torch.device("cpu")) == "torch"
    assert [record.message for record in caplog.records if "Failed to find C compiler" in record.message] == [caplog.records[0].message]


def test_too_many_keys_are_refused_before_anything_is_allocated():
    with pytest.raises(LimitError, match="split the memory"):
        gpu.scan_gpu(torch.zeros(1, 1), torch.zeros(1, 1).expand(gpu.MOST_KEYS + 1, 1), 1)


@pytest.mark.parametrize(("capability", "kind", "tiles", "most_shared", "product"), [
    (90, "fp16", (128, 256, 64, 8, 3), 227, "wgmma.mma_async"),
    (80, "fp16", (128, 128, 64, 8, 3), 99, "mma.sync"),
    (80, "fp32", (64, 128, 32, 8, 2), 99, "fma.rn.f32"),
])
def test_kernel_compiles_for_gpus_that_are_not_here(capability, kind, tiles, most_shared, product):
    """Triton's compiler needs no device: the tiles fit into shared memory (KiB), loads run ahead, the right unit multiplies."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from parmesan_engine.search.triton_scan import GROWTH, _append

    pointers = dict.fromkeys(("queries", "codes"), f"*{kind}") | dict.fromkeys(("scales", "thresholds", "found"), "*fp32")
    pointers |= dict.fromkeys(("lengths", "found_slots"), "*i32")
    rows, keys, channels, warps, stages = tiles
    constants = {"scaled": kind != "fp32", "even": True, "growth": GROWTH, "tile_q": rows, "tile_n": keys, "tile_d": channels,
                 "stages": stages}
    names = _append.arg_names
    signature = {name: pointers.get(name, "constexpr" if name in constants else "i32") for name in names}
    aligned = {(names.index(name),): [["tt.divisibility", 16]] for name in (*pointers, "channels")}
    source = ASTSource(_append, signature, constexprs={(names.index(name),): value for name, value in constants.items()}, attrs=aligned)
    kernel = triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": warps, "num_stages": stages})
    assert kernel.metadata.shared <= most_shared * 1024
    assert product in kernel.asm["ptx"] and "cp.async.cg.shared.global" in kernel.asm["ptx"]


@real_gpu
@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize(("n", "d", "queries", "m"), [(50_000, 384, 130, 46), (30_011, 33, 7, 5), (40_000, 64, 300, 16)])
def test_on_a_real_gpu(dtype, n, d, queries, m):
    asked, codes = some_case(n, n, d, n, dtype, queries)
    check_candidates(asked.cuda(), codes.cuda(), m)
    assert gpu.backend(torch.device("cuda")) == "triton", gpu._failure


@real_gpu
@pytest.mark.parametrize("key_format", FORMATS)
def test_index_and_live_search_on_a_real_gpu(key_format):
    random = np.random.default_rng(0)
    queries, keys, ties = unit_rows(random, 20, 48), unit_rows(random, 20_000, 48).cuda(), torch.randperm(20_000).cuda()
    ids, index = torch.arange(20_000).cuda(), ExactIndex(channels=48, device="cuda", key_format=key_format)
    index.add(ids[:15_000], keys[:15_000], ties[:15_000])
    live = LiveSearch(index, queries.cuda(), k=8)
    index.remove(ids[100:4000])
    live.removed(ids[100:4000])
    index.add(ids[15_000:], keys[15_000:], ties[15_000:])
    live.added(ids[15_000:], *index.lookup(ids[15_000:]))
    for found in (live.neighbors, index.search(queries.cuda(), 8)):
        found = Neighbors(found.distances.cpu(), found.ids.cpu())
        check_nearest(found, queries, index.ids.cpu(), index.keys.cpu(), index.ties.cpu(), 8)
