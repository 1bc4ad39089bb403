"""The Triton scan by Triton's interpreter, on the CPU. `test_gpu.py` runs this file in a process of its own, because
TRITON_INTERPRET=1 must be set before the kernel is defined and would make a real GPU's tests run in the interpreter too."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

from parmesan_engine.search import ExactIndex, exact, gpu, triton_scan
from parmesan_engine.search.codes import FORMATS, inverse_lengths
from tests.search.candidates import TYPES, check_candidates, some_case
from tests.search.reference import check_nearest, unit_rows


@pytest.fixture(autouse=True)
def small_parts_and_no_fallback(monkeypatch):
    monkeypatch.setattr(triton_scan, "FIRST", 8)  # so that small memories have several parts
    yield
    assert gpu.backend(torch.device("cpu")) == "triton", gpu._failure


@pytest.fixture(autouse=True)
def product_of_bfloat16(monkeypatch):
    """The interpreter of Triton 3.7 keeps bfloat16 as its bits in uint16 and multiplies these: give it the values."""

    def create_dot(self, a, b, d, *options):
        a, b = ((x.data.astype(np.uint32) << 16).view(np.float32) if x.dtype.scalar.is_bf16() else x.data for x in (a, b))
        return TensorHandle(np.matmul(a, b, dtype=np.float32) + d.data, d.dtype.scalar)

    monkeypatch.setattr(InterpreterBuilder, "create_dot", create_dot)


@example(seed=5, n=66, d=16, m=3, distinct=66, dtype=torch.float32)  # the last key is alone in its tile
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(1, 150), d=st.sampled_from([2, 16, 33, 65]), m=st.integers(1, 160),
       distinct=st.integers(1, 150), dtype=st.sampled_from(TYPES))
def test_every_entry_nearer_than_the_floor_is_found(seed, n, d, m, distinct, dtype):
    check_candidates(*some_case(seed, n, d, distinct, dtype), min(m, n))


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_several_blocks_of_queries_and_parts(dtype):
    check_candidates(*some_case(1, 200, 48, 200, dtype, queries=20), 4)


def test_lists_that_overflow_are_scanned_again(monkeypatch):
    """All that is near comes last, where the first parts saw none of it."""
    queries, codes = some_case(3, 96, 16, 96, torch.float32)
    last = torch.arange(96) % 4 != 0
    codes[last] = torch.nn.functional.normalize(queries[torch.arange(96) % 7] + 0.1 * codes, dim=1)[last]
    launches, launch = [], triton_scan._launch
    monkeypatch.setattr(triton_scan, "_launch", lambda *inputs: launches.append(inputs[4]) or launch(*inputs))
    monkeypatch.setattr(triton_scan, "ROOM", 1)
    check_candidates(queries, codes, 4)
    assert launches.count(1) > 1


def test_equal_keys_end(monkeypatch):
    monkeypatch.setattr(triton_scan, "ROOM", 1)
    queries, codes = some_case(4, 120, 16, 1, torch.float16)
    check_candidates(queries, codes, 3)


@pytest.mark.parametrize("key_format", FORMATS)
def test_exact_index_of_a_gpu(monkeypatch, key_format):
    """The index that a GPU would hold, on the CPU: its search is brute force, also after rows came, moved and went."""
    monkeypatch.setattr(ExactIndex, "on_gpu", True)
    index = ExactIndex(channels=33, key_format=key_format)
    random = np.random.default_rng(0)
    ids, ties = torch.arange(110), torch.from_numpy(random.permutation(110))
    index.add(ids[:40], unit_rows(random, 40, 33), ties[:40])
    index.add(ids[40:], unit_rows(random, 70, 33, distinct=5), ties[40:])
    index.remove(ids[5:25])
    if key_format != "float32":
        assert torch.equal(index.scales, inverse_lengths(index.codes))
    queries = unit_rows(random, 7, 33)
    queries[0] = index.keys[60]  # one of several equal keys: the bound leaves it open, a longer list does not
    asked, settled, scan = [], [], gpu.scan_gpu
    monkeypatch.setattr(exact, "scan_gpu", lambda queries, codes, m, scales: asked.append(m) or scan(queries, codes, m, scales))
    monkeypatch.setattr(ExactIndex, "_settle", lambda self, queries, lists, rows, k: settled.append(rows))
    check_nearest(index.search(queries, 4), queries, index.ids, index.keys, index.ties, 4)
    assert asked == [8, 64] and not settled
