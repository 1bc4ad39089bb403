"""How a project searches its memory: exactly, until the person chooses otherwise; kept in its description.

An approximate index is made beside the work (`Upkeep`), on the machine that uses it; until it is made, the search is exact.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from parmesan_engine.errors import EmptyMemoryError, FormatError, LimitError
from parmesan_engine.predictor import EXACT
from parmesan_engine.project.description import update_description
from parmesan_engine.search import INDEXES
from parmesan_engine.search.codes import dtype_of
from parmesan_engine.search.tuning import choose as choose_for


def choose(project, name: str = "", *, recall: float | None = None, budget: float | None = None) -> dict[str, Any]:
    """Change how a project searches, and return its `state`. Held samples are searched again when they are looked at.

    name: of an index; empty: chosen by size, recall and budget, or as it is when it is approximate and no budget is given.
    recall: share of the nearest examples that an approximate index is to find; budget: bytes for the index. Raises
    UnknownNameError, LimitError, FormatError, EmptyMemoryError (to choose by size).
    """
    with project.lock:
        wish = {} if recall is None else {"least_recall": recall}
        if not name and budget is None and _chosen(project)["name"] == "approximate":
            name = "approximate"
        if recall is not None:
            _check_recall(recall, name or (_chosen(project)["name"] if budget is None else "approximate"))
        if name:
            recipe = {"name": name, "keywords": wish}
        elif not len(project):
            raise EmptyMemoryError("a project with examples, to choose by their number", "none", "name an index, or label first")
        else:
            channels = project.live.predictor().metric.key_dim
            recipe = choose_for(len(project), channels, budget=budget, **({} if recall is None else {"recall": recall}))
        INDEXES.build({"name": recipe["name"], "keywords": {"channels": 1, **recipe["keywords"]}})  # raises where it will not do
        project._description = update_description(project.path, search=recipe)
        if project.live:
            project.live.search_by(recipe)
        return state(project)


def build(project, progress: Callable[[float], None] | None = None) -> None:
    """Make an approximate index now, where one is chosen and worth it, and wait for it; not under the project's lock.

    progress may raise to stop it. Raises MemoryError or RuntimeError where there is no room for it.
    """
    with project.lock:
        if not len(project):
            return
        live = project.live
        live.predictor()
    project._upkeep.make_index(live, progress)


def state(project) -> dict[str, Any]:
    """Return {index, keywords, entries, exact, recall, agreement, apart, bytes_per_entry, note, due}: what is chosen, in use and measured.

    recall, agreement: measured of an approximate index in use, None else; apart: whether on samples that were left out.
    """
    with project.lock:
        recipe = _chosen(project)
        shown = {"index": recipe["name"], "keywords": recipe.get("keywords", {}), "entries": len(project)}
        none = {"recall": None, "agreement": None, "apart": None}
        if not len(project):
            return {**shown, "exact": True, **none, "bytes_per_entry": None, "note": "", "due": False}
        predictor = project.live.predictor()
        index = predictor.index
        tuning = getattr(index, "tuning", None)
        measured = {name: getattr(tuning, name) for name in none} if tuning else none
        return {**shown, "exact": index.exact, **measured, "bytes_per_entry": index.bytes_per_entry, "note": index.note,
                "due": project._upkeep.index_due(project.live)}


def named(project) -> str:
    """Return the chosen index in words: "exact", "exact in 8 bits"."""
    recipe = _chosen(project)
    form = recipe.get("keywords", {}).get("key_format", "float32")
    return recipe["name"] + ("" if form == "float32" else f" in {8 * dtype_of(form).itemsize} bits")


def mark(project) -> str:
    """Return a word for how a project searches now: what was found in one way is not to be shown for another."""
    recipe = _chosen(project)
    return hashlib.blake2b(json.dumps([recipe["name"], recipe.get("keywords", {})]).encode(), digest_size=4).hexdigest()


def _check_recall(recall: float, name: str) -> None:
    """Raise LimitError for a share that is none, FormatError for one asked of an index that has no such setting."""
    if not 0 < recall <= 1:
        raise LimitError("a recall above 0, at most 1", f"{recall:g}", "0.98 is a good start")
    if name != "approximate":
        raise FormatError("a recall with approximate search", f"{recall:g} with {name} search",
                          "recall applies to approximate search; add --index approximate, or leave out the recall")


def _chosen(project) -> dict[str, Any]:
    return project._description.get("search", EXACT)
