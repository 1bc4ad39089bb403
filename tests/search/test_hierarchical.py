"""Coarse-to-fine search: the flat search when every coarse node is a candidate, else exactly that among the candidates."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parmesan_engine.errors import LimitError, ShapeError, UnknownNameError
from parmesan_engine.search import ExactIndex, HierarchicalIndex, LiveSearch
from parmesan_engine.search import hierarchical as module
from parmesan_engine.search.children import Children
from tests.search.reference import unit_rows

D = 6


class Scene:
    """A memory of entries with coarse nodes, some of them equal, and queries with theirs."""

    def __init__(self, seed, n=80, nodes=9, queries=20, distinct=None):
        random = np.random.default_rng(seed)
        self.ids, self.ties = torch.from_numpy(random.permutation(4 * n)[:n].copy()), torch.from_numpy(random.permutation(n))
        self.keys, self.coarse_keys = unit_rows(random, n, D, distinct=distinct), unit_rows(random, nodes, D)
        self.parents = torch.from_numpy(random.integers(0, nodes, n))
        self.queries, self.asked = unit_rows(random, queries, D), unit_rows(random, 4, D)[random.integers(0, 4, queries)]

    def index(self, k_coarse, order=None):
        index = HierarchicalIndex(channels=D, k_coarse=k_coarse)
        for part in (torch.arange(len(self.ids)) if order is None else order).split(17):
            index.add(self.ids[part], self.keys[part], self.ties[part], self.coarse_keys[self.parents[part]])
        return index

    def flat(self, chosen=slice(None)):
        index = ExactIndex(channels=D)
        index.add(self.ids[chosen], self.keys[chosen], self.ties[chosen])
        return index


def equal(one, two):
    return torch.equal(one.ids, two.ids) and torch.equal(one.distances, two.distances)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(0, 60), k=st.integers(1, 12), more=st.integers(0, 3))
def test_all_coarse_nodes_give_the_flat_search(seed, n, k, more):
    scene = Scene(seed, n=n, distinct=20)
    assert equal(scene.flat().search(scene.queries, k), scene.index(9 + more).search(scene.queries, k, scene.asked))


def check_only_children(scene, index, k):
    """Assert that each query finds exactly what a flat search finds among the children of its nearest coarse nodes."""
    here = torch.isin(scene.ids, index.ids)
    found = index.search(scene.queries, k, scene.asked)
    nodes = torch.unique(scene.parents[here])
    for row in range(len(scene.queries)):
        order = nodes[torch.argsort(scene.asked[row] @ scene.coarse_keys[nodes].T, descending=True)]
        count = index.k_coarse
        while int((here & torch.isin(scene.parents, order[:count])).sum()) < min(k, len(index)):
            count *= module.WIDEN
        allowed = scene.flat((here & torch.isin(scene.parents, order[:count])).nonzero().flatten())
        expected = allowed.search(scene.queries[row : row + 1], k)
        assert torch.equal(expected.ids[0], found.ids[row]) and torch.equal(expected.distances[0], found.distances[row])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), k=st.integers(1, 12), k_coarse=st.integers(1, 8), distinct=st.sampled_from([None, 6]))
def test_only_children_of_the_nearest_coarse_nodes_are_found(seed, k, k_coarse, distinct):
    scene = Scene(seed, distinct=distinct)
    index = scene.index(k_coarse)
    check_only_children(scene, index, k)
    index.remove(scene.ids[(scene.parents < 3) | (torch.arange(80) % 3 == 0)])  # whole nodes, and parts of others
    check_only_children(scene, index, k)


def test_queries_and_candidates_in_several_groups_and_batches(monkeypatch):
    monkeypatch.setattr(module, "GROUP", 3)
    scene = Scene(1, distinct=5)  # many equal keys: more within the bound than a list holds
    whole = scene.index(4).search(scene.queries, 3, scene.asked)
    for batch in (1, 100, 400):  # single candidates, a few groups, all of them
        monkeypatch.setattr(module, "BATCH", batch)
        seen = []
        lists = scene.index(4).ranked(scene.queries, 3, width=6, coarse=scene.asked, progress=seen.append)
        assert torch.equal(lists.ids[:, :3], whole.ids) and torch.equal(lists.distances[:, :3], whole.distances)
        assert seen == sorted(seen) and seen[-1] == 1.0
    check_only_children(scene, scene.index(4), 3)


def test_history_changes_no_bit_and_a_copy_goes_its_own_way():
    scene = Scene(2)
    scene.coarse_keys = scene.coarse_keys[:3].repeat(3, 1)  # equal coarse keys are one coarse node
    one = scene.index(2)
    assert one.coarse_nodes == 3
    before = one.search(scene.queries, 4, scene.asked)
    other, order = one.copy(), torch.randperm(80, generator=torch.Generator().manual_seed(0))
    assert equal(before, scene.index(2, order).search(scene.queries, 4, scene.asked))
    gone = order[:50]
    other.remove(scene.ids[gone])
    other.remove(other.ids.clone())
    assert len(other) == other.coarse_nodes == 0 and bool((other.search(scene.queries, 2, scene.asked).ids == -1).all())
    for part in (order[40:], order[:40]):
        other.add(scene.ids[part], scene.keys[part], scene.ties[part], scene.coarse_keys[scene.parents[part]])
    for index in (one, other):
        assert equal(before, index.search(scene.queries, 4, scene.asked)) and index.coarse_nodes == 3
    assert one.bytes_per_entry > ExactIndex.bytes_per_entry.fget(one)


def test_keys_are_their_own_coarse_nodes_where_none_are_given():
    scene = Scene(3)
    index = HierarchicalIndex(channels=D, k_coarse=2)
    index.add(scene.ids, scene.keys, scene.ties)
    for k in (2, 5, 11, 100):  # as many nodes as it takes
        assert equal(scene.flat().search(scene.queries, k), index.search(scene.queries, k))
    assert index.coarse_nodes == 80


def test_a_removed_neighbourhood_is_searched_again_and_what_was_added_stays():
    scene = Scene(4)
    index = scene.index(1)
    live = LiveSearch(index, scene.queries, k=3, coarse=scene.asked)
    far, ties = scene.queries.clone(), torch.arange(1000, 1020)
    index.add(torch.arange(1000, 1020), far, ties, -scene.asked)  # the nearest of all, in the coarse nodes farthest away
    live.added(torch.arange(1000, 1020), far, ties)
    near = live._lists.ids.unique()  # those kept in reserve too
    near = near[(near >= 0) & (near < 1000)]
    index.remove(near)
    live.removed(near)
    assert live.searched_again > 0 and not torch.isin(live.neighbors.ids, near).any()
    assert bool((live.neighbors.distances[:, 0] == 0).all()) and bool((live.neighbors.ids >= 0).all())


def test_wrong_input_is_refused_and_changes_nothing():
    scene = Scene(5)
    index = scene.index(4)
    fresh = torch.arange(900, 902)
    for wrong in (lambda: index.add(fresh, scene.keys[:2], fresh, scene.coarse_keys[:1]), lambda: index.search(scene.queries[:, :3], 2),
                  lambda: index.search(scene.queries, 2, scene.asked[:3]), lambda: index.search(scene.queries, 2, scene.asked[:, :3])):
        with pytest.raises(ShapeError):
            wrong()
    for wrong in (lambda: index.search(scene.queries, 0, scene.asked), lambda: HierarchicalIndex(channels=D, k_coarse=0)):
        with pytest.raises(LimitError):
            wrong()
    for wrong in (lambda: index.remove(fresh), lambda: index.add(scene.ids[:1], scene.keys[:1], scene.ties[:1], scene.keys[:1])):
        with pytest.raises(UnknownNameError):
            wrong()
    assert index.coarse_nodes == 9
    assert equal(index.search(scene.queries, 3, scene.asked), scene.index(4).search(scene.queries, 3, scene.asked))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 30))
def test_lists_of_children_are_those_of_a_dictionary(seed, steps):
    random, lists, model, fresh = np.random.default_rng(seed), Children(torch.device("cpu")), {}, 0
    for _ in range(steps):
        if model and random.random() < 0.4:
            pairs = [(node, i) for node, ids in model.items() for i in ids]
            gone = [pairs[p] for p in random.permutation(len(pairs))[: random.integers(1, len(pairs) + 1)]]
            empty = lists.remove(torch.tensor([node for node, _ in gone]), torch.tensor([i for _, i in gone]))
            for node, i in gone:
                model[node].remove(i)
            assert set(empty.tolist()) == {node for node, ids in model.items() if not ids}
            model = {node: ids for node, ids in model.items() if ids}
        else:
            n = int(random.integers(0, 200))
            nodes = random.integers(0, 12, n)
            lists.add(torch.from_numpy(nodes), torch.arange(fresh, fresh + n))
            for node, i in zip(nodes.tolist(), range(fresh, fresh + n), strict=True):
                model.setdefault(node, set()).add(i)
            fresh += n
        asked = torch.tensor(sorted(model), dtype=torch.int64)
        ids, owners = lists.of(asked)
        assert {int(node): set(ids[owners == place].tolist()) for place, node in enumerate(asked)} == model
        assert lists.counts(asked).tolist() == [len(model[int(node)]) for node in asked] and len(ids) == sum(map(len, model.values()))


def test_lists_that_come_and_go_take_no_more_room_in_the_end():
    lists = Children(torch.device("cpu"))
    for round_ in range(300):
        nodes, ids = torch.arange(50) % 7 + round_, torch.arange(50) + 50 * round_
        lists.add(nodes, ids)
        lists.remove(nodes, ids)
    assert len(lists._pool) < 2000


def test_fewer_entries_than_asked_for_are_certainly_all():
    rows, index = unit_rows(np.random.default_rng(0), 3, D), HierarchicalIndex(channels=D, k_coarse=2)
    index.add(torch.arange(3), rows, torch.arange(3))
    lists = index.ranked(rows, 4, width=4)
    assert bool(((lists.ids >= 0).sum(1) == 3).all()) and len(lists.uncertain(4)) == 0  # else every change searches them again
