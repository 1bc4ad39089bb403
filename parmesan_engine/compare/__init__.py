"""Several ways to learn the same labels from the same features, scored on the same held-back samples, in one run."""

from parmesan_engine.compare.heads import HEADS
from parmesan_engine.compare.run import compare

__all__ = ["HEADS", "compare"]
