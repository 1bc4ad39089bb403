"""How to search a memory of some size, and how many cells to look at so that the search finds what it should.

Tuned on the memory's own entries, searched exactly and in cells. Where it is known which sample an entry came from, some samples
are left out and their entries searched among the others, as those of a new sample will be; else each entry is searched without
itself only, which flatters [measured on pictures: 0.983 so, 0.962 on new pictures], since a picture holds near-copies side by side.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch

from parmesan_engine.errors import LimitError
from parmesan_engine.search.cells import Cells, drawn
from parmesan_engine.search.codes import FORMATS, entry_bytes
from parmesan_engine.search.exact import ExactIndex

EXACT_BELOW = 100_000  # entries up to which cells gain nothing over exact search
EXACT_UP_TO = 1_000_000  # entries up to which exact search is what we choose: a picture of 512x512 takes it seconds (README)
SKETCH = 46  # bytes that exact search keeps for each entry beside the row, its spare room included
CELLS = 2  # times the square root of the entries (performance.md)
QUERIES = 2048  # entries searched to measure recall
APART = 1 / 8  # share of the entries that may be left out at a time
STEPS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256)  # cells to look at, least first


@dataclass(frozen=True)
class Tuning:
    """probes: cells that each query looks at; recall, agreement: what was measured so (agreement None: no labels were given).

    apart: whether it was measured on samples left out.
    """

    probes: int
    recall: float
    agreement: float | None
    apart: bool


def cells_for(entries: int) -> int:
    """Return how many cells a memory of so many entries is parted into."""
    return max(min(int(CELLS * entries**0.5), entries), 1)


def choose(entries: int, channels: int, *, budget: float | None = None, recall: float = 0.98) -> dict[str, Any]:
    """Return the recipe of the index for so many entries: exact in the best format that fits, or approximate where there are very many.

    budget: bytes that keys and index may take in memory, None: no limit. Raises LimitError when nothing fits.
    """
    exact = [({"name": "exact", "keywords": {"key_format": form}}, entry_bytes(channels, form) + SKETCH) for form in FORMATS]
    cells = {"name": "approximate", "keywords": {"least_recall": recall}}
    apart = (cells, 2 * channels + 8 + (4 * channels + 56) * cells_for(entries) / entries)
    sizes = exact if entries <= EXACT_UP_TO else [apart, exact[-1]]
    for recipe, size in sizes:
        if budget is None or size * entries <= budget:
            return recipe
    least = sizes[-1][1] * entries
    raise LimitError(f"a budget of {math.ceil(least / 1e4) / 100:,.2f} MB or more", f"{budget / 1e6:,.6g} MB for {entries:,} entries",
                     "give it more, or consolidate the memory")


def tune(cells: Cells, whole: ExactIndex, *, k: int, recall: float, agreement: float | None, labels: torch.Tensor | None,
         groups: torch.Tensor | None) -> Tuning:
    """Return the fewest cells to look at that reach the recall, or the agreement of labels where one is asked for and labels are given.

    whole: the same entries, which it may change; labels: (N, L), groups: (N,) codes of samples, both in the order of its ids.
    """
    order = torch.from_numpy(drawn(whole.ties))  # by content: the choice does not depend on who came when
    votes = None if labels is None else _Votes(labels, whole.ids)
    apart = torch.zeros(len(whole), dtype=torch.bool) if groups is None else _apart(groups, order)
    own = whole.ids[order[apart[order]] if apart.any() else order][:QUERIES]
    queries = whole.lookup(own)[0]
    if apart.any():
        gone, cells = whole.ids[apart], cells.copy()
        whole.remove(gone)
        cells.remove(gone)
    k = min(k, len(whole) - 1)
    truth = _others(whole.search(queries, k + 1).ids, own, k)
    for probes in [step for step in STEPS if step < cells.count] + [cells.count]:
        found = _others(cells.ranked(queries, k + 1, probes).ids, own, k)
        hits = float((found[:, :, None] == truth[:, None, :]).any(1).float().mean())
        same = float((votes.of(found) == votes.of(truth)).float().mean()) if votes else None
        if (same >= agreement) if votes and agreement is not None else (hits >= recall):
            break
    return Tuning(probes, hits, same, bool(apart.any()))


def _apart(groups: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Return the mask of the entries of some whole groups, drawn by content, at most a share of all; none where all are larger."""
    _, member, sizes = torch.unique(groups, return_inverse=True, return_counts=True)
    first = torch.full((len(sizes),), len(order)).scatter_reduce(0, member[order], torch.arange(len(order)), "amin")
    left, chosen = int(APART * len(order)), torch.zeros(len(sizes), dtype=torch.bool)
    for group in torch.argsort(first).tolist():
        if sizes[group] <= left:
            chosen[group], left = True, left - int(sizes[group])
    return chosen[member]


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
