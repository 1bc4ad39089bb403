"""Several ways to learn the same labels, from several encoders' features, scored on the same held-back samples, in one run."""

from parmesan_engine.compare.heads import HEADS
from parmesan_engine.compare.run import compare
from parmesan_engine.compare.unet_head import UNetHead

__all__ = ["HEADS", "UNetHead", "compare"]
