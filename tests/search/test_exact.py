"""ExactIndex against brute force in float64: any adds, removes and searches; order of insertion never shows."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parmesan_engine.errors import LimitError, ShapeError, UnknownNameError
from parmesan_engine.search import ApproximateIndex, ExactIndex, HierarchicalIndex
from parmesan_engine.search import exact as exact_module
from parmesan_engine.search.distance import pair_distances, score_error, scores
from tests.search.reference import check_nearest, unit_rows

pytestmark = pytest.mark.usefixtures("way")
EMPTY = torch.empty(0, dtype=torch.int64)


def filled(keys, ties, ids=None, device="cpu"):
    index = ExactIndex(channels=keys.shape[1], device=device)
    index.add(torch.arange(len(keys)) if ids is None else ids, keys.to(device), ties.to(device))
    return index


def some_ties(random, n):
    return torch.from_numpy(random.permutation(np.arange(-n, n))[:n].copy())


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(0, 60), d=st.integers(2, 24), k=st.integers(1, 70), distinct=st.integers(1, 60))
def test_search_is_brute_force(seed, n, d, k, distinct):
    random = np.random.default_rng(seed)
    keys, ties, queries = unit_rows(random, n, d, distinct=distinct), some_ties(random, n), unit_rows(random, 7, d)
    if n:
        queries[0] = keys[0]
    ids = torch.from_numpy(random.permutation(3 * n + 1)[:n].copy())
    check_nearest(filled(keys, ties, ids).search(queries, k), queries, ids, keys, ties, k)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), distinct=st.integers(1, 40), k=st.integers(1, 20))
def test_order_of_insertion_changes_no_bit(seed, distinct, k):
    random = np.random.default_rng(seed)
    keys, ties, queries = unit_rows(random, 90, 8, distinct=distinct), some_ties(random, 90), unit_rows(random, 9, 8)
    queries[:3] = keys[:3]  # ties at distance 0 as well
    one, order = filled(keys, ties).search(queries, k), torch.from_numpy(random.permutation(90))
    shuffled = ExactIndex(channels=8)
    for part in order.split(13):
        shuffled.add(part, keys[part], ties[part])
    two = shuffled.search(queries, k)
    assert torch.equal(one.ids, two.ids) and torch.equal(one.distances, two.distances)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), edits=st.integers(1, 25))
def test_random_adds_and_removes_keep_the_index_true(seed, edits):
    random = np.random.default_rng(seed)
    index, present, fresh = ExactIndex(channels=6), {}, 0
    queries = unit_rows(random, 5, 6)
    for _ in range(edits):
        if present and random.random() < 0.45:
            gone = random.choice(list(present), random.integers(1, len(present) + 1), replace=False)
            index.remove(torch.from_numpy(gone))
            for i in gone:
                del present[int(i)]
        else:
            n = int(random.integers(0, 12))
            keys, ties = unit_rows(random, n, 6, distinct=5), some_ties(random, n) * 1000 + fresh
            index.add(torch.arange(fresh, fresh + n), keys, ties)
            present |= {fresh + i: (keys[i], ties[i]) for i in range(n)}
            fresh += n
        assert len(index) == len(present) and set(index.ids.tolist()) == set(present)
        ids = torch.tensor(list(present), dtype=torch.int64)
        keys = torch.stack([present[int(i)][0] for i in ids]) if present else torch.empty(0, 6)
        ties = torch.stack([present[int(i)][1] for i in ids]) if present else EMPTY
        check_nearest(index.search(queries, 4), queries, ids, keys, ties, 4)
        if present:
            found_keys, found_ties = index.lookup(ids)
            assert torch.equal(found_keys, keys) and torch.equal(found_ties, ties)


def test_a_thousand_equal_entries_are_ordered_by_content_alone():
    random = np.random.default_rng(0)
    key = unit_rows(random, 1, 5)
    ties = some_ties(random, 1000)
    found = filled(key.repeat(1000, 1), ties).search(key, 10)
    assert found.ids[0].tolist() == torch.argsort(ties)[:10].tolist()
    assert torch.equal(found.distances, torch.zeros(1, 10))


def test_near_ties_beyond_the_scan_are_settled(monkeypatch):
    """More entries within the error bound than a list can hold, over several tiles of the second scan."""
    monkeypatch.setattr(exact_module, "SETTLE_KEYS", 37)
    monkeypatch.setattr(exact_module, "SETTLE_ROWS", 2)
    random = np.random.default_rng(1)
    keys = unit_rows(random, 400, 16, distinct=3) + torch.from_numpy(random.normal(size=(400, 16)).astype(np.float32)) * 1e-7
    keys = keys / keys.norm(dim=1, keepdim=True)
    ties, queries = some_ties(random, 400), unit_rows(random, 11, 16)
    queries[0] = keys[5]
    found = filled(keys, ties).search(queries, 6)
    for row in range(len(queries)):  # exact order of exact pair distances, ties included
        exact = pair_distances(queries, keys, torch.full((400,), row), torch.arange(400))
        order = sorted(range(400), key=lambda i: (float(exact[i]), int(ties[i])))[:6]
        assert found.ids[row].tolist() == order


def test_queries_in_several_chunks_equal_one(monkeypatch):
    random = np.random.default_rng(2)
    keys, ties, queries = unit_rows(random, 50, 8), some_ties(random, 50), unit_rows(random, 33, 8)
    whole, seen = filled(keys, ties).search(queries, 5), []
    monkeypatch.setattr(exact_module, "QUERY_CHUNK", 10)
    parts = filled(keys, ties).ranked(queries, 5, width=10, progress=seen.append)
    assert torch.equal(parts.ids[:, :5], whole.ids) and torch.equal(parts.distances[:, :5], whole.distances)
    assert seen == sorted(seen) and seen[-1] == 1.0 and len(seen) == 4


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), d=st.integers(1, 130))
def test_scores_stay_within_their_bound_and_pairs_stand_alone(seed, d):
    random = np.random.default_rng(seed)
    queries, keys = unit_rows(random, 9, d), unit_rows(random, 31, d)
    keys[0] = -queries[0]
    rows, columns = torch.arange(9).repeat_interleave(31), torch.arange(31).repeat(9)
    together = pair_distances(queries, keys, rows, columns)
    assert bool(((1 - scores(queries, keys)).flatten() - together).abs().max() <= score_error(d))
    alone = torch.cat([pair_distances(queries, keys, rows[i : i + 1], columns[i : i + 1]) for i in range(len(rows))])
    assert torch.equal(alone, together), "the distance of a pair must not depend on the pairs beside it"


def test_wrong_input_is_refused_and_changes_nothing():
    random = np.random.default_rng(3)
    keys, ties, queries = unit_rows(random, 6, 4), some_ties(random, 6), unit_rows(random, 3, 4)
    index = filled(keys, ties)
    before = index.search(queries, 6)
    for wrong in (lambda: index.add(torch.arange(6, 8), keys[:3], ties[:2]), lambda: index.add(torch.arange(6, 8), keys[:2, :3], ties[:2]),
                  lambda: index.add(torch.arange(6, 8), keys[:2], ties[:3]), lambda: index.search(queries[:, :3], 2),
                  lambda: index.search(queries[0], 2)):
        with pytest.raises(ShapeError):
            wrong()
    for ids in ([9], [0, 99], [-1], [2, 2], [1, 5000]):
        with pytest.raises(UnknownNameError):
            index.remove(torch.tensor(ids))
    for ids in ([3, 7], [8, 8], [-2, 9]):
        with pytest.raises(UnknownNameError):
            index.add(torch.tensor(ids), keys[:2], ties[:2])
    with pytest.raises(LimitError):
        index.search(queries, 0)
    after = index.search(queries, 6)
    assert len(index) == 6 and torch.equal(before.ids, after.ids) and torch.equal(before.distances, after.distances)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_cuda_finds_what_the_processor_finds():
    random = np.random.default_rng(4)
    keys, ties, queries = unit_rows(random, 3000, 33, distinct=2000), some_ties(random, 3000), unit_rows(random, 500, 33)
    queries[:100] = keys[:100]
    one = filled(keys, ties).search(queries, 9)
    two = filled(keys, ties, device="cuda").search(queries.cuda(), 9)
    assert torch.allclose(one.distances, two.distances.cpu(), atol=1e-6)
    clear = (one.distances.diff(dim=1) > 1e-6).all(1)
    assert int(clear.sum()) > 100 and torch.equal(one.ids[clear], two.ids.cpu()[clear])


@pytest.mark.parametrize(("key_format", "note"), [("float32", ""), ("float16", "exact among keys rounded to 16 bits"),
                                                  ("int8", "exact among keys rounded to 8 bits")])
def test_rounded_keys_are_said(key_format, note):
    """Regression: what was exact among keys of 8 bits, and 0.989 of the nearest by the keys as they came, said nothing."""
    assert ExactIndex(channels=4, key_format=key_format).note == note
    assert ApproximateIndex(channels=4).note == "exact among keys rounded to 16 bits", "below its size"
    assert HierarchicalIndex(channels=4, key_format=key_format).note.endswith(note.removeprefix("exact among ") or "are compared")
