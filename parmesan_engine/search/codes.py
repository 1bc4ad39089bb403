"""How keys are kept: as they are, in half precision, or in 8 bits. Each row by itself, so forgetting stays exact.

What a code decodes to *is* the key from then on: every distance is taken to the decoded row, in float32, and the search is
exact among decoded rows. A row of unit length is kept as its direction: float16 rounds each value, int8 also scales the row
so that its largest value is 127; decoding divides by the length of the code. No scale is stored or fitted to other rows.
"""

import torch

from parmesan_engine.errors import UnknownNameError

LENGTH_CHUNK = 1 << 24  # elements of one float32 temporary of `inverse_lengths`: 64 MiB
FORMATS = {"float32": torch.float32, "float16": torch.float16, "int8": torch.int8}
BOOKS = 24  # bytes of an entry beside its code: id, content order, slot


def dtype_of(name: str) -> torch.dtype:
    """Return the type of the codes of a key format. Raises UnknownNameError."""
    if name not in FORMATS:
        raise UnknownNameError(f"a key format of {', '.join(FORMATS)}", f"{name!r}", "choose one of these")
    return FORMATS[name]


def rounding(name: str) -> str:
    """Return in words what a key format rounds keys to; empty where it keeps them as they are."""
    return "" if name == "float32" else f"keys rounded to {8 * dtype_of(name).itemsize} bits"


def entry_bytes(channels: int, name: str) -> int:
    """Return the bytes of one row whose key has this format. An index may add its own: exact search sketches of some 36."""
    return channels * dtype_of(name).itemsize + BOOKS


def encode(rows: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return the (n, D) codes of (n, D) float32 rows of unit length."""
    if dtype == torch.int8:
        return (rows * (127 / rows.abs().amax(1, keepdim=True).clamp(min=1e-30))).round_().to(dtype)
    return rows.to(dtype)


def decode(codes: torch.Tensor) -> torch.Tensor:
    """Return the (n, D) float32 rows of unit length that codes stand for; float32 codes are themselves."""
    if codes.dtype == torch.float32:
        return codes
    rows, step = torch.empty(codes.shape, device=codes.device), max(LENGTH_CHUNK // codes.shape[1], 1)  # no large temporaries
    for out, part in zip(rows.split(step), codes.split(step), strict=True):
        length = part.double().square().sum(1, keepdim=True).sqrt().float()  # exact before the root, whatever the order of the sum
        torch.div(part.float(), length.clamp_(min=1e-30), out=out)
    return rows


def inverse_lengths(codes: torch.Tensor) -> torch.Tensor:
    """Return (N,) float32: what `decode` multiplies each of (N, D) codes by, up to rounding."""
    parts = codes.split(max(LENGTH_CHUNK // codes.shape[1], 1))
    lengths = [part.float().square().sum(1).sqrt_().clamp_(min=1e-30) for part in parts]
    return torch.cat([torch.empty(0, device=codes.device), *lengths]).reciprocal_()
