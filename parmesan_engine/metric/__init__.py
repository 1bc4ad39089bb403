"""The metric: which features count, learned by the memory from itself. A frozen pure function of the set of its entries."""

from parmesan_engine.metric.fitting import fit
from parmesan_engine.metric.frozen import Metric

__all__ = ["Metric", "fit"]
