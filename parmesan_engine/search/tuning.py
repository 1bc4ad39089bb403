"""How to search a memory of some size, and how many cells to look at so that the search finds what it should.

Tuned on the memory's own entries: some of them are searched as if they were new, each without itself, exactly and in cells. What
was found is what is reported; nothing is promised beyond it.
"""

from dataclasses import dataclass
from typing import Any

import torch

from parmesan_engine.errors import LimitError
from parmesan_engine.search.exact import ExactIndex

EXACT_BELOW = 100_000  # entries up to which exact search is fast enough
CELLS = 4  # times the square root of the entries (performance.md)
QUERIES = 2048  # entries searched to measure recall
STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)  # cells to look at, least first


@dataclass(frozen=True)
class Tuning:
    """probes: cells that each query looks at; recall, agreement: what was measured so (agreement None: no labels were given)."""

    probes: int
    recall: float
    agreement: float | None


def cells_for(entries: int) -> int:
    """Return how many cells a memory of so many entries is parted into."""
    return max(min(int(CELLS * entries**0.5), entries), 1)


def choose(entries: int, channels: int, *, budget: float | None = None, recall: float = 0.98) -> dict[str, Any]:
    """Return the recipe of the index for so many entries: exact where it fits and is fast enough, else approximate, else 8 bits.

    budget: bytes that keys and index may take in memory, None: no limit. Raises LimitError when nothing fits.
    """
    exact = {form: {"name": "exact", "keywords": {"key_format": form}} for form in ("float32", "float16", "int8")}
    sizes = [(exact["float32"], 4 * channels + 24), (exact["float16"], 2 * channels + 24), (exact["int8"], channels + 24)]
    if entries > EXACT_BELOW:
        cells = {"name": "approximate", "keywords": {"least_recall": recall}}
        sizes = [(cells, 2 * channels + 8 + (4 * channels + 56) * cells_for(entries) / entries), sizes[-1]]
    for recipe, size in sizes:
        if budget is None or size * entries <= budget:
            return recipe
    least = sizes[-1][1] * entries
    raise LimitError(f"a budget of {least / 2**20:,.0f} MiB or more", f"{budget / 2**20:,.0f} MiB for {entries:,} entries",
                     "give it more, or consolidate the memory")


def tune(search, whole: ExactIndex, *, k: int, cells: int, recall: float, agreement: float | None,
         labels: torch.Tensor | None) -> Tuning:
    """Return the fewest cells to look at that reach the recall, or the agreement of labels where one is asked for and labels are given.

    search: (queries (Q, D), k, probes) -> (Q, k) ids; whole: the same entries; labels: (N, L) in the order of its ids.
    """
    order = torch.argsort(whole.ties, stable=True)[:QUERIES]  # by content: the choice does not depend on who came when
    own, k = whole.ids[order], min(k, len(whole) - 1)
    queries = whole.lookup(own)[0]
    truth = _others(whole.search(queries, k + 1).ids, own, k)
    votes = None if labels is None else _Votes(labels, whole.ids)
    for probes in [step for step in STEPS if step < cells] + [cells]:
        found = _others(search(queries, k + 1, probes), own, k)
        hits = (found[:, :, None] == truth[:, None, :]).any(1).float().mean()
        same = float((votes.of(found) == votes.of(truth)).float().mean()) if votes else None
        if (same >= agreement) if votes and agreement is not None else (hits >= recall):
            break
    return Tuning(probes, float(hits), same)


def _others(ids: torch.Tensor, own: torch.Tensor, k: int) -> torch.Tensor:
    """Return the first k of each row of (Q, k + 1) ids that are not the query's own."""
    order = torch.argsort((ids == own[:, None]).byte(), dim=1, stable=True)
    return ids.gather(1, order)[:, :k]


class _Votes:
    """The class that most neighbours have."""

    def __init__(self, labels: torch.Tensor, ids: torch.Tensor) -> None:
        self._labels, self._places = labels, torch.full((int(ids.max()) + 1,), -1)
        self._places[ids] = torch.arange(len(ids))

    def of(self, ids: torch.Tensor) -> torch.Tensor:
        return (self._labels[self._places[ids]] * (ids >= 0)[:, :, None]).sum(1).argmax(1)
