"""How time grows with the size of the memory: the exponent of a power law, fitted on a log-log chart."""

from typing import Any

import numpy as np

SAME = ("features", "index", "variant", "d", "k")


def growth(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return {features, index, variant, d, k, n[], ms_per_query[], exponent} for all cases that differ only in size."""
    lines: dict[tuple, list[dict[str, Any]]] = {}
    for case in cases:
        lines.setdefault(tuple(case[name] for name in SAME), []).append(case)
    found = []
    for key, members in lines.items():
        members = sorted(members, key=lambda case: case["n"])
        n, ms = [case["n"] for case in members], [case["ours_ms"] / case["q"] for case in members]
        exponent = float(np.polyfit(np.log(n), np.log(ms), 1)[0]) if len(set(n)) > 1 else None
        found.append({**dict(zip(SAME, key, strict=True)), "n": n, "ms_per_query": ms, "exponent": exponent})
    return found
