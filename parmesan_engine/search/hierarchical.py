"""Coarse-to-fine search: first the most similar coarse nodes of the memory, then only their children.

    G(i) = top-K_g coarse nodes of the memory by cosine with the query's coarse node
    N(i) = top-k of the children of G(parent(i))                                    (PARMESAN, arXiv 2403.11743)

Queries of one coarse node have the same candidates and are searched together. Where the K_g nearest nodes have fewer than k
children, more nodes are taken until there are k [ours]. When K_g is all, the result equals the flat search, bit for bit.
"""

from collections.abc import Callable, Iterator
from functools import reduce
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch

from parmesan_engine.errors import LimitError, ShapeError
from parmesan_engine.search.among import padded, ragged, search_among
from parmesan_engine.search.children import Children
from parmesan_engine.search.codes import rounding
from parmesan_engine.search.exact import ExactIndex, check_query
from parmesan_engine.search.ranking import RankedLists, merge
from parmesan_engine.types import Neighbors

GROUP = 64  # queries of one coarse node that are searched as one
BATCH = 1 << 22  # values of one batch: 16 MiB, about the last-level cache
WIDEN = 2  # times as many coarse nodes for queries whose nodes have too few children


class HierarchicalIndex(ExactIndex):
    """The nearest entries among the children of the `k_coarse` nearest coarse nodes. Equal coarse keys are one coarse node.

    >>> index = HierarchicalIndex(channels=2, k_coarse=1)
    >>> index.add(torch.tensor([7, 9]), torch.eye(2), torch.tensor([0, 1]), coarse=torch.eye(2).flip(0))
    >>> index.search(torch.tensor([[0.0, 1.0]]), 1).ids.tolist()
    [[7]]
    """

    exact, takes_coarse = False, True

    def __init__(self, *, channels: int, device: str = "cpu", key_format: str = "float32", folder: str | Path | None = None,
                 k_coarse: int = 16) -> None:
        if k_coarse < 1:
            raise LimitError("k_coarse >= 1", f"{k_coarse}", "use 4 to 32, or the number of coarse nodes for flat search")
        super().__init__(channels=channels, device=device, key_format=key_format, folder=folder)
        self.k_coarse = k_coarse
        self._nodes = ExactIndex(channels=channels, device=device)  # the coarse nodes, numbered as they come
        self._fresh = 0  # the next number; none is used twice
        self._numbers: dict[bytes, int] = {}  # of the coarse nodes by the digest of their keys
        self._digests: dict[int, bytes] = {}
        self._children = Children(self.device)
        self._parents = torch.full((0,), -1, dtype=torch.int64, device=self.device)  # id -> number of its coarse node

    @property
    def note(self) -> str:
        kept = rounding(self.key_format)
        return "hierarchical search: only examples below the most similar coarse nodes are compared" + (f", by {kept}" if kept else "")

    @property
    def coarse_nodes(self) -> int:
        """How many coarse nodes have entries."""
        return len(self._nodes)

    @property
    def _row(self) -> int:
        """Values of a batch per group and candidate: its scores, or its key."""
        return max(GROUP, self.channels)

    @property
    def bytes_per_entry(self) -> float:
        coarse = len(self._nodes) and len(self._nodes) * self._nodes.bytes_per_entry
        return super().bytes_per_entry + (coarse + self._children.nbytes + self._parents.nbytes) / max(len(self), 1)

    def add(self, ids: torch.Tensor, keys: torch.Tensor, ties: torch.Tensor, coarse: torch.Tensor | None = None) -> None:
        """As `Rows.add`. coarse: (n, D) float32 unit keys of the entries' coarse nodes; None: each key is its own coarse node."""
        coarse = self._checked(keys, coarse)
        super().add(ids, keys, ties)
        if len(ids) == 0:
            return
        ids = ids.to(self.device)
        if self.top > len(self._parents):
            self._parents = torch.nn.functional.pad(self._parents, (0, self.top - len(self._parents)), value=-1)
        self._parents[ids] = self._numbered(coarse)
        self._children.add(self._parents[ids], ids)

    def remove(self, ids: torch.Tensor) -> None:
        super().remove(ids)
        ids = ids.to(self.device)
        empty = self._children.remove(self._parents[ids], ids)
        self._parents[ids] = -1
        self._nodes.remove(empty)
        for node in empty.tolist():
            del self._numbers[self._digests.pop(node)]

    def copy(self) -> "HierarchicalIndex":
        other = super().copy()
        other.k_coarse, other._fresh = self.k_coarse, self._fresh
        other._nodes, other._children, other._parents = self._nodes.copy(), self._children.copy(), self._parents.clone()
        other._numbers, other._digests = dict(self._numbers), dict(self._digests)
        return other

    def search(self, queries: torch.Tensor, k: int, coarse: torch.Tensor | None = None) -> Neighbors:
        """Return the k nearest entries found for each of (Q, D) unit queries. coarse: (Q, D) keys of their coarse nodes."""
        lists = self.ranked(queries, k, width=k + min(k, 16), coarse=coarse)
        return Neighbors(lists.distances[:, :k].contiguous(), lists.ids[:, :k].contiguous())

    def ranked(self, queries: torch.Tensor, k: int, *, width: int, progress: Callable[[float], None] | None = None,
               coarse: torch.Tensor | None = None) -> RankedLists:
        """Return ranked lists whose first k are exact among the candidates, at least min(k, N); floors take these for all there is.

        coarse: (Q, D) keys of the queries' coarse nodes; None: each query is its own.
        """
        check_query(self, queries, k, width)
        if self.k_coarse >= len(self._nodes):
            return super().ranked(queries, k, width=width, progress=progress)
        coarse = self._checked(queries, coarse)
        result, done = RankedLists.empty(len(queries), width, self.device), 0
        for asked, candidates in self._batches(coarse, k):
            columns = max(BATCH // (len(asked) * self._row), 1)  # only a node with very many children alone fills several batches
            parts = (search_among(self, queries, asked, part, width) for part in candidates.split(columns, dim=1))
            rows, lists = reduce(lambda one, two: (one[0], merge(one[1], two[1], width)), parts)
            result.put(rows, lists)
            done += len(rows)
            if progress:
                progress(done / len(queries))
        return result

    def _batches(self, coarse: torch.Tensor, k: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield (G, R) rows of queries and (G, C) slots of their candidates; the rows of a group share a coarse node."""
        owners, _, first = _distinct(coarse)
        near = self._near(coarse[first], k)
        owners, rows = torch.sort(owners, stable=True)
        counts = torch.bincount(owners)
        begin = ragged(torch.zeros_like(counts), counts)[0] % GROUP == 0
        starts, nodes = begin.nonzero().flatten(), near[owners[begin]]  # of each group: its first row, its coarse nodes
        lengths = torch.cat([starts[1:], starts.new_tensor([len(rows)])]) - starts
        sizes = self._children.counts(nodes).sum(1)
        for groups in _packed(sizes, self._row):
            places, asking = ragged(starts[groups], lengths[groups])
            real = nodes[groups] >= 0
            ids, node = self._children.of(nodes[groups][real])
            children = self._slots[ids]
            yield padded(rows[places], asking, len(groups)), padded(children, real.nonzero()[:, 0][node], len(groups))

    def _near(self, coarse: torch.Tensor, k: int) -> torch.Tensor:
        """Return (P, n) numbers of the coarse nodes nearest to (P, D) coarse keys, -1 where others need more to have k children."""
        count, needed = self.k_coarse, min(k, len(self))
        near = self._nodes.search(coarse, count).ids
        while len(short := (self._children.counts(near).sum(1) < needed).nonzero().flatten()):
            count *= WIDEN
            near = torch.nn.functional.pad(near, (0, count - near.shape[1]), value=-1)
            near[short] = self._nodes.search(coarse[short], count).ids
        return near

    def _numbered(self, coarse: torch.Tensor) -> torch.Tensor:
        """Return the number of the coarse node of each key; new keys become new nodes, ordered by digest where equally near."""
        owners, digests, first = _distinct(coarse)
        new = [place for place, digest in enumerate(digests) if digest not in self._numbers]
        numbers = torch.arange(self._fresh, self._fresh + len(new))
        self._fresh += len(new)
        for place, number in zip(new, numbers.tolist(), strict=True):
            self._numbers[digests[place]], self._digests[number] = number, digests[place]
        ties = torch.tensor([int.from_bytes(digests[place][:8], signed=True) for place in new], dtype=torch.int64)
        self._nodes.add(numbers, coarse[first[torch.tensor(new, dtype=torch.int64, device=first.device)]], ties)
        return torch.tensor([self._numbers[digest] for digest in digests], device=self.device)[owners]

    def _checked(self, rows: torch.Tensor, coarse: torch.Tensor | None) -> torch.Tensor:
        if coarse is not None and coarse.shape != rows.shape:
            raise ShapeError(f"{tuple(rows.shape)} coarse keys", f"{tuple(coarse.shape)}", "give each row the key of its coarse node")
        return rows if coarse is None else coarse


def _packed(sizes: torch.Tensor, row: int) -> Iterator[torch.Tensor]:
    """Yield groups, those of like sizes together, as many at a time as fill a batch with `row` values per candidate."""
    sizes, order = torch.sort(sizes)
    start, ends = 0, sizes.tolist()
    for stop in range(1, len(order) + 1):
        if stop == len(order) or ends[stop] * (stop + 1 - start) * row > BATCH:
            yield order[start:stop]
            start = stop


def _distinct(keys: torch.Tensor) -> tuple[torch.Tensor, list[bytes], torch.Tensor]:
    """Return the (n,) number of each of (n, D) keys, equal keys having one, and by number their digests and where each was first seen."""
    keys = keys + 0.0  # -0.0 becomes 0.0: equal numbers, equal bytes
    starts = torch.ones(len(keys), dtype=torch.bool, device=keys.device)
    starts[1:] = (keys[1:] != keys[:-1]).any(1)  # neighbouring queries share coarse nodes: one digest for a run of them
    first = starts.nonzero().flatten()
    digests: dict[bytes, int] = {}
    rows = keys[first].numpy(force=True)
    numbers = np.array([digests.setdefault(blake2b(row, digest_size=16).digest(), len(digests)) for row in rows], np.int64)
    seen = torch.from_numpy(np.unique(numbers, return_index=True)[1]).to(keys.device)
    return torch.from_numpy(numbers).to(keys.device)[starts.cumsum(0) - 1], list(digests), first[seen]
