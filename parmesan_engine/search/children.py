"""Lists of entry ids, one per coarse node, that grow and shrink: a stroke touches only the lists of its nodes.

All lists lie in one array, each with room behind it. A list that outgrows its room moves to the end; when the end is reached,
all move into an array of twice the size they need, so that an added id costs constant time on average.
"""

from copy import copy

import torch

from parmesan_engine.search.among import ragged

ROOM = 1.5  # room of a list that moves, over its length
NODES = 1.25  # growth of the tables over nodes


class Children:
    """Ids by node number. Nodes are any non-negative integers; a node without ids takes no room."""

    def __init__(self, device: torch.device) -> None:
        none = torch.zeros(0, dtype=torch.int64, device=device)
        self._pool, self._end = none, 0
        self._start, self._count, self._room = none, none, none  # by node

    def counts(self, nodes: torch.Tensor) -> torch.Tensor:
        """Return how many ids each of some nodes has, in the shape of `nodes`; 0 for node -1."""
        return self._count[nodes.clamp(min=0)].masked_fill_(nodes < 0, 0)

    def of(self, nodes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the ids of (n,) nodes, list after list, and for each id the place of its node in `nodes`."""
        places, owners = ragged(self._start[nodes], self._count[nodes])
        return self._pool[places], owners

    def add(self, nodes: torch.Tensor, ids: torch.Tensor) -> None:
        """Put (n,) new ids into the lists of (n,) nodes."""
        if len(ids) == 0:
            return
        self._widen(int(nodes.max()) + 1)
        touched, owners = torch.unique(nodes, return_inverse=True)
        old, old_owners = self.of(touched)
        owners, order = torch.sort(torch.cat([old_owners, owners]), stable=True)
        self._write(touched, torch.cat([old, ids])[order], owners)

    def remove(self, nodes: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Take (n,) ids out of the lists of (n,) nodes; return the nodes that have none left."""
        touched = torch.unique(nodes)
        old, owners = self.of(touched)
        stay = ~torch.isin(old, ids)
        self._write(touched, old[stay], owners[stay])
        return touched[self._count[touched] == 0]

    def copy(self) -> "Children":
        """Return lists that can change by themselves."""
        other = copy(self)
        for name in ("_pool", "_start", "_count", "_room"):
            setattr(other, name, getattr(self, name).clone())
        return other

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays, room to grow included."""
        return sum(array.nbytes for array in (self._pool, self._start, self._count, self._room))

    def _write(self, nodes: torch.Tensor, ids: torch.Tensor, owners: torch.Tensor) -> None:
        """Replace the lists of distinct nodes by `ids`, ordered by `owners`, their places in `nodes`."""
        counts = torch.bincount(owners, minlength=len(nodes))
        self._count[nodes] = 0  # what they held is in `ids`
        room = (counts * ROOM).ceil().long()
        moves = counts > self._room[nodes]
        if self._end + int(room[moves].sum()) > len(self._pool):
            self._repack(int(room.sum()))
            moves = counts > 0
        nodes_moved, room = nodes[moves], room[moves]
        self._start[nodes_moved] = self._end + room.cumsum(0) - room
        self._room[nodes_moved] = room
        self._end += int(room.sum())
        self._count[nodes] = counts
        self._pool[ragged(self._start[nodes], counts)[0]] = ids

    def _repack(self, need: int) -> None:
        """Move all lists into a new pool, close together, with space for `need` ids behind them and as much again as is used."""
        nodes = (self._count > 0).nonzero().flatten()
        ids, _ = self.of(nodes)
        counts = self._count[nodes]
        self._pool = ids.new_empty(2 * (len(ids) + need) + 1024)
        self._pool[: len(ids)] = ids
        self._room.zero_()
        self._start[nodes], self._room[nodes] = counts.cumsum(0) - counts, counts
        self._end = len(ids)

    def _widen(self, nodes: int) -> None:
        more = int(nodes * NODES) + 64 - len(self._count)
        if nodes > len(self._count):
            self._start, self._count, self._room = (torch.nn.functional.pad(a, (0, more)) for a in (self._start, self._count, self._room))
