"""Ranked lists keep their promise: every entry that does not come after the floor is in the list."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parmesan_engine.search.ranking import LAST, RankedLists, merge


def listed(entries, width):
    """Return one list holding `entries` {id: (distance, tie)}, cut to `width`."""
    lists = RankedLists.empty(1, max(len(entries), 1), "cpu")
    for place, (i, (distance, tie)) in enumerate(entries.items()):
        lists.ids[0, place], lists.distances[0, place], lists.ties[0, place] = i, distance, tie
    lists.sort()
    lists.cut(width)
    return lists


def check_promise(lists, alive, k):
    order = sorted(alive, key=lambda i: alive[i])
    held = [int(i) for i in lists.ids[0] if i >= 0]
    assert held == sorted(held, key=lambda i: alive[i]) and len(set(held)) == len(held)
    floor = (float(lists.floor_distance[0]), int(lists.floor_tie[0]))
    assert {i for i in alive if alive[i] <= floor} <= set(held)
    k = min(k, lists.width)
    if len(lists.uncertain(k)) == 0:
        assert held[:k] == order[:k]


small = st.tuples(st.integers(0, 4).map(lambda n: n / 4), st.integers(-3, 3))  # few values: many equal distances


@settings(max_examples=150, deadline=None)
@given(first=st.lists(small, max_size=8), second=st.lists(small, max_size=8), third=st.lists(small, max_size=4),
       gone=st.sets(st.integers(0, 20), max_size=8), width=st.integers(1, 6), k=st.integers(1, 6))
def test_promises_survive_merging_cutting_and_dropping(first, second, third, gone, width, k):
    groups, number = [], 0
    for group in (first, second, third):
        distinct = dict.fromkeys(group)  # (distance, tie) pairs of one group differ: ties are content
        groups.append({number + i: (d, t * 100 + number + i) for i, (d, t) in enumerate(distinct)})
        number += len(groups[-1])
    alive = {**groups[0], **groups[1]}
    lists = merge(listed(groups[0], width), listed(groups[1], width), width)
    check_promise(lists, alive, k)
    dead = torch.zeros(32, dtype=torch.bool)
    dead[list(gone)] = True
    lists.drop(dead)
    alive = {i: v for i, v in alive.items() if i not in gone}
    check_promise(lists, alive, k)
    lists = merge(lists, listed(groups[2], 4), width)
    check_promise(lists, {**alive, **groups[2]}, k)


def test_a_full_list_is_certain_and_a_cut_one_is_certain_up_to_its_floor():
    lists = listed({i: (i / 8, i) for i in range(6)}, 4)
    assert len(lists.uncertain(4)) == 0 and float(lists.floor_distance[0]) == 3 / 8
    lists.drop(torch.tensor([True, False, False, False, False]))
    assert lists.uncertain(4).tolist() == [0] and len(lists.uncertain(3)) == 0


def test_of_pairs_sorts_by_distance_then_tie():
    rows = torch.tensor([0, 0, 0, 2])
    lists = RankedLists.of_pairs(rows, torch.tensor([0.5, 0.25, 0.5, 1.0]), torch.tensor([7, 1, -7, 3]), torch.tensor([10, 11, 12, 13]),
                                 queries=3)
    assert lists.ids.tolist() == [[11, 12, 10], [-1, -1, -1], [13, -1, -1]]
    assert bool(torch.isinf(lists.floor_distance).all()) and set(lists.floor_tie.tolist()) == {LAST}


def test_drop_reports_exactly_the_changed_rows():
    random = np.random.default_rng(0)
    lists = RankedLists.empty(5, 3, "cpu")
    lists.ids[:, :2] = torch.from_numpy(random.permutation(10).reshape(5, 2))
    lists.distances[:, :2], lists.ties[:, :2] = torch.tensor([0.1, 0.2]), lists.ids[:, :2]
    dead = torch.zeros(11, dtype=torch.bool)  # the last is for empty places
    dead[lists.ids[3, 0]] = dead[lists.ids[1, 1]] = True
    assert lists.drop(dead).tolist() == [1, 3]
    assert lists.ids[3, 1:].tolist() == [-1, -1] and float(lists.distances[3, 0]) == np.float32(0.2)
