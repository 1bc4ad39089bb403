"""The few entries that came since an index was built: an exact index whose size does not depend on how large ids are."""

from collections.abc import Callable

import torch

from parmesan_engine.errors import UnknownNameError
from parmesan_engine.search.exact import ExactIndex
from parmesan_engine.search.ranking import RankedLists


class Newcomers:
    """Exact search among a few entries, numbered inside as they come, since `Rows` keeps a table as long as the largest id."""

    def __init__(self, *, channels: int, device: str, key_format: str) -> None:
        self._rows = ExactIndex(channels=channels, device=device, key_format=key_format)
        self._names = torch.empty(0, dtype=torch.int64, device=self._rows.device)  # number -> id

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def ids(self) -> torch.Tensor:
        return self._names[self._rows.ids]

    @property
    def keys(self) -> torch.Tensor:
        return self._rows.keys

    @property
    def codes(self) -> torch.Tensor:
        return self._rows.codes

    @property
    def ties(self) -> torch.Tensor:
        return self._rows.ties

    @property
    def nbytes(self) -> float:
        return (self._rows.bytes_per_entry * len(self) if len(self) else 0) + self._names.nbytes

    def add(self, ids: torch.Tensor, keys: torch.Tensor, ties: torch.Tensor) -> None:
        """As `Rows.add`."""
        ids = ids.to(self._names.device)
        if bool(torch.isin(ids, self.ids).any()) or len(torch.unique(ids)) < len(ids) or bool((ids < 0).any()):
            raise UnknownNameError("new ids from 0 on, each once", "some that are known or repeated", "remove the old entries first")
        numbers = torch.arange(len(self._names), len(self._names) + len(ids), device=self._names.device)
        self._rows.add(numbers, keys, ties)
        self._names = torch.cat([self._names, ids])

    def remove(self, ids: torch.Tensor) -> None:
        """Remove entries that are here."""
        self._rows.remove(self._numbers(ids))
        if len(self._rows) == 0:
            self._names = self._names[:0]

    def copy(self) -> "Newcomers":
        other = object.__new__(Newcomers)
        other._rows, other._names = self._rows.copy(), self._names
        return other

    def lookup(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the (n, D) keys and (n,) ties of entries that are here."""
        return self._rows.lookup(self._numbers(ids))

    def ranked(self, queries: torch.Tensor, k: int, *, width: int, progress: Callable[[float], None] | None = None) -> RankedLists:
        """As `ExactIndex.ranked`."""
        lists = self._rows.ranked(queries, k, width=width, progress=progress)
        lists.ids = torch.where(lists.ids < 0, -1, self._names[lists.ids.clamp(min=0)])
        return lists

    def _numbers(self, ids: torch.Tensor) -> torch.Tensor:
        known, order = torch.sort(self.ids)
        return self._rows.ids[order[torch.searchsorted(known, ids.to(known.device))]]
