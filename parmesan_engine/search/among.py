"""Exact search in which each group of queries has candidates of its own: many small searches in a few large steps.

Groups are padded to equal sizes and multiplied as one batch; exact pair distances order what the scores propose, and the same
bound as in `exact` certifies it. Where it cannot, every candidate within the bound is looked at, so that the first k are those
of exact arithmetic.
"""

import torch

from parmesan_engine.search.codes import decode
from parmesan_engine.search.distance import pair_distances, score_error
from parmesan_engine.search.ranking import FIRST, LAST, RankedLists, merge
from parmesan_engine.search.rows import Rows


def ragged(starts: torch.Tensor, counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the places starts[i] ... starts[i] + counts[i] - 1 of all i, one after the other, and the i of each."""
    owners = torch.arange(len(counts), device=counts.device).repeat_interleave(counts)
    first = starts - (counts.cumsum(0) - counts)
    return first[owners] + torch.arange(len(owners), device=counts.device), owners


def padded(values: torch.Tensor, owners: torch.Tensor, groups: int) -> torch.Tensor:
    """Return (groups, longest) int64: the values of each group, -1 behind them. owners ascend."""
    counts = torch.bincount(owners, minlength=groups)
    place, _ = ragged(torch.zeros_like(counts), counts)
    table = torch.full((groups, int(counts.max())), -1, dtype=torch.int64, device=values.device)
    table[owners, place] = values
    return table


def search_among(memory: Rows, queries: torch.Tensor, asked: torch.Tensor, candidates: torch.Tensor, k: int,
                 width: int) -> tuple[torch.Tensor, RankedLists]:
    """Return the rows of `queries` asked for and their ranked lists, whose first k are exact among their candidates.

    asked: (G, R) rows of (Q, D) queries and candidates: (G, C) slots of the memory, -1 where there are fewer.
    """
    keys = decode(memory.codes[candidates.clamp(min=0).flatten()]).reshape(*candidates.shape, -1)
    near = torch.bmm(queries[asked.clamp(min=0)], keys.transpose(1, 2))  # (G, R, C)
    near.masked_fill_((candidates < 0)[:, None], -torch.inf)
    m, valid = min(width, candidates.shape[1]), asked >= 0
    best, columns = near.topk(m, dim=2)
    best, columns, near = best[valid], columns[valid], near[valid]  # (n, m), (n, m), (n, C)
    rows, group = asked[valid], valid.nonzero()[:, 0]
    slots = candidates[group[:, None], columns]
    lists = _lists(memory, queries, rows, slots, width)
    more = (candidates >= 0).sum(1)[group] > m
    lists.floor_distance = torch.where(more, 1 - best[:, -1] - score_error(memory.channels), torch.inf)
    lists.floor_tie = torch.where(more, FIRST, LAST)
    unsure = lists.uncertain(k)
    if len(unsure):
        limit = lists.distances[unsure, min(k, width) - 1]
        within = near[unsure] >= (1 - limit - score_error(memory.channels))[:, None]
        place, columns = within.nonzero(as_tuple=True)
        slots = candidates[group[unsure[place]], columns]
        distances = pair_distances(queries, memory.codes, rows[unsure[place]], slots)
        found = RankedLists.of_pairs(place, distances, memory.ties[slots], memory.ids[slots], queries=len(unsure))
        found.floor_distance = limit  # and the floor's tie is LAST: all within the limit are here
        lists.put(unsure, merge(RankedLists.empty(len(unsure), width, limit.device), found, width))
    return rows, lists


def _lists(memory: Rows, queries: torch.Tensor, rows: torch.Tensor, slots: torch.Tensor, width: int) -> RankedLists:
    """Return sorted lists, `width` wide, of (n, m) slots, -1 where there is none, for some rows of the queries."""
    n, m = slots.shape
    lists = RankedLists.empty(n, width, queries.device)
    lists.distances[:, :m] = pair_distances(queries, memory.codes, rows.repeat_interleave(m), slots.flatten()).reshape(n, m)
    lists.ties[:, :m] = memory.ties[slots].masked_fill_(slots < 0, LAST)
    lists.ids[:, :m] = memory.ids[slots].masked_fill_(slots < 0, -1)
    lists.sort()
    return lists
