"""Find the nearest entries of many queries: exact, approximate, live (kept up to date) and hierarchical. Knows nothing about labels.

Keys and queries are rows of unit length; the order is (cosine distance, tie), both ascending, so that results never depend
on the order in which entries were added.
"""

from parmesan_engine.registry import Registry
from parmesan_engine.search.approximate import ApproximateIndex
from parmesan_engine.search.exact import ExactIndex
from parmesan_engine.search.hierarchical import HierarchicalIndex
from parmesan_engine.search.live import LiveSearch

INDEXES = Registry("index")
INDEXES.register("exact")(ExactIndex)
INDEXES.register("approximate")(ApproximateIndex)
INDEXES.register("hierarchical")(HierarchicalIndex)

__all__ = ["INDEXES", "ApproximateIndex", "ExactIndex", "HierarchicalIndex", "LiveSearch"]
