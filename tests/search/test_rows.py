"""Key formats: a row's code depends on that row alone, decodes to unit length and is stable; the search is exact among decoded keys."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parmesan_engine.errors import UnknownNameError
from parmesan_engine.search import ExactIndex
from parmesan_engine.search.codes import FORMATS, decode, encode
from parmesan_engine.search.rows import Rows
from tests.search.reference import check_nearest, unit_rows

pytestmark = pytest.mark.usefixtures("way")
NEAR = {"float32": 1e-7, "float16": 1e-3, "int8": 2e-2}


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), d=st.integers(1, 130), name=st.sampled_from(sorted(FORMATS)))
def test_a_row_is_coded_by_itself(seed, d, name):
    rows = unit_rows(np.random.default_rng(seed), 33, d)
    codes = encode(rows, FORMATS[name])
    alone = torch.cat([encode(row[None], FORMATS[name]) for row in rows])
    assert torch.equal(codes, alone) and torch.equal(decode(codes), torch.cat([decode(code[None]) for code in codes]))
    assert torch.allclose(decode(codes).norm(dim=1), torch.ones(33), atol=1e-6)
    assert float((decode(codes) - rows).abs().max()) <= NEAR[name]
    if name == "int8":
        assert torch.equal(encode(decode(codes), torch.int8), codes)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), name=st.sampled_from(sorted(FORMATS)), k=st.integers(1, 12))
def test_search_is_exact_among_decoded_keys(seed, name, k):
    random = np.random.default_rng(seed)
    ids, ties = torch.arange(80), torch.from_numpy(random.permutation(80))
    index, queries = ExactIndex(channels=10, key_format=name), unit_rows(random, 9, 10)
    index.add(ids, unit_rows(random, 80, 10, distinct=50), ties)
    keys, found_ties = index.lookup(ids)
    assert torch.equal(found_ties, ties)
    check_nearest(index.search(queries, k), queries, ids, keys, ties, k)
    copy = index.copy()
    index.remove(ids[::2])
    left = ids[1::2]
    check_nearest(index.search(queries, k), queries, left, keys[left], ties[left], k)
    check_nearest(copy.search(queries, k), queries, ids, keys, ties, k)


def test_bytes_are_counted_and_formats_are_known():
    rows = Rows(channels=64, key_format="int8")
    rows.add(torch.arange(20_000), unit_rows(np.random.default_rng(0), 20_000, 64), torch.arange(20_000))
    assert 64 + 24 <= rows.bytes_per_entry < 64 + 24 + 2
    with pytest.raises(UnknownNameError, match="float16"):
        ExactIndex(channels=4, key_format="float8")
