"""What every registered index must do, in each key format: exactly where it promises so, and never anything false where it does not."""

import inspect
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parmesan_engine.errors import LimitError, ShapeError, UnknownNameError
from parmesan_engine.search import INDEXES, LiveSearch
from parmesan_engine.search.codes import FORMATS
from parmesan_engine.search.distance import pair_distances
from parmesan_engine.types import Neighbors
from tests.search.reference import unit_rows

D, K = 6, 4
EMPTY = torch.empty(0, dtype=torch.int64)
WHOLE = {"hierarchical": {"k_coarse": 10**6}, "approximate": {"exact_below": 10**6}}  # settings with which nothing may be missed
PARTLY = {"hierarchical": {"k_coarse": 2}, "approximate": {"exact_below": 0, "least_recall": 0.4}}  # settings with which much is


@dataclass(frozen=True)
class Variant:
    """An index with settings. whole: its answers must be those of brute force, bit for bit."""

    name: str
    keywords: dict = field(hash=False)
    whole: bool

    def make(self):
        return INDEXES.build({"name": self.name, "keywords": {"channels": D, **self.keywords}})

    def __str__(self):
        return "-".join([self.name, "whole" if self.whole else "partly", self.keywords.get("key_format", "")]).rstrip("-")


def variants():
    for name in INDEXES.names():
        formats = FORMATS if "key_format" in inspect.signature(INDEXES.get(name)).parameters else ()
        for given_format in [{"key_format": form} for form in formats] or [{}]:
            yield Variant(name, {**WHOLE.get(name, {}), **given_format}, True)
            if name in PARTLY:
                yield Variant(name, {**PARTLY[name], **given_format}, False)


@pytest.fixture(params=variants(), ids=str, scope="module")
def variant(request):
    return request.param


