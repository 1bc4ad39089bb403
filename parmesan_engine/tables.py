"""Labels and weights of entries in two growable tables with one row per entry id, so that voting is one gather."""

import torch

GROWTH = 1.25


class EntryTables:
    """labels: (capacity, L) float32 and weights: (capacity,) float32, both indexed by entry id; weight 0 where unused."""

    def __init__(self, label_dim: int, device: torch.device) -> None:
        self.labels = torch.zeros(1, label_dim, device=device)
        self.weights = torch.zeros(1, device=device)

    def put(self, ids: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> None:
        """Write the rows of (n,) ids; (n, L') labels narrower than the table are filled up with 0."""
        top = int(ids.max()) + 1
        if top > len(self.weights):
            self._grow(int(top * GROWTH) + 1024)
        self.labels[ids] = torch.nn.functional.pad(labels, (0, self.labels.shape[1] - labels.shape[1]))
        self.weights[ids] = weights

    def widen(self, label_dim: int) -> None:
        """Add columns for new classes."""
        self.labels = torch.nn.functional.pad(self.labels, (0, max(label_dim - self.labels.shape[1], 0)))

    def _grow(self, capacity: int) -> None:
        more = capacity - len(self.weights)
        self.labels = torch.nn.functional.pad(self.labels, (0, 0, 0, more))
        self.weights = torch.nn.functional.pad(self.weights, (0, more))
