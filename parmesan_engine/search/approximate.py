"""Approximate search: only the entries of the cells nearest to a query are compared with it, by Faiss.

Built beside the work by `rebuilt`, which parts the entries into cells and looks at as many of them as reach the recall asked for,
measured on the entries themselves. Until then, and for what was added since, the search is exact: additions wait in a small
exact index and are found by the next search. What is removed is gone from both at once.

What is guaranteed: distances are those of `pair_distances` to the kept keys (half precision), lists are in ascending (distance,
tie), nothing that was removed is found, and at least min(k, N) entries are found. Right after `rebuilt` the index is a function
of the set of entries (and of the machine's arithmetic), whatever their order and whatever was there before. Between two
rebuilds the cells stay as they were made, so what is missed may depend on entries that have been removed since, and on which
entries came later; what is found never does.
"""

from collections.abc import Callable

import torch

from parmesan_engine.device import device_of
from parmesan_engine.errors import LimitError, UnknownNameError
from parmesan_engine.search.cells import Cells
from parmesan_engine.search.codes import decode
from parmesan_engine.search.exact import ExactIndex, check_query
from parmesan_engine.search.newcomers import Newcomers
from parmesan_engine.search.ranking import RankedLists, merge
from parmesan_engine.search.tuning import EXACT_BELOW, Tuning, cells_for, tune
from parmesan_engine.types import Neighbors

OfIds = Callable[[torch.Tensor], torch.Tensor]
KEY_FORMAT = "float16"
QUERY_CHUNK = 8192  # queries whose candidates are held at a time: 16 of 64 values, 34 MB
MORE = 4  # times as many cells for queries that found fewer than k
GROWN, SHRUNK = 1 / 50, 1 / 4  # shares of the entries in cells that came, or went, until new cells are worth their time


