"""Search by itself, on keys of real pictures: every index against Faiss as installed, Faiss at its best, and the matrix product.

All figures of a case come from one run, one after the other, never two thread pools at once; times are the best of some
repeats. Whether an exact index is exact is checked against brute force in float64, for some of the queries of every case.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from parmesan_engine.bench.alone import best_ms
from parmesan_engine.bench.apart import apart
from parmesan_engine.bench.brute_force import Truth, brute_force, recall
from parmesan_engine.bench.features import LEARNED, Keys, Maker
from parmesan_engine.bench.growth import growth
from parmesan_engine.bench.pictures import open_pictures
from parmesan_engine.bench.rivals import faiss_best_ms, product
from parmesan_engine.bench.room import free_bytes
from parmesan_engine.encoders import ENCODERS
from parmesan_engine.errors import FormatError
from parmesan_engine.metric import Metric
from parmesan_engine.search import INDEXES, kernel
from parmesan_engine.transduction import transfer, votes
from parmesan_engine.types import Neighbors

log = logging.getLogger(__name__)
RUNS = 64  # of entries in a row, as good as pictures: what is tuned is measured on some that are left out
CHECKED = 64  # queries of a case that are compared with brute force
COPIES = 5  # of the float32 keys at most at a time, here and in the other process
EXACT = ("exact", {})
VARIANTS = {"approximate": ({}, {"least_agreement": 0.99}, {"least_recall": 0.999})}  # besides as it is by default: what it is tuned to
EIGHT_BIT = ("exact", {"key_format": "int8"})
ONE_WIDTH = 64  # at which there are variants, and 8-bit keys


@dataclass(frozen=True)
class Plan:
    """What is measured: sizes of the memory, widths of keys, queries (fewer from `many` values on), neighbours per kind of features.

    eight_bit: size of one more memory, of the first kind of features at ONE_WIDTH with keys of 8 bits; 0 for none.
    """

    sizes: tuple[int, ...]
    widths: tuple[int, ...] = (64,)
    queries: int = 4096
    many: tuple[int, int] = (200_000_000, 1024)
    neighbours: tuple[tuple[int, ...], ...] = ((8,), (8,))
    eight_bit: int = 0
    variants: bool = False


FULL = Plan((10_000, 100_000, 1_000_000), (32, 64, 384), neighbours=((8, 32), (8,)), eight_bit=10_000_000, variants=True)
QUICK = Plan((10_000, 100_000), queries=1024)


def run(quick: bool, *, data: Sequence[Path] = (), features: Sequence[str] = ("filter_bank", LEARNED), chart: Path | None = None,
        plan: Plan | None = None, seed: int = 0) -> dict[str, Any]:
    """Return {"cases": [{n, d, q, k, index, ours_ms, ...}], "growth", "data", "features", "skipped", "threads", "kernel", "seconds"}.

    data: dataset folders (see `pictures`); features: names of encoders, or "learned"; chart: an HTML file to write.
    Raises FormatError for data or a place of the chart that will not do, UnknownNameError, EmptyMemoryError; all before it measures.
    """
    start, plan = time.perf_counter(), plan or (QUICK if quick else FULL)
    for name in set(features) - {LEARNED}:
        ENCODERS.get(name)
    if chart and not chart.absolute().parent.is_dir():
        raise FormatError("a file in a folder that exists, for the chart", str(chart), "make the folder, or correct --chart")
    pictures = open_pictures(data, seed=seed)
    result: dict[str, Any] = {"cases": [], "growth": [], "data": list(pictures.names), "features": {}, "skipped": [],
                              "threads": torch.get_num_threads(), "kernel": kernel.load() is not None}
    for name, neighbours in zip(features, plan.neighbours + plan.neighbours[-1:] * len(features), strict=False):
        log.info("keys of %s", name)
        maker = Maker(name, pictures, plan.widths, seed=seed)
        queries = maker.queries(plan.queries)
        result["features"][name] = {str(width): how for width, how in maker.how.items()}
        entries = maker.entries(plan.sizes[-1], plan.widths)
        for width in plan.widths:
            for size in plan.sizes:
                if _fits(result, size, width, len(entries.labels)):
                    result["cases"] += _measure(maker, _thinned(entries, width, size), queries, plan, neighbours)
        del entries
        if name == features[0] and plan.eight_bit and _fits(result, plan.eight_bit, ONE_WIDTH):
            entries = maker.entries(plan.eight_bit, (ONE_WIDTH,), coarse=False)
            result["cases"] += _measure(maker, entries, queries, plan, neighbours[:1], (EIGHT_BIT,))
            del entries
    result["growth"] = growth(result["cases"])
    if chart:
        from parmesan_engine.bench.chart import write_chart  # plotly is loaded for this alone

        write_chart(result["cases"], chart)
        result["chart"] = str(chart)
    return {**result, "seconds": time.perf_counter() - start}


def _measure(maker: Maker, entries: Keys, queries: Keys, plan: Plan, neighbours: tuple[int, ...],
             recipes: Sequence[tuple[str, dict]] = ()) -> list[dict[str, Any]]:
    """Return one case for each index (all that are registered, the exact one first) and number of neighbours."""
    (width, keys), = entries.keys.items()
    asked = queries.keys[width][: plan.many[1] if keys.numel() > plan.many[0] else None]
    variants = VARIANTS if plan.variants and width == ONE_WIDTH else {}
    others = [name for name in INDEXES.names() if name != EXACT[0]]
    recipes = recipes or [EXACT, *((name, keywords) for name in others for keywords in variants.get(name, ({},)))]
    log.info("%d keys of %d values", *keys.shape)
    truth = brute_force(asked[:CHECKED], keys, max(neighbours))
    right = {k: Neighbors(truth.distances[:, :k].float(), truth.ids[:, :k]) for k in neighbours}
    cases = []
    with apart(keys.numpy(), asked.numpy()) as files:
        common = {"features": maker.name, "n": len(keys), "d": width, "q": len(asked), **product(files, keys, asked)}
        rivals = {k: {"faiss_flat_ms": files.faiss(k)["ms"], "faiss_best_ms": faiss_best_ms(keys, asked, k)} for k in neighbours}
    for name, keywords in recipes:
        index, seconds = _built(name, keywords, entries, width)
        given = {"coarse": queries.coarse_keys(width, slice(len(asked)))} if index.takes_coarse else {}
        for k in neighbours:
            ours_ms = best_ms(lambda i=index, k=k, given=given: i.search(asked, k, **given))
            found = index.search(asked, k, **given)
            case = {**common, **rivals[k], "k": k, "index": name, "variant": ", ".join(f"{key} {value}" for key, value in keywords.items()),
                    "ours_ms": ours_ms, **_against(ours_ms, common["gemm_ms"], **rivals[k]), "bytes_per_entry": index.bytes_per_entry,
                    "build_s": seconds, "exact": index.exact,
                    "least_recall": _least_recall(index), **_agreement(found, right[k], entries.labels, maker.metrics[width])}
            if index.exact:
                case |= _verified(index, truth, asked[:CHECKED], keys, found.ids[:CHECKED])
            if (name, keywords) == EXACT:
                right[k] = found
            cases.append(case)
            log.info("%d keys, k %d: %.0f ms, recall %.4f, by %s %s", len(keys), k, ours_ms, case["recall"], name, case["variant"])
    return cases


def _built(name: str, keywords: dict[str, Any], entries: Keys, width: int) -> tuple[Any, float]:
    """Return an index of all keys, whose ids and ties are their rows, tuned if it can be; and the seconds that it took."""
    keys, classes = entries.keys[width], torch.eye(int(entries.labels.max()) + 1)
    start = time.perf_counter()
    index = INDEXES.build({"name": name, "keywords": {"channels": width, **keywords}})
    given = {"coarse": entries.coarse_keys(width)} if index.takes_coarse else {}
    index.add(torch.arange(len(keys)), keys, torch.arange(len(keys)), **given)
    if getattr(index, "stale", False):  # adding is quick: cells are made beside the work, here at once
        index = index.rebuilt(labels=lambda ids: classes[entries.labels[ids]])
    return index, time.perf_counter() - start


def _least_recall(index: Any) -> float | None:
    """Return the recall that an approximate index was tuned to; None where it is exact, or was tuned to something else."""
    return None if index.exact or getattr(index, "least_agreement", None) else getattr(index, "least_recall", None)


def _against(ours_ms: float, gemm_ms: float, *, faiss_flat_ms: float, faiss_best_ms: float) -> dict[str, float]:
    return {"speedup_over_faiss": faiss_flat_ms / ours_ms, "speedup_over_faiss_best": faiss_best_ms / ours_ms,
            "fraction_of_gemm": gemm_ms / ours_ms}


def _agreement(found: Neighbors, right: Neighbors, labels: torch.Tensor, metric: Metric) -> dict[str, float]:
    """Return how well neighbours, and the classes that they vote for, agree with the right ones of the first queries."""
    rows = len(right.ids)
    found = Neighbors(found.distances[:rows], found.ids[:rows])
    answers = []
    for neighbors in (found, right):
        table = torch.eye(int(labels.max()) + 1)[labels]
        answers.append(transfer(neighbors, votes(neighbors, torch.ones(len(labels)), metric.tau), table).argmax(1))
    return {"recall": recall(found.ids, right.ids), "label_agreement": float((answers[0] == answers[1]).float().mean()),
            "compared_queries": rows}


def _verified(index: Any, truth: Truth, queries: torch.Tensor, keys: torch.Tensor, ids: torch.Tensor) -> dict[str, Any]:
    """Return whether the ids equal those of brute force over the keys as the index keeps them, ties by id, and the float64 excess."""
    k, kept = ids.shape[1], index.lookup(torch.arange(len(keys)))[0]
    if not torch.equal(kept, keys):
        truth = brute_force(queries, kept, k)
    truth = Truth(truth.ids[:, :k], truth.distances[:, :k])
    return {"ids_identical": bool(torch.equal(ids, truth.ids)), "distance_excess": truth.excess(queries, kept, ids),
            "checked_queries": len(queries)}


def _thinned(entries: Keys, width: int, size: int) -> Keys:
    """Return so many of the entries, evenly spread over the pictures, at one width."""
    rows = slice(0, len(entries.labels) // size * size, len(entries.labels) // size)
    return Keys({width: entries.keys[width][rows].contiguous()}, entries.labels[rows], entries.coarse, entries.parents[rows])


def _fits(result: dict[str, Any], size: int, width: int, entries: int | None = None) -> bool:
    """Return whether there are entries and memory for a case; else say so in the result."""
    needed, free = COPIES * 4 * size * width, free_bytes()
    why = ""
    if entries is not None and entries < size:
        why = f"the pictures have {entries:,} labelled nodes"
    elif needed > free:
        why = f"needs {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} are free"
    if why:
        result["skipped"].append({"n": size, "d": width, "why": why})
    return not why
