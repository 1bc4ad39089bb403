"""The rows that an index holds: ids, content order and keys, in three arrays without holes. Knows nothing about search."""

from pathlib import Path
from typing import Self

import torch

from parmesan_engine.device import device_of
from parmesan_engine.errors import LimitError, ShapeError, UnknownNameError
from parmesan_engine.search.codes import decode, dtype_of, encode, inverse_lengths
from parmesan_engine.search.mapped import mapped_array

LONGEST = 1.01  # length of a row that counts as a unit row
HEADROOM = 1.125  # spare room when the arrays grow, so that a stroke seldom copies a large memory


class Rows:
    """Entries by id. Ids may be any non-negative integers that were never reused; a row's slot changes when others go.

    channels: D; key_format: how keys are kept (`codes`): "float32", "float16" or "int8"; folder: of a scratch file in which
    the arrays lie, so that they may be larger than RAM (CPU only; `mapped`). Raises LimitError.
    """

    def __init__(self, *, channels: int, device: str = "cpu", key_format: str = "float32", folder: str | Path | None = None) -> None:
        if folder is not None and torch.device(device).type != "cpu":
            raise LimitError("an index on the CPU, for keys in a file", f"{device}", "leave out the folder, or compute on the CPU")
        self.channels, self.device, self.key_format = channels, device_of(device), key_format
        self.folder = None if folder is None else Path(folder)
        self._count = 0
        self._codes = torch.empty(0, channels, dtype=dtype_of(key_format), device=self.device)
        self._ids = torch.empty(0, dtype=torch.int64, device=self.device)
        self._ties = torch.empty(0, dtype=torch.int64, device=self.device)
        self._slots = torch.full((0,), -1, dtype=torch.int64, device=self.device)  # id -> slot, -1 where absent
        self._arrays = ["_codes", "_ids", "_ties"]  # what has one row per slot
        if self.on_gpu and key_format != "float32":
            self._scales = torch.empty(0, device=self.device)
            self._arrays.append("_scales")

    def __len__(self) -> int:
        return self._count

    @property
    def on_gpu(self) -> bool:
        """Whether the rows are scanned as a GPU does it."""
        return self.device.type != "cpu"

    @property
    def ids(self) -> torch.Tensor:
        """The (N,) ids, in no particular order."""
        return self._ids[: self._count]

    @property
    def ties(self) -> torch.Tensor:
        """The (N,) content order, in the order of `ids`."""
        return self._ties[: self._count]

    @property
    def codes(self) -> torch.Tensor:
        """The (N, D) keys as they are kept, in the order of `ids`."""
        return self._codes[: self._count]

    @property
    def scales(self) -> torch.Tensor | None:
        """The (N,) `inverse_lengths` of the codes, kept where a GPU scans codes that are not the keys themselves; else None."""
        return self._scales[: self._count] if "_scales" in self._arrays else None

    @property
    def keys(self) -> torch.Tensor:
        """The (N, D) float32 keys, in the order of `ids`: a view where they are kept so, else decoded as a whole."""
        return decode(self.codes)

    @property
    def top(self) -> int:
        """A number that no id reached so far: all ids are below it."""
        return len(self._slots)

    @property
    def bytes_per_entry(self) -> float:
        """Bytes of the arrays in use over the number of entries; nan when there is none."""
        used = sum(getattr(self, name)[: self._count].nbytes for name in self._arrays)
        return (used + self._slots.nbytes) / self._count if self._count else float("nan")

    def add(self, ids: torch.Tensor, keys: torch.Tensor, ties: torch.Tensor) -> None:
        """Add entries: (n,) int64 ids, (n, D) float32 unit rows, (n,) int64 content order.

        Raises ShapeError, LimitError for rows that are longer or not numbers, and UnknownNameError for an id that is here
        already; then nothing is added.
        """
        if keys.shape != (len(ids), self.channels) or len(ties) != len(ids):
            raise ShapeError(f"({len(ids)}, {self.channels}) keys", f"{tuple(keys.shape)}", "give one key per id")
        if len(ids) == 0:
            return
        ids = ids.to(self.device)
        if bool((self._slots_of(ids) >= 0).any()) or int(ids.min()) < 0 or len(torch.unique(ids)) < len(ids):
            raise UnknownNameError("new ids from 0 on, each once", "some that are known or repeated", "remove the old entries first")
        if not bool((torch.linalg.vector_norm(keys, dim=1) <= LONGEST).all()):  # not of nan
            raise LimitError("rows of unit length", "one that is longer, or not a number", "divide keys by their length")
        total = self._count + len(ids)
        if total > len(self._codes):
            self._grow(int(total * HEADROOM) + 1024)
        top = int(ids.max()) + 1
        if top > len(self._slots):
            more = torch.full((int(top * HEADROOM) + 1024 - len(self._slots),), -1, dtype=torch.int64, device=self.device)
            self._slots = torch.cat([self._slots, more])
        place = slice(self._count, total)
        self._codes[place], self._ids[place], self._ties[place] = encode(keys.to(self.device), self._codes.dtype), ids, ties
        if "_scales" in self._arrays:
            self._scales[place] = inverse_lengths(self._codes[place])
        self._slots[self._ids[place]] = torch.arange(self._count, total, device=self.device)
        self._count = total
        self._changed(self._slots[ids])

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
        for array in (getattr(self, name) for name in self._arrays):
            array[holes] = array[movers]
        self._slots[self._ids[holes]] = holes
        self._slots[ids] = -1
        self._count = left
        self._changed(holes)

    def copy(self) -> Self:
        """Return rows with the same entries that can change by themselves."""
        other = type(self)(channels=self.channels, device=str(self.device), key_format=self.key_format, folder=self.folder)
        other._count, other._slots = self._count, self._slots.clone()
        for name in self._arrays:
            old = getattr(self, name)
            setattr(other, name, self._array(old.shape, old.dtype).copy_(old))
        return other

    def lookup(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the (n, D) float32 keys and (n,) ties of entries that are here."""
        slots = self._slots[ids.to(self.device)]
        return decode(self._codes[slots]), self._ties[slots]

    def _changed(self, slots: torch.Tensor) -> None:
        """Called after every change with the (n,) slots that hold other rows than before: for what an index derives from rows."""

    def _slots_of(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the slot of each id, -1 where it is not here."""
        known = (ids >= 0) & (ids < len(self._slots))
        slots = torch.full_like(ids, -1)
        slots[known] = self._slots[ids[known]]
        return slots

    def _grow(self, capacity: int) -> None:
        old = {name: getattr(self, name) for name in self._arrays}
        new = {name: self._array((capacity, *array.shape[1:]), array.dtype) for name, array in old.items()}  # all, or an error
        for name, array in new.items():
            array[: self._count] = old[name][: self._count]
            setattr(self, name, array)

    def _array(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Return room for rows, in RAM or in a scratch file."""
        if self.folder is not None:
            return mapped_array(shape, dtype, self.folder)
        return torch.empty(shape, dtype=dtype, device=self.device)
