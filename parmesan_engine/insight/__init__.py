"""What a memory's answers rest on: why a pixel got its answer, what an example decides, what would change, where to label next.

Everything here reads a predictor and changes nothing. Knows no user interface and no files.
"""

from parmesan_engine.insight.audit import Audit, StrokeScore, audit
from parmesan_engine.insight.difference import Difference, difference
from parmesan_engine.insight.doubt import CONTRADICT, NEVER_SEEN, Suggestion, doubt, spread_out, suggest
from parmesan_engine.insight.imagine import imagine
from parmesan_engine.insight.reach import reach, without
from parmesan_engine.insight.why import Explanation, NeighborInfo, explain

__all__ = ["CONTRADICT", "NEVER_SEEN", "Audit", "Difference", "Explanation", "NeighborInfo", "StrokeScore", "Suggestion", "audit",
           "difference", "doubt", "explain", "imagine", "reach", "spread_out", "suggest", "without"]