class Bench:
    """An index, a plain model of what is in it, and a live search on top; keys repeat, ids are never used twice."""

    def __init__(self, variant, seed):
        self.variant, self.random, self.index, self.fresh = variant, np.random.default_rng(seed), variant.make(), 0
        self.pool, self.coarse_pool = unit_rows(self.random, 12, D), unit_rows(self.random, 5, D)
        self.keys, self.ties = {}, {}  # what each id holds, the key as the index keeps it
        self.given = {}  # the coarse keys of the newest entries
        self.queries = torch.cat([unit_rows(self.random, 8, D), self.pool[:4]])
        self.live = LiveSearch(self.index, self.queries, k=K, **self.coarse(self.queries))

    def coarse(self, rows):
        """Return keywords with the coarse keys of rows, a function of the row: that of the pool which is nearest."""
        return {"coarse": self.coarse_pool[(rows @ self.coarse_pool.T).argmax(1)]} if self.index.takes_coarse else {}

    def add(self, n):
        repeated = self.pool[torch.from_numpy(self.random.integers(0, len(self.pool), n))]
        keys = torch.where(torch.from_numpy(self.random.random((n, 1)) < 0.5), repeated, unit_rows(self.random, n, D))
        ids = torch.from_numpy(self.random.permutation(n)) + self.fresh
        ties = (torch.from_numpy(self.random.permutation(n)) - n // 2) * 1000 + self.fresh
        self.fresh += n
        self.given = self.coarse(keys)
        self.index.add(ids, keys, ties, **self.given)
        kept, kept_ties = self.index.lookup(ids)
        assert torch.equal(kept_ties, ties) and bool(((kept * keys).sum(1) > 0.995).all())
        self.keys |= dict(zip(ids.tolist(), kept, strict=True))
        self.ties |= dict(zip(ids.tolist(), ties.tolist(), strict=True))
        return ids, self.live.added(ids, kept, ties)

    def remove(self, ids):
        self.index.remove(ids)
        for i in ids.tolist():
            del self.keys[i], self.ties[i]
        return self.live.removed(ids)

    def some(self, most=20):
        """Return a few ids, or those most in use, or all."""
        ids = torch.tensor(sorted(self.keys), dtype=torch.int64)
        if self.random.random() < 0.4:
            ids = self.live.neighbors.ids.flatten().unique()
            return ids[ids >= 0]
        return ids[torch.from_numpy(self.random.permutation(len(ids))[: self.random.integers(0, most)])]

    def rebuild(self):
        if hasattr(self.index, "rebuilt"):
            self.index = self.live.index = self.index.rebuilt()

    def step(self, kind):
        if kind == "add" or not self.keys:
            self.add(int(self.random.integers(0, 25)))
        elif kind == "remove":
            self.remove(self.some())
        else:
            self.rebuild()

    def search(self, queries, k):
        return self.index.search(queries, k, **self.coarse(queries))

    def brute(self, queries, k, among=None):
        """Return the k nearest of some entries (all) by comparing each, in the order (distance, tie)."""
        ids = torch.tensor(sorted(self.keys if among is None else among), dtype=torch.int64)
        found = Neighbors(torch.full((len(queries), k), torch.inf), torch.full((len(queries), k), -1, dtype=torch.int64))
        for row in range(len(queries) if len(ids) else 0):
            keys = torch.stack([self.keys[i] for i in ids.tolist()])
            distances = pair_distances(queries, keys, torch.full((len(ids),), row), torch.arange(len(ids)))
            order = sorted(range(len(ids)), key=lambda i: (float(distances[i]), self.ties[int(ids[i])]))[:k]
            found.distances[row, : len(order)], found.ids[row, : len(order)] = distances[order], ids[order]
        return found

    def check_true(self, found, queries, k):
        """Assert that what was found is there, once, at its true distance and in order, and that it is as many as there are."""
        n = min(k, len(self.keys))
        assert found.ids.shape == found.distances.shape == (len(queries), k)
        assert bool((found.ids[:, n:] == -1).all()) and bool(torch.isinf(found.distances[:, n:]).all())
        for row in range(len(queries)):
            ids = found.ids[row, :n].tolist()
            assert len(set(ids)) == n and set(ids) <= set(self.keys)
            told = self.brute(queries[row : row + 1], n, among=ids) if n else found
            assert told.ids[0, :n].tolist() == ids and torch.equal(told.distances[0, :n], found.distances[row, :n])

    def check_search(self, queries, k):
        found = self.search(queries, k)
        self.check_true(found, queries, k)
        if self.variant.whole:
            assert same(found, self.brute(queries, k))

    def check_books(self):
        ids = torch.tensor(sorted(self.keys), dtype=torch.int64)
        assert len(self.index) == len(ids) and sorted(self.index.ids.tolist()) == ids.tolist()
        assert self.index.top >= max(self.keys, default=-1) + 1
        if len(ids):
            keys, ties = self.index.lookup(ids)
            assert torch.equal(keys, torch.stack([self.keys[i] for i in ids.tolist()])) and self.index.bytes_per_entry > D
            assert ties.tolist() == [self.ties[i] for i in ids.tolist()]


def same(one, two):
    return torch.equal(one.ids, two.ids) and torch.equal(one.distances, two.distances)


KINDS = st.lists(st.sampled_from(["add", "add", "remove", "remove", "rebuild"]), min_size=1, max_size=8)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32), kinds=KINDS, k=st.integers(1, 40))
def test_searches_after_any_edits(variant, seed, kinds, k):
    bench = Bench(variant, seed)
    bench.check_search(bench.queries, k)  # of nothing
    for kind in kinds:
        bench.step(kind)
        bench.check_books()
        bench.check_search(bench.queries, k)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), kinds=KINDS)
def test_what_was_added_is_found_by_its_own_key_at_once_and_never_once_removed(variant, seed, kinds):
    bench = Bench(variant, seed)
    bench.add(20)
    bench.rebuild()
    for kind in kinds:
        bench.step(kind)
        ids, _ = bench.add(6)
        own = torch.stack([bench.keys[i] for i in ids.tolist()])
        found = bench.index.search(own, K, **bench.given)
        assert bool((found.distances[:, 0] == 0).all())
        for row, i in enumerate(ids.tolist()):
            equal = sorted(bench.ties[j] for j, key in bench.keys.items() if torch.equal(key, own[row]))
            assert i in found.ids[row].tolist() or equal.index(bench.ties[i]) >= K
        bench.remove(ids)
        assert not torch.isin(bench.search(own, K).ids, ids).any() and not torch.isin(bench.live.neighbors.ids, ids).any()


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), kinds=KINDS)
def test_a_copy_and_its_original_go_their_own_ways(variant, seed, kinds):
    bench = Bench(variant, seed)
    bench.add(30)
    bench.rebuild()
    before = bench.search(bench.queries, K)
    other = bench.index.copy()
    live = bench.live.copy(other)
    lists = bench.live.rows(torch.arange(len(bench.queries)))
    for kind in kinds:
        bench.step(kind)
    assert same(before, other.search(bench.queries, K, **bench.coarse(bench.queries)))
    assert same(lists, live.rows(torch.arange(len(bench.queries))))
    after = bench.search(bench.queries, K)
    left = other.ids.clone()
    other.remove(left)
    live.removed(left)
    assert len(other) == 0 and bool((live.neighbors.ids == -1).all()) and same(after, bench.search(bench.queries, K))


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), parts=st.integers(1, 40))
def test_neither_order_nor_history_changes_a_bit(variant, seed, parts):
    bench, other = Bench(variant, seed), variant.make()
    ids, _ = bench.add(50)
    order = torch.from_numpy(bench.random.permutation(50))
    keys, ties = bench.index.lookup(ids)
    extra, more = unit_rows(bench.random, 10, D), torch.arange(1000, 1010)
    other.add(more, extra, more, **bench.coarse(extra))
    for part in order.split(parts):
        other.add(ids[part], keys[part], ties[part], **bench.coarse(keys[part]))
    other.remove(more)
    one = variant.make()
    one.add(ids, keys, ties, **bench.coarse(keys))
    if hasattr(one, "rebuilt"):
        one, other = one.rebuilt(), other.rebuilt()
    found = [index.search(bench.queries, K, **bench.coarse(bench.queries)) for index in (one, other)]
    assert same(*found)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), kinds=KINDS, width=st.integers(K, 30))
