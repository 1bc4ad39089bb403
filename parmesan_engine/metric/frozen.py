"""A fitted metric as a value: it maps raw features to keys of unit length and can be stored without pickle."""

import hashlib
import json
import struct
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from parmesan_engine.errors import FormatError, ShapeError

MAGIC, STRAIGHT = b"PMETRIC2", b"PMETRIC1"  # the older kind has no curve
MAX_FEATURES = 65_536
BLOCK = 2_048  # rows per matrix product: always the same shape, so a row never depends on the rows it travels with
TILE = 32  # columns of a product come in this multiple: narrow products take code paths that depend on the rows
IDENTITY_TAU, IDENTITY_K = 0.05, 16


@dataclass(frozen=True)
class Metric:
    """Keys are `lift(bend(features - mean) @ projection)`: bend(x) = x / sqrt(1 + (curve x)^2); lift: append 1, divide by the length.

    With the lift, 1 - cos of two keys is half their squared distance near the data and saturates at 1 far from it.

    mean: (D,) float32; projection: (D, D') float32, the lift scale included.
    tau: temperature of softmax(-(1 - cos) / tau); k: neighbours that vote.
    score: mean leave-one-sample-out log-likelihood of classes, or minus the root mean squared error of values
    (nan: not fitted); fitted: entries it was fitted from; curve: (D,) float32 >= 0, None or 0 where features stay as they are.
    """

    mean: np.ndarray
    projection: np.ndarray
    tau: float = IDENTITY_TAU
    k: int = IDENTITY_K
    score: float = float("nan")
    fitted: int = 0
    curve: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.curve is None:
            object.__setattr__(self, "curve", np.zeros(len(self.mean), np.float32))
        for name in ("mean", "projection", "curve"):
            array = np.ascontiguousarray(getattr(self, name), dtype=np.float32)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        if self.mean.ndim != 1 or self.projection.ndim != 2 or not len(self.mean) == len(self.projection) == len(self.curve):
            raise ShapeError("mean (D,), projection (D, D') and curve (D,)",
                             f"{self.mean.shape}, {self.projection.shape} and {self.curve.shape}", "fit the metric again")

    @property
    def features(self) -> int:
        return len(self.mean)

    @property
    def key_dim(self) -> int:
        """Length of a key, the lift included."""
        return self.projection.shape[1] + 1

    @cached_property
    def id(self) -> str:
        """12 hex digits of the content: two equal metrics have equal ids, so caches of keys can be named by it."""
        return hashlib.blake2b(self.to_bytes(), digest_size=6).hexdigest()

    def transform(self, features: torch.Tensor) -> torch.Tensor:
        """Map (n, D) float32 features to (n, D' + 1) float32 keys of unit length, on the device of `features`.

        Bit for bit a function of each row alone: all products have the same shape, the last block is padded.
        """
        if features.ndim != 2 or features.shape[1] != self.features:
            raise ShapeError(f"(n, {self.features}) features", f"shape {tuple(features.shape)}",
                             "use the encoder that the memory was made with")
        mean, curve = (torch.tensor(a, device=features.device) for a in (self.mean, self.curve))
        projection = torch.zeros((self.features, -(-self.projection.shape[1] // TILE) * TILE), device=features.device)
        projection[:, : self.projection.shape[1]] = torch.tensor(self.projection)
        keys = torch.ones((len(features), self.key_dim), dtype=torch.float32, device=features.device)
        block = torch.zeros((BLOCK, self.features), dtype=torch.float32, device=features.device)
        for start in range(0, len(features), BLOCK):
            rows = features[start : start + BLOCK]
            torch.sub(rows, mean, out=block[: len(rows)])
            bent = torch.mul(block, curve).square_().add_(1.0).sqrt_()
            product = torch.div(block, bent, out=bent) @ projection
            length = product.square().sum(dim=1, keepdim=True).add_(1.0).sqrt_()
            keys[start : start + BLOCK, :-1] = (product / length)[: len(rows), : self.key_dim - 1]
            keys[start : start + BLOCK, -1:] = length.reciprocal()[: len(rows)]
        return keys

    def to_bytes(self) -> bytes:
        """Return magic, header length, JSON header, then mean, projection and curve as little-endian float32."""
        header = json.dumps({"features": self.features, "outputs": self.projection.shape[1], "tau": self.tau,
                             "k": self.k, "score": None if np.isnan(self.score) else self.score,
                             "fitted": self.fitted}, sort_keys=True).encode()
        arrays = b"".join(a.astype("<f4").tobytes() for a in (self.mean, self.projection, self.curve))
        return MAGIC + struct.pack("<I", len(header)) + header + arrays

    @classmethod
    def from_bytes(cls, data: bytes) -> "Metric":
        """Read what `to_bytes` wrote. Raises FormatError on anything else; never runs what it reads."""
        try:
            (size,) = struct.unpack_from("<I", data, len(MAGIC))
            start = len(MAGIC) + 4 + size
            header = json.loads(data[len(MAGIC) + 4 : start])
            features, outputs, k, fitted = (int(header[name]) for name in ("features", "outputs", "k", "fitted"))
            tau, score = float(header["tau"]), float("nan" if header["score"] is None else header["score"])
        except (struct.error, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise _unreadable(f"a damaged header ({error})") from error
        if data[: len(MAGIC)] not in (MAGIC, STRAIGHT):
            raise _unreadable(f"{data[: len(MAGIC)]!r} at the start")
        if not (0 < features <= MAX_FEATURES and 0 < outputs <= MAX_FEATURES and k > 0 and fitted >= 0):
            raise _unreadable(f"{features} features, {outputs} outputs, k = {k}, fitted on {fitted}")
        expected = features * (outputs + 1 + (data[: len(MAGIC)] == MAGIC))
        if len(data) - start != 4 * expected:
            raise _unreadable(f"{len(data) - start} bytes of numbers instead of {4 * expected}")
        numbers = np.frombuffer(data, "<f4", offset=start)
        if not (np.isfinite(numbers).all() and np.isfinite(tau) and tau > 0):
            raise _unreadable("numbers that are not finite")
        mean, projection, curve = np.split(numbers, (features, features * (outputs + 1)))
        if (curve < 0).any():
            raise _unreadable("a negative curve")
        return cls(mean, projection.reshape(features, outputs), tau, k, score, fitted, curve if len(curve) else None)


def _unreadable(got: str) -> FormatError:
    return FormatError("a metric written by this program", got, "fit the metric again")
