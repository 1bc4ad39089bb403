"""Exact search in which each group of queries has candidates of its own: many small searches in a few large steps.

Groups are padded to equal sizes and multiplied as one batch. A score that at least `width` candidates reach is read from the
maxima of some blocks of scores; whatever is within the error bound of it is compared exactly, so nothing has to be sorted but the
few that are found, and the lists are those of exact arithmetic.
"""

import torch

from parmesan_engine.search.codes import decode
from parmesan_engine.search.distance import pair_distances, score_error
from parmesan_engine.search.ranking import FIRST, LAST, RankedLists, merge
from parmesan_engine.search.rows import Rows

BLOCKS = 4  # maxima per neighbour that is wanted; more: fewer candidates too many, and more maxima to rank
NO_SCORE = -3.0  # below every score: a limit that all candidates pass


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


def search_among(memory: Rows, queries: torch.Tensor, asked: torch.Tensor, candidates: torch.Tensor,
                 width: int) -> tuple[torch.Tensor, RankedLists]:
    """Return the rows of `queries` asked for and their ranked lists, `width` wide, complete among their candidates up to the last.

    asked: (G, R) rows of (Q, D) queries and candidates: (G, C) slots of the memory, -1 where there are fewer.
    """
    keys = decode(memory.codes[candidates.clamp(min=0).flatten()]).reshape(*candidates.shape, -1)
    near = torch.bmm(queries[asked.clamp(min=0)], keys.transpose(1, 2))  # (G, R, C)
    near.masked_fill_((candidates < 0)[:, None], -torch.inf)
    error, valid = score_error(memory.channels), asked >= 0
    limit = (_reached(near, min(width, near.shape[2])) - 3 * error).clamp_(min=NO_SCORE)
    group, row, column = (near >= limit.masked_fill(~valid, torch.inf)[:, :, None]).nonzero(as_tuple=True)
    place = (valid.flatten().cumsum(0) - 1)[group * asked.shape[1] + row]
    rows, limit, slots = asked[valid], limit[valid], candidates[group, column]
    distances = pair_distances(queries, memory.codes, rows[place], slots)
    lists = RankedLists.of_pairs(place, distances, memory.ties[slots], memory.ids[slots], queries=len(rows))
    cut_off = (limit > NO_SCORE) & (candidates.shape[1] > width)  # of so few candidates, none is left out
    lists.floor_distance = torch.where(cut_off, 1 - limit - error, torch.inf)  # the distance of none left out is below it
    lists.floor_tie = torch.where(cut_off, FIRST, LAST)
    lists.cut(width)
    return rows, merge(RankedLists.empty(len(rows), width, queries.device), lists, width)


def _reached(near: torch.Tensor, m: int) -> torch.Tensor:
    """Return a score that at least m of the (..., C) scores reach, -inf where fewer are given: the m-th of the maxima of some blocks."""
    blocks = min(BLOCKS * m, near.shape[-1])
    size = near.shape[-1] // blocks  # the last few scores are in no block
    apart = near[..., : blocks * size].unflatten(-1, (size, blocks))  # neighbours, which are alike, are in different blocks
    return apart.amax(-2).topk(m, dim=-1).values[..., -1]
