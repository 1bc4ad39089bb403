"""Taking the newest gestures back puts the old lists back: same result as a full search, and no query is searched again."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parmesan_engine.search import ExactIndex, LiveSearch

pytestmark = pytest.mark.usefixtures("way")


def _unit(n: int, seed: int, near: torch.Tensor | None = None) -> torch.Tensor:
    rows = torch.randn(n, 6, generator=torch.Generator().manual_seed(seed))
    rows = rows if near is None else near + 0.05 * rows
    return rows / rows.norm(dim=1, keepdim=True)


def _start() -> tuple[ExactIndex, LiveSearch, torch.Tensor]:
    index, queries = ExactIndex(channels=6), _unit(200, 1)
    index.add(torch.arange(500), _unit(500, 2), torch.arange(500).flip(0))
    return index, LiveSearch(index, queries, k=4), queries


def _add(index: ExactIndex, live: LiveSearch, first: int, near: torch.Tensor, n: int = 60) -> torch.Tensor:
    ids = torch.arange(first, first + n)
    keys = _unit(n, first, near)
    index.add(ids, keys, ids * 7 % 1001)
    live.added(ids, keys, ids * 7 % 1001)
    return ids


def _remove(index: ExactIndex, live: LiveSearch, ids: torch.Tensor) -> torch.Tensor:
    index.remove(ids)
    return live.removed(ids)


def _same(index: ExactIndex, live: LiveSearch, queries: torch.Tensor) -> None:
    full = index.search(queries, live.k)
    assert torch.equal(full.ids, live.neighbors.ids) and torch.equal(full.distances, live.neighbors.distances)


def test_the_newest_gesture_goes_without_a_search():
    index, live, queries = _start()
    before = live.neighbors.ids.clone()
    ids = _add(index, live, 500, queries[0])
    assert (live.neighbors.ids[0] >= 500).all()  # it filled the list of the query it was painted on, spare places too
    changed = _remove(index, live, ids)
    assert live.searched_again == 0 and 0 in changed.tolist()
    assert torch.equal(live.neighbors.ids, before)
    _same(index, live, queries)


def test_two_gestures_go_in_either_order():
    for newest_first in (True, False):
        index, live, queries = _start()
        gestures = [_add(index, live, 500, queries[0]), _add(index, live, 600, queries[0])]
        for ids in reversed(gestures) if newest_first else gestures:
            _remove(index, live, ids)
            _same(index, live, queries)
        assert (live.searched_again == 0) == newest_first


def test_what_was_removed_meanwhile_does_not_come_back():
    index, live, queries = _start()
    nearest = live.neighbors.ids[0].clone()
    ids = _add(index, live, 500, queries[0])
    _remove(index, live, nearest)
    _remove(index, live, ids)
    assert not torch.isin(live.neighbors.ids, nearest).any()
    _same(index, live, queries)


def test_a_gesture_of_several_blocks(monkeypatch):
    monkeypatch.setattr("parmesan_engine.search.live.NEW_BLOCK", 16)
    index, live, queries = _start()
    ids = _add(index, live, 500, queries[3])
    _remove(index, live, ids)
    assert live.searched_again == 0
    _same(index, live, queries)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["add", "newest", "any", "some"]), st.integers(0, 199)), min_size=4, max_size=25))
def test_any_mixture_equals_a_full_search(steps):
    index, live, queries = _start()
    gestures, first = [torch.arange(50)], 500
    for verb, place in steps:
        if verb == "add":
            gestures.append(_add(index, live, first, queries[place], n=5 + place % 40))
            first += 100
        elif gestures:
            ids = gestures.pop(-1 if verb == "newest" else place % len(gestures))
            if verb == "some" and len(ids) > 1:
                gestures.append(ids[len(ids) // 2 :])
                ids = ids[: len(ids) // 2]
            _remove(index, live, ids)
        _same(index, live, queries)
