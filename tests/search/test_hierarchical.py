"""Coarse-to-fine search equals the flat one when every coarse node is a candidate, and otherwise keeps to its candidates."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parmesan_engine.errors import LimitError, ShapeError
from parmesan_engine.search import ExactIndex, hierarchical_search
from tests.search.reference import unit_rows


def scene(seed, n=80, coarse=9, queries=20, d=6, distinct=None):
    random = np.random.default_rng(seed)
    memory = {"ids": torch.from_numpy(random.permutation(4 * n)[:n].copy()), "keys": unit_rows(random, n, d, distinct=distinct),
              "ties": torch.from_numpy(random.permutation(n)), "parents": torch.from_numpy(random.integers(0, coarse, n)),
              "coarse_keys": unit_rows(random, coarse, d)}
    asked = (unit_rows(random, queries, d), torch.from_numpy(random.integers(0, 4, queries)), unit_rows(random, 4, d))
    return asked, memory


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(0, 60), k=st.integers(1, 12), more=st.integers(0, 3))
def test_all_coarse_nodes_give_the_flat_search(seed, n, k, more):
    asked, memory = scene(seed, n=n, distinct=20)
    flat = ExactIndex(channels=6)
    flat.add(memory["ids"], memory["keys"], memory["ties"])
    expected, found = flat.search(asked[0], k), hierarchical_search(*asked, **memory, k=k, k_coarse=9 + more)
    assert torch.equal(expected.ids, found.ids) and torch.equal(expected.distances, found.distances)


def test_only_children_of_the_nearest_coarse_nodes_are_found():
    asked, memory = scene(1)
    queries, parents, coarse = asked
    found = hierarchical_search(*asked, **memory, k=5, k_coarse=2)
    nearest = (coarse @ memory["coarse_keys"].T).topk(2, dim=1).indices
    parent_of = dict(zip(memory["ids"].tolist(), memory["parents"].tolist(), strict=True))
    for row in range(len(queries)):
        allowed = set(nearest[parents[row]].tolist())
        candidates = torch.tensor([parent_of[int(i)] in allowed for i in memory["ids"]])
        flat = ExactIndex(channels=6)
        flat.add(memory["ids"][candidates], memory["keys"][candidates], memory["ties"][candidates])
        assert torch.equal(flat.search(queries[row : row + 1], 5).ids[0], found.ids[row])


def test_order_of_entries_and_of_equal_coarse_nodes_changes_no_bit():
    asked, memory = scene(2)
    memory["coarse_keys"] = memory["coarse_keys"][:3].repeat(3, 1)  # equal coarse nodes: their children's content decides
    one = hierarchical_search(*asked, **memory, k=4, k_coarse=2)
    random = torch.Generator().manual_seed(0)
    order, coarse_order = torch.randperm(80, generator=random), torch.randperm(9, generator=random)
    shuffled = {name: memory[name][order] for name in ("ids", "keys", "ties")}
    shuffled["parents"] = coarse_order.argsort()[memory["parents"]][order]
    two = hierarchical_search(*asked, **shuffled, coarse_keys=memory["coarse_keys"][coarse_order], k=4, k_coarse=2)
    assert torch.equal(one.ids, two.ids) and torch.equal(one.distances, two.distances)


def test_an_empty_memory_has_no_neighbours():
    asked, memory = scene(3, n=0)
    memory["coarse_keys"] = memory["coarse_keys"][:0]
    found = hierarchical_search(*asked, **memory, k=3, k_coarse=4)
    assert bool((found.ids == -1).all()) and bool(torch.isinf(found.distances).all())


def test_wrong_input_is_refused():
    asked, memory = scene(4)
    with pytest.raises(ShapeError):
        hierarchical_search(*asked, **{**memory, "parents": memory["parents"] + 9}, k=3, k_coarse=4)
    with pytest.raises(ShapeError):
        hierarchical_search(*asked, **{**memory, "parents": memory["parents"][:-1]}, k=3, k_coarse=4)
    for k, k_coarse in ((0, 3), (3, 0)):
        with pytest.raises(LimitError):
            hierarchical_search(*asked, **memory, k=k, k_coarse=k_coarse)
