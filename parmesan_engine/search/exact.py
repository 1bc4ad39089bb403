"""Exact search by brute force: a fast scan proposes candidates, exact pair distances order them, a bound certifies them.

CPU: Faiss' blocked scan over our own array (nothing is copied). CUDA: tiles of one matrix product and a running top-k.
Where the bound cannot tell the k-th neighbour from the first one left out, the query is settled by a second scan that
keeps every entry within the bound, so the result is that of exact arithmetic on the pair distances, ties by content.
"""

from collections.abc import Callable

import numpy as np
import torch

from parmesan_engine.errors import LimitError, ShapeError, UnknownNameError
from parmesan_engine.search.distance import load_faiss, pair_distances, score_error, scores
from parmesan_engine.search.ranking import FIRST, RankedLists, merge
from parmesan_engine.types import Neighbors

HEADROOM = 1.125  # spare room when the array grows, so that a stroke seldom copies a large memory
QUERY_CHUNK = 16384  # queries between two progress reports
SETTLE_ROWS, SETTLE_KEYS = 64, 65536  # tile of the second scan: 16 MiB of scores
CUDA_TILE = 1 << 27  # scores of one tile on a GPU: 512 MiB


class ExactIndex:
    """The nearest entries by cosine distance, exactly. Ids may be any non-negative integers that were never reused.

    >>> index = ExactIndex(channels=2)
    >>> index.add(torch.tensor([7, 9]), torch.eye(2), torch.tensor([0, 1]))
    >>> index.search(torch.tensor([[0.0, 1.0]]), 2).ids.tolist()
    [[9, 7]]
    """

    def __init__(self, *, channels: int, device: str = "cpu") -> None:
        self.channels, self.device = channels, torch.device(device)
        self._count = 0
        self._keys = torch.empty(0, channels, device=self.device)
        self._ids = torch.empty(0, dtype=torch.int64, device=self.device)
        self._ties = torch.empty(0, dtype=torch.int64, device=self.device)
        self._slots = torch.full((0,), -1, dtype=torch.int64, device=self.device)  # id -> slot, -1 where absent

    def __len__(self) -> int:
        return self._count

    @property
    def ids(self) -> torch.Tensor:
        """The (N,) ids in the index, in no particular order."""
        return self._ids[: self._count]

    @property
    def top(self) -> int:
        """A number that no id reached so far: all ids are below it."""
        return len(self._slots)

    @property
    def keys(self) -> torch.Tensor:
        """The (N, D) keys, in the order of `ids`."""
        return self._keys[: self._count]

    def add(self, ids: torch.Tensor, keys: torch.Tensor, ties: torch.Tensor) -> None:
        """Add entries: (n,) int64 ids, (n, D) float32 unit rows, (n,) int64 content order.

        Raises ShapeError, and UnknownNameError for an id that is in the index already; then nothing is added.
        """
        if keys.shape != (len(ids), self.channels) or len(ties) != len(ids):
            raise ShapeError(f"({len(ids)}, {self.channels}) keys", f"{tuple(keys.shape)}", "give one key per id")
        if len(ids) == 0:
            return
        ids = ids.to(self.device)
        if bool((self._slots_of(ids) >= 0).any()) or int(ids.min()) < 0 or len(torch.unique(ids)) < len(ids):
            raise UnknownNameError("new ids from 0 on, each once", "some that are known or repeated", "remove the old entries first")
        total = self._count + len(ids)
        if total > len(self._keys):
            self._grow(int(total * HEADROOM) + 1024)
        top = int(ids.max()) + 1
        if top > len(self._slots):
            more = torch.full((int(top * HEADROOM) + 1024 - len(self._slots),), -1, dtype=torch.int64, device=self.device)
            self._slots = torch.cat([self._slots, more])
        place = slice(self._count, total)
        self._keys[place], self._ids[place], self._ties[place] = keys, ids, ties
        self._slots[self._ids[place]] = torch.arange(self._count, total, device=self.device)
        self._count = total

    def remove(self, ids: torch.Tensor) -> None:
        """Remove entries by id; the last entries move into the holes. Raises UnknownNameError, then nothing is removed."""
        ids = ids.to(self.device)
        slots = self._slots_of(ids)
        if bool((slots < 0).any()) or len(torch.unique(ids)) < len(ids):
            raise UnknownNameError("ids in the index, each once", f"{int((slots < 0).sum())} others", "remove only what was added")
        left = self._count - len(ids)
        holes = slots[slots < left]
        tail = torch.ones(len(ids), dtype=torch.bool, device=self.device)
        tail[slots[slots >= left] - left] = False
        movers = tail.nonzero().flatten() + left
        for array in (self._keys, self._ids, self._ties):
            array[holes] = array[movers]
        self._slots[self._ids[holes]] = holes
        self._slots[ids] = -1
        self._count = left

    def copy(self) -> "ExactIndex":
        """Return an index with the same entries that can change by itself."""
        other = ExactIndex(channels=self.channels, device=str(self.device))
        other._count = self._count
        for name in ("_keys", "_ids", "_ties", "_slots"):
            setattr(other, name, getattr(self, name).clone())
        return other

    def lookup(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the (n, D) keys and (n,) ties of entries in the index."""
        slots = self._slots[ids.to(self.device)]
        return self._keys[slots], self._ties[slots]

    def search(self, queries: torch.Tensor, k: int) -> Neighbors:
        """Return the k nearest entries of each of (Q, D) unit queries; rows are filled up with -1 where N < k."""
        lists = self.ranked(queries, k, width=k + min(k, 16))
        return Neighbors(lists.distances[:, :k].contiguous(), lists.ids[:, :k].contiguous())

    def ranked(self, queries: torch.Tensor, k: int, *, width: int,
               progress: Callable[[float], None] | None = None) -> RankedLists:
        """Return ranked lists of at least `width` entries whose first k are exact (see `ranking`)."""
        if queries.ndim != 2 or queries.shape[1] != self.channels:
            raise ShapeError(f"(Q, {self.channels}) queries", f"{tuple(queries.shape)}", "use the encoder of this memory")
        if not 1 <= k <= width:
            raise LimitError("1 <= k <= width", f"k={k}, width={width}", "choose a smaller k")
        result = RankedLists.empty(len(queries), width, self.device)
        for start in range(0, len(queries), QUERY_CHUNK):
            rows = torch.arange(start, min(start + QUERY_CHUNK, len(queries)), device=self.device)
            part = self._ranked(queries[start : start + QUERY_CHUNK], width)
            uncertain = part.uncertain(k)
            if len(uncertain):
                self._settle(queries[start : start + QUERY_CHUNK], part, uncertain, k)
            result.put(rows, part)
            if progress:
                progress(float(rows[-1] + 1) / len(queries))
        return result

    def _ranked(self, queries: torch.Tensor, width: int) -> RankedLists:
        m = min(width, self._count)
        lists = RankedLists.empty(len(queries), width, self.device)
        if m == 0:
            return lists
        best, slots = self._candidates(queries, m)
        rows = torch.arange(len(queries), device=self.device).repeat_interleave(m)
        distances = pair_distances(queries, self._keys, rows, slots.flatten())
        lists.distances[:, :m] = distances.reshape(-1, m)
        lists.ties[:, :m], lists.ids[:, :m] = self._ties[slots], self._ids[slots]
        if m < self._count:
            lists.floor_distance = 1 - best[:, -1] - score_error(self.channels)
            lists.floor_tie.fill_(FIRST)
        lists.sort()
        return lists

    def _candidates(self, queries: torch.Tensor, m: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the m highest scores, descending, and their slots."""
        if self.device.type == "cpu":
            faiss = load_faiss()
            best, slots = faiss.knn(np.ascontiguousarray(queries.numpy()), self.keys.numpy(), m,
                                    metric=faiss.METRIC_INNER_PRODUCT)
            return torch.from_numpy(best), torch.from_numpy(slots)
        best = torch.full((len(queries), m), -torch.inf, device=self.device)
        slots = torch.zeros((len(queries), m), dtype=torch.int64, device=self.device)
        step = max(CUDA_TILE // max(len(queries), 1), m)
        for start in range(0, self._count, step):
            tile = scores(queries, self._keys[start : min(start + step, self._count)])
            values, columns = tile.topk(min(m, tile.shape[1]), dim=1)
            values, columns = torch.cat([best, values], 1), torch.cat([slots, columns + start], 1)
            best, order = values.topk(m, dim=1)
            slots = columns.gather(1, order)
        return best, slots

    def _settle(self, queries: torch.Tensor, lists: RankedLists, rows: torch.Tensor, k: int) -> None:
        """Make the first k of some lists exact by collecting every entry within the error bound of their k-th distance."""
        distinct, inverse = torch.unique(queries[rows], dim=0, return_inverse=True)  # flat regions repeat one query
        limit = torch.zeros(len(distinct), device=self.device)
        limit[inverse] = lists.distances[rows, min(k, lists.width) - 1]  # equal queries have equal exact distances
        settled = RankedLists.empty(len(distinct), lists.width, self.device)
        for start in range(0, len(distinct), SETTLE_ROWS):
            part = slice(start, start + SETTLE_ROWS)
            found = RankedLists.empty(len(distinct[part]), lists.width, self.device)
            for first in range(0, self._count, SETTLE_KEYS):
                found = merge(found, self._within(distinct[part], limit[part], first, lists.width), lists.width)
            settled.put(torch.arange(start, start + len(limit[part]), device=self.device), found)
        lists.put(rows, settled.rows(inverse))

    def _within(self, queries: torch.Tensor, limit: torch.Tensor, first: int, width: int) -> RankedLists:
        """Return the nearest entries of one tile of keys among those no farther than `limit`."""
        keys = self._keys[first : min(first + SETTLE_KEYS, self._count)]
        near = scores(queries, keys) >= (1 - limit - score_error(self.channels))[:, None]
        rows, columns = near.nonzero(as_tuple=True)
        distances = pair_distances(queries, keys, rows, columns)
        lists = RankedLists.of_pairs(rows, distances, self._ties[columns + first], self._ids[columns + first], queries=len(queries))
        lists.floor_distance = limit.clone()  # of_pairs left the floor's tie at LAST: all within the limit are here
        lists.cut(width)
        return lists

    def _slots_of(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the slot of each id, -1 where it is not in the index."""
        known = (ids >= 0) & (ids < len(self._slots))
        slots = torch.full_like(ids, -1)
        slots[known] = self._slots[ids[known]]
        return slots

    def _grow(self, capacity: int) -> None:
        for name in ("_keys", "_ids", "_ties"):
            old = getattr(self, name)
            new = torch.empty((capacity, *old.shape[1:]), dtype=old.dtype, device=self.device)
            new[: self._count] = old[: self._count]
            setattr(self, name, new)
