"""Take examples back by source, sample, author, time or gesture, exactly: what they had displaced comes back.

A stroke that painted over older examples removed them. When the stroke is forgotten they return, so that the memory is what
it would be if the stroke had never been made. `purge` then erases what was forgotten from history and files as well.
"""

import time
from dataclasses import asdict

import numpy as np

from parmesan_engine.errors import FormatError, UnknownNameError
from parmesan_engine.memory import Memory
from parmesan_engine.types import MemoryDelta


def forget(memory: Memory, *, source: str | None, sample: str | None, author: str | None, before: float | None,
           gesture: str | None, ids: np.ndarray | None, purge: bool, by: str) -> tuple[dict, MemoryDelta, list[str]]:
    """Remove (or purge) the examples that meet all given conditions, as one version; return (receipt, change, purged samples).

    Raises FormatError when no condition is given, UnknownNameError when nothing meets them.
    """
    conditions = {"source": source, "sample": sample, "author": author, "before": before, "gesture": gesture}
    given = {name: value for name, value in conditions.items() if value is not None}
    if not given and ids is None:
        raise FormatError("a source, sample, author, time, gesture or ids to forget", "nothing", "say what to forget")
    chosen = memory.select(**given, removed=purge) if given else np.unique(np.asarray(ids, np.int64))
    if given and ids is not None:
        chosen = np.intersect1d(chosen, ids)
    if len(chosen) == 0:
        wanted = ", ".join(f"{name} {value}" for name, value in given.items()) or "these ids"
        raise UnknownNameError("examples to forget", f"none with {wanted}", "look at what there is: names and ids must be exact")
    returning = memory.displaced_by(chosen)
    stored = chosen[memory.is_stored(chosen)]
    receipt = {"entries_removed": len(stored), "entries_returned": len(returning), "purged": purge, "time": time.time(), "author": by}
    if not purge:
        delta = memory.remove(stored, revive=returning, author=by)
        return {"version": delta.after, **receipt}, delta, []
    reason = " ".join(f"{name}={value}" for name, value in given.items()) or "ids"
    samples = memory.samples_of(chosen)
    delta, proof = memory.unlearn(chosen, reason, revive=returning, author=by)
    return {"version": delta.after, **receipt, **asdict(proof)}, delta, samples
