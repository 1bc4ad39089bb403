"""Means and standard deviations over seeds. Pure."""

from collections.abc import Iterable
from typing import Any

import numpy as np

SAME = ("data", "method", "encoder", "per_class", "share")  # what the runs have in common of which a mean is taken
MEASURED = ("miou", "rmse", "learn_seconds", "encode_seconds", "encode_seconds_per_sample", "predict_seconds_per_sample", "entries",
            "bytes", "bytes_per_entry")


def summary_of(results: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row for the runs that differ by their seed alone: the mean of each measure, and NAME_std of the score.

    >>> rows = summary_of([{"method": "knn", "seed": s, "miou": v} for s, v in ((0, 0.5), (1, 0.7))])
    >>> rows[0]["method"], rows[0]["seeds"], round(rows[0]["miou"], 3), round(rows[0]["miou_std"], 3)
    ('knn', 2, 0.6, 0.1)
    """
    groups: dict[tuple, list[dict[str, Any]]] = {}
    for row in results:
        groups.setdefault(tuple(row.get(name) for name in SAME), []).append(row)
    return [_row(dict(zip(SAME, same, strict=True)), rows) for same, rows in groups.items()]


def _row(same: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    row = {**same, "seeds": len(rows)}
    for name in MEASURED:
        if name in rows[0]:
            row[name] = float(np.mean([one[name] for one in rows]))
            if name in ("miou", "rmse"):
                row[f"{name}_std"] = float(np.std([one[name] for one in rows]))
    return row
