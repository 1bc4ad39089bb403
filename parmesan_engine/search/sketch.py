"""Sketches: a few numbers per row from which the distance of two rows can be bounded from below.

    |q - x|^2  >=  |q1 - x1|^2 + (|q2| - |x2|)^2

q1, x1: the first coordinates on the principal axes of the keys; |q2|, |x2|: the lengths of the rest. Both sides are equal
up to the angle between the rests, which hold little of neighbours' distances: the features of one kind are strongly related.
In 16-bit fixed point, with a known rounding error, they rule out nearly all pairs at a quarter of the channels and half the
width of a float32 scan. After FEXIPRO (Li, Chan, Yiu and Mamoulis, SIGMOD 2017) and Hwang, Han and Ahn (CVPR 2012).
The axes only decide how fast a search is, never what it finds: whatever they are, the bound holds.
"""

from dataclasses import dataclass

import torch

from parmesan_engine.errors import LimitError
from parmesan_engine.search import kernel
from parmesan_engine.search.codes import decode

SCALE = 16_000  # of a coordinate in [-2, 2]: it fits 16 bits, and sums of products of two sketches fit 32
FITTED, PROBES = 4_096, 64  # rows that the axes are fitted to; rows that try how well a width rules out
COLUMNS = (16, 32, 64, 128, 256)
EXACT_COST = 20_000  # an exact distance takes about as long as so many columns of a sketch, most pairs being spared by their boxes


@dataclass(frozen=True)
class Axes:
    """The axes that sketches are made on. mean (D,), basis (D, columns - 1), both float64; basis' columns are orthonormal."""

    mean: torch.Tensor
    basis: torch.Tensor

    @property
    def columns(self) -> int:
        """Numbers of a sketch: an even number."""
        return self.basis.shape[1] + 1

    @classmethod
    def fit(cls, codes: torch.Tensor) -> "Axes":
        """Return the principal axes of (a sample of) (n, D) codes; as many as make the search of such rows cheapest."""
        rows = decode(codes[torch.linspace(0, len(codes) - 1, min(len(codes), FITTED), dtype=torch.float64).long()]).double()
        mean = rows.mean(0)
        centred = rows - mean
        basis = torch.linalg.eigh(centred.T @ centred)[1].flip(1)  # greatest variance first
        channels = basis.shape[1]
        widest = channels + 1 + (channels + 1) % 2  # the first even number of columns that leaves nothing over
        basis = torch.nn.functional.pad(basis, (0, 1))[:, : widest - 1]
        widths = [width for width in COLUMNS if width < widest] + [widest]
        cost, best = float("inf"), widest
        for width in widths:
            if width >= cost:  # looking at the columns alone costs more
                break
            tried = width + EXACT_COST * _left(centred, basis[:, : width - 1]) if width < widest else width
            if tried < cost:
                cost, best = tried, width
        return cls(mean, basis[:, : best - 1].contiguous())

    def sketch(self, codes: torch.Tensor) -> torch.Tensor:
        """Return (n, columns) int16 of (n, D) codes. Raises LimitError for rows longer than a unit row can be."""
        out, codes = torch.empty((len(codes), self.columns), dtype=torch.int16), codes.contiguous()
        keys = kernel.keys_of(codes, columns=self.columns)
        fits = kernel.load().sketch(keys, self.mean.data_ptr(), self.basis.data_ptr(), SCALE, out.data_ptr(), torch.get_num_threads())
        if fits < 0:
            raise MemoryError("not enough memory for the sketches of these rows")
        if not fits:
            raise LimitError("rows of unit length", "one that is longer, or not a number", "divide keys and queries by their length")
        return out


def _left(rows: torch.Tensor, basis: torch.Tensor) -> float:
    """Return the share of pairs that sketches of so many columns leave open, tried on (n, D) rows around their mean.

    A pair is left open when its bound is below the distance of the nearest other row. A sample is sparser than the whole,
    so this is more than the search will leave open.
    """
    first = rows @ basis
    rest = (rows.square().sum(1) - first.square().sum(1)).clamp(min=0).sqrt()
    sketches, probes = torch.cat([first, rest[:, None]], 1), slice(None, None, max(len(rows) // PROBES, 1))
    distances = torch.cdist(rows[probes], rows)
    nearest = distances.masked_fill(distances < 1e-7, torch.inf).amin(1, keepdim=True)
    return float((torch.cdist(sketches[probes], sketches) <= nearest).double().mean())