def test_every_list_keeps_its_promise(variant, seed, kinds, width):
    bench = Bench(variant, seed)
    for kind in kinds:
        bench.step(kind)
    seen = []
    lists = bench.index.ranked(bench.queries, K, width=width, progress=seen.append, **bench.coarse(bench.queries))
    assert seen == sorted(seen) and seen[-1] == 1.0
    bench.check_true(Neighbors(lists.distances[:, :K], lists.ids[:, :K]), bench.queries, K)
    assert len(lists.uncertain(K)) == 0 and lists.width >= width
    if variant.whole:
        everything = bench.brute(bench.queries, len(bench.keys) or 1)
        for row in range(len(bench.queries)):
            before = everything.distances[row] < lists.floor_distance[row]
            assert set(everything.ids[row, before].tolist()) - {-1} <= set(lists.ids[row].tolist())


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), kinds=KINDS)
def test_a_live_search_follows_any_edits(variant, seed, kinds):
    bench = Bench(variant, seed)
    everyone = torch.arange(len(bench.queries))
    for kind in ["add", *kinds]:
        before, old = bench.live.rows(everyone), set(bench.keys)
        bench.step(kind)
        after, added = bench.live.rows(everyone), set(bench.keys) - old
        bench.check_true(after, bench.queries, K)
        if variant.whole:
            assert same(after, bench.search(bench.queries, K)) and same(after, bench.brute(bench.queries, K))
        for row in range(len(bench.queries)):  # never worse than what was there and stayed, and all that came
            known = (set(before.ids[row].tolist()) & set(bench.keys)) | added
            assert bool((after.distances[row] <= bench.brute(bench.queries[row : row + 1], K, among=known).distances[0]).all())


def test_what_is_wrong_is_refused_and_changes_nothing(variant):
    bench = Bench(variant, 0)
    ids, _ = bench.add(30)
    bench.rebuild()
    before, keys = bench.search(bench.queries, K), bench.pool[:2]
    fresh = torch.tensor([500, 501])
    for wrong in (lambda: bench.index.add(fresh, bench.pool[:3], fresh), lambda: bench.index.add(fresh, keys, fresh[:1]),
                  lambda: bench.index.add(fresh, keys[:, :3], fresh), lambda: bench.index.search(bench.queries[0], K),
                  lambda: bench.index.search(bench.queries[:, :3], K)):
        with pytest.raises(ShapeError):
            wrong()
    for wrong in (ids[:2], torch.tensor([500, 500]), torch.tensor([-1, 500])):
        with pytest.raises(UnknownNameError):
            bench.index.add(wrong, keys, fresh, **bench.coarse(keys))
    for wrong in (fresh, ids[[0, 0]], torch.tensor([-1]), torch.tensor([int(ids[0]), 10**6])):
        with pytest.raises(UnknownNameError):
            bench.index.remove(wrong)
    with pytest.raises(LimitError):
        bench.search(bench.queries, 0)
    bench.index.add(EMPTY, keys[:0], EMPTY, **bench.coarse(keys[:0]))
    bench.index.remove(EMPTY)
    bench.check_books()
    assert same(before, bench.search(bench.queries, K))


def test_no_index_is_left_out():
    assert {str(v).split("-")[0] for v in variants()} == set(INDEXES.names())
    assert set(WHOLE) == set(PARTLY) == set(INDEXES.names()) - {"exact"}, "say how each index is made exact"
