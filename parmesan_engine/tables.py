"""Labels and weights of entries in two growable tables with one row per entry id, so that voting is one gather."""

import torch

GROWTH = 1.25
UNIT = 2**20  # class totals are kept in whole units of 1 / UNIT: integer sums do not depend on the order of entries


class EntryTables:
    """labels: (capacity, L) float32 and weights: (capacity,) float32, both indexed by entry id; weight 0 where unused."""

    def __init__(self, label_dim: int, device: torch.device) -> None:
        self.labels = torch.zeros(1, label_dim, device=device)
        self.weights = torch.zeros(1, device=device)
        self._totals = torch.zeros(label_dim, dtype=torch.int64, device=device)

    @property
    def totals(self) -> torch.Tensor:
        """The (L,) weighted sum of all labels, the same for the same entries in any order."""
        return self._totals.double() / UNIT

    def copy(self) -> "EntryTables":
        """Return tables that can change by themselves."""
        other = EntryTables(0, self.labels.device)
        other.labels, other.weights, other._totals = self.labels.clone(), self.weights.clone(), self._totals.clone()
        return other

    def put(self, ids: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> None:
        """Write the rows of (n,) ids; (n, L') labels narrower than the table are filled up with 0."""
        top = int(ids.max()) + 1 if len(ids) else 0
        if top > len(self.weights):
            self._grow(int(top * GROWTH) + 1024)
        self._totals -= self._units(ids)
        self.labels[ids] = torch.nn.functional.pad(labels, (0, self.labels.shape[1] - labels.shape[1]))
        self.weights[ids] = weights
        self._totals += self._units(ids)

    def drop(self, ids: torch.Tensor) -> None:
        """Clear the rows of (n,) ids."""
        self._totals -= self._units(ids)
        self.labels[ids], self.weights[ids] = 0.0, 0.0

    def _units(self, ids: torch.Tensor) -> torch.Tensor:
        return (self.labels[ids] * self.weights[ids, None] * UNIT).round().to(torch.int64).sum(0)

    def widen(self, label_dim: int) -> None:
        """Add columns for new classes."""
        more = max(label_dim - self.labels.shape[1], 0)
        self.labels, self._totals = (torch.nn.functional.pad(a, (0, more)) for a in (self.labels, self._totals))

    def _grow(self, capacity: int) -> None:
        more = capacity - len(self.weights)
        self.labels = torch.nn.functional.pad(self.labels, (0, 0, 0, more))
        self.weights = torch.nn.functional.pad(self.weights, (0, more))
