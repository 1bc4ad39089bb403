"""Ranked lists of neighbours with a guarantee: what is certainly complete, and up to where. Pure bookkeeping.

For each query a list holds up to `width` entries in ascending (distance, tie). Its *floor* is the promise: every live
entry that does not come after the floor is in the list. The first k are exact when the k-th does not come after the floor.
Merging two lists takes the nearer of their floors, so promises survive adding, removing and cutting.
"""

from dataclasses import dataclass

import torch

from parmesan_engine.search import kernel, scan

FIRST, LAST = torch.iinfo(torch.int64).min, torch.iinfo(torch.int64).max


@dataclass
class RankedLists:
    """distances (Q, W) float32, ties (Q, W) int64, ids (Q, W) int64 (-1 and +inf where empty); floor_* (Q,)."""

    distances: torch.Tensor
    ties: torch.Tensor
    ids: torch.Tensor
    floor_distance: torch.Tensor
    floor_tie: torch.Tensor

    @classmethod
    def empty(cls, queries: int, width: int, device: torch.device | str) -> "RankedLists":
        """Return lists of an empty memory: nothing in them, and complete up to infinity."""
        shape = (queries, width)
        return cls(
            torch.full(shape, torch.inf, device=device),
            torch.full(shape, LAST, dtype=torch.int64, device=device),
            torch.full(shape, -1, dtype=torch.int64, device=device),
            torch.full((queries,), torch.inf, device=device),
            torch.full((queries,), LAST, dtype=torch.int64, device=device),
        )

    @classmethod
    def of_pairs(cls, rows: torch.Tensor, distances: torch.Tensor, ties: torch.Tensor, ids: torch.Tensor, *,
                 queries: int) -> "RankedLists":
        """Return sorted lists from (P,) pairs whose `rows` ascend; as wide as the longest, complete up to infinity."""
        starts = torch.searchsorted(rows, torch.arange(queries + 1, device=rows.device))
        lists = cls.empty(queries, max(int(starts.diff().max()), 1), rows.device)
        rank = torch.arange(len(rows), device=rows.device) - starts[rows]
        lists.distances[rows, rank], lists.ties[rows, rank], lists.ids[rows, rank] = distances, ties, ids
        lists.sort()
        return lists

    @classmethod
    def concatenate(cls, parts: list["RankedLists"]) -> "RankedLists":
        """Return the lists of several groups of queries, one group after the other."""
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))

    @property
    def width(self) -> int:
        return self.distances.shape[1]

    def copy(self) -> "RankedLists":
        """Return lists that can change by themselves."""
        return RankedLists(*(getattr(self, name).clone() for name in self.__dataclass_fields__))

    def rows(self, rows: torch.Tensor) -> "RankedLists":
        """Return a copy of some lists."""
        return RankedLists(self.distances[rows], self.ties[rows], self.ids[rows], self.floor_distance[rows],
                           self.floor_tie[rows])

    def put(self, rows: torch.Tensor, lists: "RankedLists") -> None:
        """Replace some lists."""
        self.distances[rows], self.ties[rows], self.ids[rows] = lists.distances, lists.ties, lists.ids
        self.floor_distance[rows], self.floor_tie[rows] = lists.floor_distance, lists.floor_tie

    def sort(self) -> None:
        """Bring each list into ascending (distance, tie)."""
        self.distances, order = torch.sort(self.distances, dim=1, stable=True)
        self.ties, self.ids = self.ties.gather(1, order), self.ids.gather(1, order)
        equal = (self.distances[:, 1:] == self.distances[:, :-1]) & (self.ids[:, 1:] >= 0)
        tied = equal.any(1).nonzero().flatten()  # seldom: only these need their ties in order as well
        if len(tied):
            order = torch.argsort(self.ties[tied], dim=1, stable=True)
            order = order.gather(1, torch.argsort(self.distances[tied].gather(1, order), dim=1, stable=True))
            for array in (self.distances, self.ties, self.ids):
                array[tied] = array[tied].gather(1, order)

    def cut(self, width: int) -> None:
        """Keep the first `width` of each sorted list; the floor moves to the last kept where entries were dropped."""
        if self.width <= width:
            return
        dropped = self.ids[:, width] >= 0
        self.distances, self.ties, self.ids = (a[:, :width].contiguous() for a in (self.distances, self.ties, self.ids))
        last_distance, last_tie = self.distances[:, -1], self.ties[:, -1]
        nearer = dropped & _precedes(last_distance, last_tie, self.floor_distance, self.floor_tie)
        self.floor_distance = torch.where(nearer, last_distance, self.floor_distance)
        self.floor_tie = torch.where(nearer, last_tie, self.floor_tie)

    def drop(self, dead: torch.Tensor) -> torch.Tensor:
        """Remove entries whose id is marked in the bool `dead`; return the rows that changed.

        The last element of `dead` must be False: it is what the id -1 of an empty place reads.
        """
        if self.ids.device.type == "cpu" and kernel.load():
            rows = scan.rows_with(self.ids, dead)
        else:
            rows = dead[self.ids].any(1).nonzero().flatten()
        lists = self.rows(rows)
        gone = dead[lists.ids]
        lists.distances.masked_fill_(gone, torch.inf)
        lists.ties.masked_fill_(gone, LAST)
        lists.ids.masked_fill_(gone, -1)
        lists.sort()
        self.put(rows, lists)
        return rows

    def uncertain(self, k: int) -> torch.Tensor:
        """Return the rows whose first k are not certainly the nearest k (and the memory may hold more)."""
        k = min(k, self.width)
        beyond = _precedes(self.floor_distance, self.floor_tie, self.distances[:, k - 1], self.ties[:, k - 1])
        return (beyond & torch.isfinite(self.floor_distance)).nonzero().flatten()


def merge(first: RankedLists, second: RankedLists, width: int) -> RankedLists:
    """Return the lists of the union of two disjoint sets of entries, cut to `width`."""
    nearer = _precedes(first.floor_distance, first.floor_tie, second.floor_distance, second.floor_tie)
    merged = RankedLists(
        torch.cat([first.distances, second.distances], 1),
        torch.cat([first.ties, second.ties], 1),
        torch.cat([first.ids, second.ids], 1),
        torch.where(nearer, first.floor_distance, second.floor_distance),
        torch.where(nearer, first.floor_tie, second.floor_tie),
    )
    merged.sort()
    merged.cut(width)
    return merged


def union(first: RankedLists, second: RankedLists) -> RankedLists:
    """Return the lists of two sets of entries that may overlap, as wide as `second` and with its promise."""
    twice = (first.ids[:, :, None] == second.ids[:, None, :]).any(2)
    others = RankedLists(first.distances.masked_fill(twice, torch.inf), first.ties.masked_fill(twice, LAST),
                         first.ids.masked_fill(twice, -1), torch.full_like(first.floor_distance, torch.inf),
                         torch.full_like(first.floor_tie, LAST))
    return merge(others, second, second.width)


def _precedes(distance: torch.Tensor, tie: torch.Tensor, other: torch.Tensor, other_tie: torch.Tensor) -> torch.Tensor:
    """Return where (distance, tie) comes strictly before (other, other_tie)."""
    return (distance < other) | ((distance == other) & (tie < other_tie))
