"""Several ways to learn the same labels, from several encoders' features, scored on the same held-back samples, in one run."""

from parmesan_engine.compare.run import compare

__all__ = ["compare"]