class ApproximateIndex:
    """The nearest entries by cosine distance, most of them. On a GPU, and below `exact_below` entries, exactly.

    least_recall: share of the true neighbours to find; least_agreement: share of queries that must get the same label instead,
    where `rebuilt` is given labels.

    >>> index = ApproximateIndex(channels=2, exact_below=0)
    >>> index.add(torch.tensor([7, 9]), torch.eye(2), torch.tensor([0, 1]))
    >>> index = index.rebuilt()
    >>> index.search(torch.tensor([[0.0, 1.0]]), 2).ids.tolist()
    [[9, 7]]
    """

    takes_coarse = False

    def __init__(self, *, channels: int, device: str = "cpu", least_recall: float = 0.98, least_agreement: float | None = None,
                 exact_below: int = EXACT_BELOW) -> None:
        if not all(0 < share <= 1 for share in (least_recall, least_agreement) if share is not None):
            raise LimitError("a recall and an agreement above 0, at most 1", f"{least_recall}, {least_agreement}", "0.98 is a good start")
        self.channels, self.device = channels, device_of(device)
        self.least_recall, self.least_agreement, self.exact_below = least_recall, least_agreement, exact_below
        self.tuning: Tuning | None = None  # how the cells are searched, and what was measured; None: exact
        self._cells: Cells | None = None
        self._fresh: ExactIndex | Newcomers = ExactIndex(channels=channels, device=device, key_format=KEY_FORMAT)  # what is in no cell
        self._top = 0

    def __len__(self) -> int:
        return len(self._fresh) + (len(self._cells) if self._cells else 0)

    @property
    def exact(self) -> bool:
        """Whether nothing can be missed."""
        return self._cells is None

    @property
    def recall(self) -> float:
        """The measured share of true neighbours found: of entries searched without themselves."""
        return self.tuning.recall if self.tuning else 1.0

    @property
    def note(self) -> str:
        """What a prediction says of this search: also while it is exact, of the rounded keys."""
        if self.exact:
            return self._fresh.note
        how = "on samples that were left out" if self.tuning.apart else "on the examples themselves"
        return f"approximate search: it finds {self.recall:.1%} of the nearest examples, as measured {how}"

    @property
    def ids(self) -> torch.Tensor:
        """The (N,) ids, in no particular order."""
        return self._fresh.ids if self._cells is None else torch.cat([self._fresh.ids, self._cells.ids()])

    @property
    def keys(self) -> torch.Tensor:
        """The (N, D) float32 keys in the order of `ids`, decoded: twice the memory of the index."""
        return self._fresh.keys if self._cells is None else torch.cat([self._fresh.keys, decode(self._cells.entries()[0])])

    @property
    def top(self) -> int:
        """A number that no id reached so far: all ids are below it."""
        return self._top

    @property
    def bytes_per_entry(self) -> float:
        """Bytes of keys, ids, ties and centres, Faiss' own included, over the number of entries; nan when there is none."""
        if self._cells is None:
            return self._fresh.bytes_per_entry
        return (self._fresh.nbytes + self._cells.nbytes) / len(self) if len(self) else float("nan")

    @property
    def stale(self) -> bool:
        """Whether new cells would be worth their time: so much came or went since they were made."""
        if self.device.type != "cpu" or len(self) < max(self.exact_below, 2):
            return self._cells is not None
        if self._cells is None:
            return True
        return len(self._fresh) > GROWN * len(self._cells) or self._cells.removed > SHRUNK * len(self._cells)

    def add(self, ids: torch.Tensor, keys: torch.Tensor, ties: torch.Tensor) -> None:
        """As `Rows.add`. The next search finds them."""
        if self._cells is not None and self._cells.known(ids):
            raise UnknownNameError("new ids from 0 on, each once", "some that are known", "remove the old entries first")
        self._fresh.add(ids, keys, ties)
        if len(ids):
            self._top = max(self._top, int(ids.max()) + 1)

    def remove(self, ids: torch.Tensor) -> None:
        """As `Rows.remove`. No search finds them any more."""
        if self._cells is None:
            self._fresh.remove(ids)
            return
        fresh = torch.isin(ids, self._fresh.ids)
        inside = ids[~fresh]
        if len(torch.unique(ids)) < len(ids) or self._cells.known(inside) < len(inside):
            raise UnknownNameError("ids in the index, each once", "others", "remove only what was added")
        self._fresh.remove(ids[fresh])
        self._cells.remove(inside)

    def copy(self) -> "ApproximateIndex":
        """Return an index with the same entries that can change by itself."""
        other = self._empty()
        other._fresh, other._cells, other.tuning = self._fresh.copy(), self._cells and self._cells.copy(), self.tuning
        other._top = self._top
        return other

    def lookup(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the (n, D) float32 keys and (n,) ties of entries that are here (ties as far as they are kept, see `cells`)."""
        if self._cells is None or bool((fresh := torch.isin(ids, self._fresh.ids)).all()):
            return self._fresh.lookup(ids)
        keys, ties = torch.empty(len(ids), self.channels), torch.empty(len(ids), dtype=torch.int64)
        keys[fresh], ties[fresh] = self._fresh.lookup(ids[fresh])
        codes, ties[~fresh] = self._cells.lookup(ids[~fresh])
        keys[~fresh] = decode(codes)
        return keys, ties

    def search(self, queries: torch.Tensor, k: int) -> Neighbors:
        """Return the k nearest entries found for each of (Q, D) unit queries; rows are filled up with -1 where N < k."""
        lists = self.ranked(queries, k, width=k)
        return Neighbors(lists.distances[:, :k].contiguous(), lists.ids[:, :k].contiguous())

    def ranked(self, queries: torch.Tensor, k: int, *, width: int, progress: Callable[[float], None] | None = None) -> RankedLists:
        """Return ranked lists of at least min(k, N) entries; floors take what was found for all there is."""
        if self._cells is None:
            return self._fresh.ranked(queries, k, width=width, progress=progress)
        check_query(self, queries, k, width)
        result = RankedLists.empty(len(queries), width, self.device)
        for start in range(0, len(queries), QUERY_CHUNK):
            rows = torch.arange(start, min(start + QUERY_CHUNK, len(queries)))
            result.put(rows, self._ranked(queries[rows], k, width))
            if progress:
                progress(float(rows[-1] + 1) / len(queries))
        return result

    def rebuilt(self, *, k: int = 8, labels: OfIds | None = None, groups: OfIds | None = None,
                progress: Callable[[float], None] | None = None) -> "ApproximateIndex":
        """Return an index of the same entries with new cells, tuned for k neighbours; this one stays as it is.

        labels: (n,) ids -> (n, L) shares of classes, to measure the agreement of predicted labels; groups: (n,) ids -> (n,) codes of
        their samples, to measure as on new samples (see `tuning`). Takes seconds for a million entries, and room for them once
        or twice more. May run on a thread of its own, on a copy that nobody changes. progress may raise to stop it.
        """
        report = progress or (lambda fraction: None)
        report(0.0)
        whole, other = self._everything(), self._empty()
        other._top = self.top
        if self.device.type != "cpu" or len(whole) < max(self.exact_below, 2):
            other._fresh = whole
            return other
        other._fresh = Newcomers(channels=self.channels, device=str(self.device), key_format=KEY_FORMAT)
        report(0.1)
        other._cells = Cells(whole.codes, whole.ids, whole.ties, cells=cells_for(len(whole)))
        report(0.7)
        other.tuning = tune(other._cells, whole, k=k, recall=self.least_recall, agreement=self.least_agreement,
                            labels=labels and labels(whole.ids), groups=groups and groups(whole.ids))
        report(1.0)
        return other

    def _ranked(self, queries: torch.Tensor, k: int, width: int) -> RankedLists:
        probes, needed = self.tuning.probes, min(k, len(self))
        lists = self._with_fresh(queries, self._cells.ranked(queries, width, probes), k, width)
        while probes < self._cells.count and len(short := (lists.ids[:, needed - 1] < 0).nonzero().flatten()):
            probes *= MORE
            lists.put(short, self._with_fresh(queries[short], self._cells.ranked(queries[short], width, probes), k, width))
        return lists

    def _with_fresh(self, queries: torch.Tensor, lists: RankedLists, k: int, width: int) -> RankedLists:
        return merge(lists, self._fresh.ranked(queries, k, width=width), width) if len(self._fresh) else lists

    def _everything(self) -> ExactIndex:
        """Return an exact index of all entries, on its own."""
        if self._cells is None:
            return self._fresh.copy()
        whole = ExactIndex(channels=self.channels, key_format=KEY_FORMAT)
        codes, ids, ties = self._cells.entries()
        whole.add(ids, codes, ties)
        whole.add(self._fresh.ids, self._fresh.codes, self._fresh.ties)
        return whole

    def _empty(self) -> "ApproximateIndex":
        return ApproximateIndex(channels=self.channels, device=str(self.device), least_recall=self.least_recall,
                                least_agreement=self.least_agreement, exact_below=self.exact_below)
