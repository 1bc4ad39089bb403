"""Where a patch lies, taken out of the features of a vision transformer.

After INSID3 (Cuttano et al., CVPR 2026, arXiv 2603.28480): the features of a picture without content differ by position alone, so
the span of their differences is where position is written; features are projected onto what is orthogonal to it. As in the authors'
code the picture is black and features have length 1. They take 500 of the 1024 directions of one model; for models of every size ours
takes half of the channels, but no direction whose share is rounding [ours].
"""

import torch
from torch.nn.functional import normalize

FAINT = 1e-4  # singular values below this times the largest: rounding, different on every machine
NOTHING = 1e-5  # and of features that do not differ at all


def positional_basis(features: torch.Tensor) -> torch.Tensor:
    """Return (channels, directions) orthonormal columns, float32: where the features of a picture without content differ.

    features: (channels, *grid) of that picture. No column where there is one patch only, or where all are equal.
    """
    rows = normalize(features.flatten(1).T.double().cpu(), dim=1)  # on the CPU: the same directions on every device
    rows = rows - rows.mean(0)
    _, lengths, directions = torch.linalg.svd(rows, full_matrices=False)
    count = int((lengths > max(FAINT * float(lengths[0]), NOTHING)).sum())
    return directions[: min(count, len(features) // 2)].T.to(features.device, torch.float32).contiguous()


def without_position(features: torch.Tensor, basis: torch.Tensor) -> torch.Tensor:
    """Return (batch, channels, *grid) features of length 1 without their part in the span of the basis."""
    flat = normalize(features.flatten(2), dim=1)
    flat = flat - basis @ (basis.T @ flat)
    return normalize(flat, dim=1).view(features.shape)
