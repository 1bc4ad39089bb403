"""Live search equals a full search bit for bit after any sequence of changes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parmesan_engine.search import ExactIndex, LiveSearch
from parmesan_engine.search import live as live_module
from parmesan_engine.search.ranking import RankedLists
from tests.search.reference import check_nearest, unit_rows

pytestmark = pytest.mark.usefixtures("way")


class Bench:
    """An index and a live search changed together, with what is in them on the side."""

    def __init__(self, seed, *, k, d=8, queries=40):
        self.random, self.k, self.d = np.random.default_rng(seed), k, d
        self.index, self.fresh = ExactIndex(channels=d), 0
        self.pool = unit_rows(self.random, 30, d)
        queries = unit_rows(self.random, queries, d)
        queries[::4] = self.pool[0]
        self.live = LiveSearch(self.index, queries, k=k)

    def add(self, n):
        repeated = self.pool[torch.from_numpy(self.random.integers(0, 30, n))]
        keys = repeated if self.random.random() < 0.5 else unit_rows(self.random, n, self.d)
        ids = torch.arange(self.fresh, self.fresh + n)
        ties = torch.from_numpy(self.random.permutation(np.arange(n)) * 7919 - self.fresh * 31)
        self.fresh += n
        self.index.add(ids, keys, ties)
        return self.live.added(ids, keys, ties)

    def remove(self, ids):
        self.index.remove(ids)
        return self.live.removed(ids)

    def most_used(self, n):
        """Return the n entries that are the neighbours of most queries."""
        used = self.live.neighbors.ids
        found, counts = used[used >= 0].unique(return_counts=True)
        return found[counts.argsort(descending=True)[:n]]

    def check(self):
        full, mine = self.index.search(self.live.queries, self.k), self.live.neighbors
        assert torch.equal(full.ids, mine.ids) and torch.equal(full.distances, mine.distances)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), k=st.integers(1, 9), edits=st.lists(st.integers(0, 3), min_size=1, max_size=25))
def test_live_equals_full_search_after_any_edits(seed, k, edits):
    bench = Bench(seed, k=k)
    for edit in edits:
        before = bench.live.rows(torch.arange(40))
        if edit <= 1 or len(bench.index) == 0:
            changed = bench.add(int(bench.random.integers(0, 30)))
        elif edit == 2:
            ids = bench.index.ids[torch.from_numpy(bench.random.permutation(len(bench.index))[: bench.random.integers(0, 20)])]
            changed = bench.remove(ids.clone())
        else:
            changed = bench.remove(bench.most_used(3 * k))
        bench.check()
        untouched = torch.ones(40, dtype=torch.bool)
        untouched[changed] = False
        after = bench.live.rows(torch.arange(40))
        assert torch.equal(before.ids[untouched], after.ids[untouched]), "a row changed that was not reported"


def test_hundreds_of_edits_stay_equal_and_seldom_search_again():
    bench = Bench(5, k=5, queries=60)
    bench.add(400)
    for step in range(150):
        bench.add(int(bench.random.integers(1, 12)))
        ids = bench.index.ids
        bench.remove(ids[torch.from_numpy(bench.random.permutation(len(ids))[: bench.random.integers(1, 12)])].clone())
        if step % 25 == 0:
            bench.remove(bench.most_used(6))
        bench.check()
    queries, index = bench.live.queries, bench.index
    keys, ties = index.lookup(index.ids)
    check_nearest(bench.live.neighbors, queries, index.ids, keys, ties, 5)
    assert 0 < bench.live.searched_again < 0.1 * 300 * len(queries)


def test_removing_everything_and_starting_again():
    bench = Bench(6, k=4)
    bench.add(50)
    bench.remove(bench.index.ids.clone())
    assert bool((bench.live.neighbors.ids == -1).all())
    bench.add(3)  # fewer than k
    bench.check()
    assert bool((bench.live.neighbors.ids[:, 3:] == -1).all())


def test_added_blocks_smaller_than_the_gesture(monkeypatch):
    monkeypatch.setattr(live_module, "NEW_BLOCK", 7)
    monkeypatch.setattr(live_module, "QUERY_BLOCK", 16)
    bench = Bench(7, k=6)
    bench.add(100)
    bench.check()
    bench.add(40)
    bench.check()


def test_every_list_keeps_its_promise():
    bench = Bench(8, k=3)
    for _ in range(20):
        bench.add(20)
        bench.remove(bench.most_used(2))
        lists: RankedLists = bench.live._lists
        n = len(bench.index)
        everything = bench.index.ranked(bench.live.queries, n, width=n)
        inside = everything.distances < lists.floor_distance[:, None]
        for row in range(40):
            assert set(everything.ids[row, inside[row]].tolist()) <= set(lists.ids[row].tolist())


def test_rows_are_copies():
    bench = Bench(10, k=2)
    bench.add(20)
    kept = bench.live.rows(torch.tensor([0, 1]))
    ids = kept.ids.clone()
    bench.remove(bench.index.ids.clone())
    assert torch.equal(kept.ids, ids)
