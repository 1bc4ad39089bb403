"""What the why panel says about its examples."""

from pages._panel import by_stroke
from parmesan_engine.insight import NeighborInfo


def neighbor(entry: int, vote: float, gesture: str, label: float = 0) -> NeighborInfo:
    return NeighborInfo(entry, "s", (0, 0), label, 0.9, vote, "", "me", gesture, 0.0)


def test_places_of_one_stroke_become_one_card_with_the_summed_share():
    cards = by_stroke((neighbor(1, 0.3, "a"), neighbor(2, 0.2, "b"), neighbor(3, 0.2, "b"), neighbor(4, 0.1, ""), neighbor(5, 0.05, "")))
    assert [(one.entry, round(one.vote, 3), places) for one, places in cards] == [(2, 0.4, 2), (1, 0.3, 1), (4, 0.1, 1), (5, 0.05, 1)]


def test_no_neighbors_no_cards():
    assert by_stroke(()) == []
