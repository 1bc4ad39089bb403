"""Entries in the cells of a coarse partition of the keys: Faiss' inverted lists, with our order and exact removal.

A cell holds the entries nearest to its centre: their keys in half precision and a 64-bit label each, nothing else, so that a key
of 64 values takes 136 bytes and the centres about one. The label is the id and, above it, as much of the entry's tie as there is
room for: all of it where ties span few numbers, else its first 63 - log2(largest id) bits, which tell digests apart.

The partition is a function of the set of entries: it is trained on some of them, drawn by their ties (`drawn`), with a fixed seed.
Cells take no new entries, so nothing in them moves but by removal. They are searched by Faiss or, faster, by `cell_kernel`.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from parmesan_engine.search.cell_kernel import CellKernel
from parmesan_engine.search.codes import decode
from parmesan_engine.search.distance import load_faiss, pair_distances
from parmesan_engine.search.ranking import LAST, RankedLists

POINTS = 64  # training entries per cell
ROUNDS = 10  # of k-means
SMALL = 50_000  # entries up to which threads that wait for each other cost more than they win
LEAF = 4  # cells whose order does not matter
LABEL_BITS = 63  # labels are not negative: Faiss says -1 where it found nothing


def drawn(ties: torch.Tensor) -> np.ndarray:
    """Return the rows of (n,) ties in an order that is random, yet follows from the ties alone: mixed as by splitmix64."""
    mixed = ties.numpy().astype(np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.argsort(mixed ^ (mixed >> np.uint64(31)), kind="stable")


def _arranged(rows: np.ndarray) -> np.ndarray:
    """Return an order of (n, D) rows in which neighbours are near each other: halves along the widest column, again and again."""

    def halves(some: np.ndarray) -> list[np.ndarray]:
        if len(some) <= LEAF:
            return [some]
        widest = np.ptp(rows[some], axis=0).argmax()
        some = some[np.argsort(rows[some, widest], kind="stable")]
        return halves(some[: len(some) // 2]) + halves(some[len(some) // 2 :])

    return np.concatenate(halves(np.arange(len(rows))))


@dataclass(frozen=True)
class Labels:
    """How ids and ties share 64 bits: the id in the lowest `bits`, above it the tie less `low`, without its last `shift` bits."""

    bits: int
    low: int
    shift: int

    @classmethod
    def fitting(cls, ids: np.ndarray, ties: np.ndarray) -> Self:
        """Return the layout that keeps most of the ties of (n,) int64 ids and ties, n > 0."""
        bits, low = int(ids.max()).bit_length(), int(ties.min())
        return cls(bits, low, max((int(ties.max()) - low).bit_length() - (LABEL_BITS - bits), 0))

    def pack(self, ids: np.ndarray, ties: np.ndarray) -> np.ndarray:
        above = ties.astype(np.uint64) - np.uint64(self.low % 2**64)  # wraps to the true difference
        return ((above >> np.uint64(self.shift) << np.uint64(self.bits)) | ids.astype(np.uint64)).astype(np.int64)

    def ids(self, labels: np.ndarray) -> np.ndarray:
        return labels & ((1 << self.bits) - 1)

    def ties(self, labels: np.ndarray) -> np.ndarray:
        above = labels.astype(np.uint64) >> np.uint64(self.bits) << np.uint64(self.shift)
        return (above + np.uint64(self.low % 2**64)).astype(np.int64)


class Cells:
    """Entries by cell. codes: (n, D) float16 keys; ids, ties: (n,) int64; cells: how many to make, at most n."""

    def __init__(self, codes: torch.Tensor, ids: torch.Tensor, ties: torch.Tensor, *, cells: int) -> None:
        faiss = load_faiss()
        faiss.omp_set_num_threads(torch.get_num_threads() if len(ids) > SMALL else 1)
        self.channels, self.factory, self._built = codes.shape[1], f"IVF{cells},SQfp16", len(ids)
        order = drawn(ties)
        codes, ids, ties = codes.numpy()[order], ids.numpy()[order], ties.numpy()[order]
        self._labels = Labels.fitting(ids, ties)
        self._ivf = faiss.index_factory(self.channels, self.factory)
        self._ivf.by_residual = False  # a key is stored as it is
        self._ivf.cp.niter, self._ivf.cp.seed = ROUNDS, 1
        self._ivf.cp.min_points_per_centroid = 1  # says nothing about few points
        self._ivf.train(decode(torch.from_numpy(codes[: POINTS * cells])).numpy())
        centres = self._ivf.quantizer.reconstruct_n(0, cells)
        self._centres = np.ascontiguousarray(centres[_arranged(centres)])
        self._ivf.quantizer.reset()
        self._ivf.quantizer.add(self._centres)
        order = np.argsort(ties, kind="stable")  # in a cell the lowest tie first: it stays where equal keys are more than wanted
        self._fill(codes[order], self._labels.pack(ids, ties)[order])

    def __len__(self) -> int:
        return self._ivf.ntotal

    @property
    def count(self) -> int:
        """How many cells there are."""
        return self._ivf.nlist

    @property
    def removed(self) -> int:
        """How many entries have been removed."""
        return self._built - len(self)

    @property
    def nbytes(self) -> int:
        """Bytes of keys, labels and centres; room that removals left is counted: it is given back by a new partition."""
        return self._built * (2 * self.channels + 8) + self.count * (4 * self.channels + 2 * 24 + 8)

    def ranked(self, queries: torch.Tensor, width: int, probes: int) -> RankedLists:
        """Return the lists of what the `probes` nearest cells hold; floors take that for all there is."""
        codes, ids, ties = self._candidates(queries.contiguous().numpy(), width, probes)
        rows = torch.arange(len(queries)).repeat_interleave(width)
        columns = torch.arange(len(rows)).masked_fill_(ids.flatten() < 0, -1)
        lists = RankedLists.empty(len(queries), width, "cpu")
        lists.distances = pair_distances(queries, decode(codes), rows, columns).reshape(-1, width)
        lists.ids, lists.ties = ids, ties.masked_fill_(ids < 0, LAST)
        lists.sort()
        full = lists.ids[:, -1] >= 0
        lists.floor_distance[full], lists.floor_tie[full] = lists.distances[full, -1], lists.ties[full, -1]
        return lists

    def entries(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return copies: codes (N, D) float16, ids and ties (N,), cell by cell."""
        codes = [codes[:size] for codes, size in zip(self._codes, self._sizes.tolist(), strict=True)]
        labels = self._all_labels()
        return (torch.from_numpy(np.concatenate(codes)), torch.from_numpy(self._labels.ids(labels)),
                torch.from_numpy(self._labels.ties(labels)))

    def ids(self) -> torch.Tensor:
        """Return the (N,) ids, in the order of `entries`."""
        return torch.from_numpy(self._labels.ids(self._all_labels()))

    def known(self, ids: torch.Tensor) -> int:
        """Return how many entries here have one of the ids (each given once)."""
        return int(self._marked(ids).sum())

    def lookup(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the (n, D) float16 codes and (n,) ties of entries that are here. Looks through all labels."""
        places = self._marked(ids).nonzero()[0]
        ends = np.cumsum(self._sizes)
        cells = np.searchsorted(ends, places, side="right")
        rows = places - (ends - self._sizes)[cells]
        codes = np.stack([self._codes[cell][row] for cell, row in zip(cells.tolist(), rows.tolist(), strict=True)])
        labels = self._all_labels()[places]
        order = np.argsort(self._labels.ids(labels))
        order = order[np.searchsorted(self._labels.ids(labels)[order], ids.numpy())]
        return torch.from_numpy(codes[order]), torch.from_numpy(self._labels.ties(labels[order]))

    def remove(self, ids: torch.Tensor) -> None:
        """Remove entries that are here: the rest of their cells moves up, and what is left behind is overwritten."""
        dead = self._marked(ids)
        ends = np.cumsum(self._sizes)
        for cell in np.unique(np.searchsorted(ends, dead.nonzero()[0], side="right")).tolist():
            size = self._sizes[cell]
            codes, labels, stay = self._codes[cell], self._own[cell], ~dead[ends[cell] - size : ends[cell]]
            left = int(stay.sum())
            codes[:left], labels[:left] = codes[:size][stay], labels[:size][stay]
            codes[left:], labels[left:] = 0, -1
            self._ivf.invlists.resize(cell, left)
            self._sizes[cell] = left
        self._ivf.ntotal -= len(ids)

    def copy(self) -> "Cells":
        """Return cells that can lose entries by themselves."""
        other = object.__new__(Cells)
        other.__dict__ |= self.__dict__ | {"_ivf": load_faiss().clone_index(self._ivf)}
        other._built = len(self)
        other._look()
        return other

    def _candidates(self, queries: np.ndarray, width: int, probes: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return float16 codes (Q * width, D), ids and ties (Q, width) of about the nearest in some cells; id -1 where there are fewer."""
        if self._kernel is not None:
            labels, codes = self._kernel.nearest(queries, width, min(probes, self.count))
        else:
            labels, codes = self._by_faiss(queries, width, probes)
        return (torch.from_numpy(codes), torch.from_numpy(np.where(labels < 0, -1, self._labels.ids(labels))),
                torch.from_numpy(self._labels.ties(labels)))

    def _by_faiss(self, queries: np.ndarray, width: int, probes: int) -> tuple[np.ndarray, np.ndarray]:
        """Return labels (Q, width), -1 where there are fewer, and float16 codes (Q * width, D)."""
        faiss = load_faiss()
        faiss.omp_set_num_threads(torch.get_num_threads())
        parameters = faiss.SearchParametersIVF(nprobe=min(probes, self.count))
        _, labels, codes = self._ivf.search_and_return_codes(queries, width, params=parameters)
        return labels, codes.view(np.float16).reshape(-1, self.channels)

    def _fill(self, codes: np.ndarray, labels: np.ndarray) -> None:
        """Put entries into the cells of their nearest centres, each cell as large as it must be."""
        cells = np.concatenate([self._ivf.quantizer.assign(decode(torch.from_numpy(codes[start : start + 65536])).numpy(), 1).ravel()
                                for start in range(0, len(codes), 65536)])
        order = np.argsort(cells, kind="stable")
        starts = np.searchsorted(cells[order], np.arange(self.count + 1))
        sizes = np.diff(starts)
        for cell, size in enumerate(sizes.tolist()):
            self._ivf.invlists.resize(cell, size)
        self._look()
        for cell in sizes.nonzero()[0].tolist():
            rows = order[starts[cell] : starts[cell + 1]]
            self._codes[cell][:], self._own[cell][:] = codes[rows], labels[rows]
        self._ivf.ntotal = len(labels)

    def _look(self) -> None:
        """Take views of Faiss' lists, codes (n, D) and labels (n,) by cell: they never grow, so that they never move."""
        lists, faiss = self._ivf.invlists, load_faiss()
        self._sizes = np.array([lists.list_size(cell) for cell in range(self.count)], np.int64)
        self._codes, self._own = [], []
        for cell, size in enumerate(self._sizes.tolist()):
            codes = faiss.rev_swig_ptr(lists.get_codes(cell), size * 2 * self.channels) if size else np.empty(0, np.uint8)
            self._codes.append(codes.view(np.float16).reshape(size, self.channels))
            self._own.append(faiss.rev_swig_ptr(lists.get_ids(cell), size) if size else np.empty(0, np.int64))
        self._kernel = CellKernel.of(self._codes, self._own, self._sizes, self._centres)

    def _all_labels(self) -> np.ndarray:
        return np.concatenate([own[:size] for own, size in zip(self._own, self._sizes.tolist(), strict=True)])

    def _marked(self, ids: torch.Tensor) -> np.ndarray:
        """Return a mask of the entries, in the order of `entries`, that have one of the ids."""
        known = self._labels.ids(self._all_labels())
        marks = np.zeros(1 << self._labels.bits, bool)
        marks[ids[(ids >= 0) & (ids < len(marks))].numpy()] = True
        return marks[known]
