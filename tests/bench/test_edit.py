"""`bench edit` and its gestures on small memories: what is timed leaves every query with its true neighbours; the keys of the result."""

import pytest
import torch

from parmesan_engine.bench import edit, gestures, large
from parmesan_engine.bench.pictures import tissue
from parmesan_engine.errors import LimitError
from parmesan_engine.search import ExactIndex, LiveSearch
from tests.cli.runner import refused

SEARCHES = {"search_add_ms", "search_remove_random_ms", "search_remove_most_used_ms", "search_own_full_ms", "search_faiss_full_ms",
            "search_ratio_own", "search_ratio_faiss", "searched_again_random", "searched_again_most_used", "search_faiss_queries"}


def small(seed: int):
    return tissue(seed, 128)


def _keys(count: int, seed: int) -> torch.Tensor:
    rows = torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))
    return rows / rows.norm(dim=1, keepdim=True)


@pytest.fixture
def live(monkeypatch):
    monkeypatch.setattr(gestures, "GESTURE", 20)
    index = ExactIndex(channels=6)
    index.add(torch.arange(400), _keys(400, 0), torch.arange(400))
    return LiveSearch(index, _keys(90, 1), k=5)


def test_gestures_leave_every_query_with_its_true_neighbours(live):
    figures = gestures.measure(live.index, live, lambda number: _keys(20, 10 + number), 1000.0)
    found = live.index.search(live.queries, 5)
    assert torch.equal(live.neighbors.ids, found.ids) and torch.equal(live.neighbors.distances, found.distances)
    assert len(live.index) == 400 - 20 * gestures.REPEATS  # strokes were taken back, the most used put back
    assert set(figures) >= SEARCHES and figures["searched_again_most_used"] > figures["searched_again_random"]
    assert figures["search_ratio_own"] == 1000 / figures["search_add_ms"]


def test_the_most_used_are_those_that_most_queries_have(live):
    counts = torch.bincount(live.neighbors.ids.flatten(), minlength=400)
    chosen = gestures.most_used(live, 7)
    assert counts[chosen].tolist() == sorted(counts.tolist(), reverse=True)[:7]


def test_faiss_is_scaled_up_only_where_it_would_take_too_long_and_that_is_said(live, monkeypatch):
    monkeypatch.setattr(gestures, "FEW", 30)
    assert gestures.faiss_full_ms(live.index.keys, live.queries, 5)[1] == 90
    monkeypatch.setattr(gestures, "WHOLE_MS", 0)
    assert gestures.faiss_full_ms(live.index.keys, live.queries, 5)[1] == 30


def test_a_case_has_the_keys_that_scripts_read_and_those_of_the_search(monkeypatch):
    monkeypatch.setattr(edit, "tissue", small)
    case = edit._case(9_000)
    assert set(case) >= {"entries", "queries", "gesture", "live_add_ms", "live_remove_ms", "full_ms", "ratio", "search_ms"} | SEARCHES
    assert (case["entries"], case["queries"], case["gesture"]) == (9_000, 4096, 500)


def test_large_memories_keep_eight_bits_and_say_how_the_times_grow(monkeypatch):
    monkeypatch.setattr(large, "tissue", small)
    monkeypatch.setattr(large, "FIT_PICTURES", 2)
    monkeypatch.setattr(gestures, "WHOLE_MS", 0)
    result = large.run((6_000, 8_000))
    assert [case["entries"] for case in result["large"]] == [6_000, 8_000] and set(result["large_growth"]) == set(large.GROWING)
    for case in result["large"]:
        assert set(case) >= SEARCHES and case["key_format"] == "int8" and case["bytes_per_entry"] < 4 * 64 and case["queries"] == 4096


def test_too_little_memory_for_large_ones_is_said_before_anything_is_measured(capsys, monkeypatch):
    monkeypatch.setattr(large, "free_bytes", lambda: 10**9)
    monkeypatch.setattr(edit, "_case", lambda entries: pytest.fail("measured"))
    assert "free memory" in refused(capsys, "bench", "edit", "--large")
    with pytest.raises(LimitError):
        large.check_room()
