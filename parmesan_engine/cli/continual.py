"""The verb that teaches methods one step after the other and says what each has kept."""

import argparse
import importlib
import inspect
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from parmesan_engine.cli.measuring import comma_list, natural, positive, some
from parmesan_engine.continual.procedural import MAKERS, procedural
from parmesan_engine.continual.protocol import EQUAL
from parmesan_engine.continual.run import run_seeds
from parmesan_engine.continual.steps import KINDS, Stream
from parmesan_engine.continual.streams import folder_steps
from parmesan_engine.encoders import ENCODERS
from parmesan_engine.errors import FormatError
from parmesan_engine.methods import METHODS
from parmesan_engine.methods.strategies import STRATEGIES

QUICK = (EQUAL, "knn", "random_forest", "nearest_class_mean", "hummingbird", "linear", "linear:strategy=replay")  # seconds a step
SIZE = 256  # pixels of the longest side: what a CPU learns a stream of in minutes
PATIENCE = 2.0  # minutes of a step for each network of pixels among `all`
COMMON, FOLDERS = ("samples", "tests", "per_class"), ("split", "eval_split", "size", "slices")
ONLY = {"group": "domain", "mix": "domain", "per_step": "class"}  # options of one kind of steps of folders
SHOWN = ("average", "average_std", "forgetting", "absorb_seconds", "absorb_seconds_with_encoding", "bytes", "query_ms")  # in a terminal


def options(command: argparse.ArgumentParser) -> None:
    """Add the options of `continual`. Those without a default are absent where not given."""
    add = command.add_argument
    add("data", nargs="*", type=Path, metavar="DATA", help="a dataset whose groups are the steps, or several that are a step each")
    add("--procedural", action="store_true", help="learn samples made from random numbers: needs no DATA")
    add("--dims", type=int, choices=sorted(MAKERS), default=argparse.SUPPRESS, help="with --procedural (default: 2)")
    add("--steps", choices=KINDS, default=KINDS[0], help="what is new in a step (default: %(default)s)")
    add("--group", metavar="REGEX", default=argparse.SUPPRESS, help="finds a sample's group in its name (default: up to _ or a digit)")
    add("--mix", type=float, metavar="SHARE", default=argparse.SUPPRESS, help="share of a step's samples that come from other steps")
    add("--per-step", type=positive, metavar="N", default=argparse.SUPPRESS, help="new classes a step (default: 2)")
    add("--slices", type=positive, metavar="N", default=argparse.SUPPRESS, help="cut each volume into N planes")
    add("--split", default=argparse.SUPPRESS, help="to learn from (default: train)")
    add("--eval-split", default=argparse.SUPPRESS, help="to score on (default: test)")
    add("--samples", type=some, metavar="N|all", default=argparse.SUPPRESS, help="to learn from in a step (default: 40)")
    add("--tests", type=some, metavar="N|all", default=argparse.SUPPRESS, help="to score a step on (default: 12)")
    add("--per-class", type=some, metavar="N|all", default=argparse.SUPPRESS, help="labelled pixels per class and sample (default: 30)")
    add("--size", type=some, metavar="N|all", default=argparse.SUPPRESS, help=f"pixels of the longest side at most (default: {SIZE})")
    add("--methods", default=",".join(QUICK), metavar="A,B,...|all",
        help=f"of {', '.join(METHODS.names())}, with keywords as linear:strategy=ewc; all: each, with each strategy, networks of "
             f"pixels for {PATIENCE:g} minutes a step (default: %(default)s)")
    add("--encoder", default="filter_bank", metavar="NAME[:KEYWORD=VALUE,...]", help="default: %(default)s")
    add("--seeds", default="0", metavar="A,B,...", help="one run each (default: %(default)s)")
    add("--budget", metavar=f"BYTES|{EQUAL}", help=f"that replay may keep; {EQUAL}: as many as it keeps itself")
    add("--unlearn", metavar="STEP", default="", help="name of a step that is forgotten in the end, by methods that can")
    add("--out", type=Path, metavar="FOLDER", help="keep records, and go on from those that are there")
    add("--report", type=Path, metavar="FILE.html", help="write figures, numbers and pictures")
    command.set_defaults(plain=in_words)


def run(asked: argparse.Namespace) -> dict[str, Any]:
    """Teach the methods the stream for each seed and return what each can do at the end."""
    if asked.report and not asked.report.parent.is_dir():
        raise FormatError("a folder that exists for --report", str(asked.report.parent), "make it, or give another: the run takes a while")
    methods = every_method() if asked.methods == "all" else METHODS.parse_several(asked.methods)
    seeds, make, start = comma_list(asked.seeds, "seeds", natural, "whole numbers from 0 on"), _maker(asked), time.perf_counter()
    try:
        outcome = run_seeds(make, methods, encoder=ENCODERS.parse(asked.encoder), seeds=seeds, budget=_budget(asked.budget),
                            unlearn=asked.unlearn, out=asked.out, progress=_progress(methods, len(seeds)))
    except KeyboardInterrupt:
        hint = f"the same command goes on from {asked.out}" if asked.out else "nothing was kept; with --out FOLDER it goes on from there"
        raise FormatError("a run to its end", "an interrupt", hint) from None
    if asked.report:
        importlib.import_module("parmesan_engine.continual.report").write_report(outcome, asked.report)  # plotly: for this alone
    return {"methods": outcome.summary(), "stream": outcome.stream, "run": outcome.run, "seconds": time.perf_counter() - start,
            "report": str(asked.report) if asked.report else None}


def in_words(result: dict[str, Any]) -> dict[str, Any]:
    """Return what fits a terminal: a row for each method, and the notes on the stream."""
    rows = [{"method": name} | {measure: row[measure] for measure in SHOWN} for name, row in result["methods"].items()]
    budget = result["run"]["budget"]
    words = {"budget": f"{budget['bytes']} {budget['meaning']}"} if budget["asked"] else {}
    return {"methods": rows, "steps": [step["name"] for step in result["stream"]["steps"]], "notes": " ".join(result["stream"]["notes"]),
            **words, **{name: result[name] for name in ("seconds", "report") if result[name]}}


def every_method() -> list[dict[str, Any]]:
    """Return recipes of all methods, of those with strategies one for each strategy."""
    found = []
    for name in sorted(METHODS.names(), key=lambda name: name != EQUAL):
        known = inspect.signature(METHODS.get(name)).parameters
        common = {"minutes": PATIENCE} if METHODS.get(name).raw and "minutes" in known else {}
        found += [{"name": name, "keywords": {**common, **more}}
                  for more in ([{"strategy": s} for s in STRATEGIES.names()] if "strategy" in known else [{}])]
    return found


def _maker(asked: argparse.Namespace) -> Callable[[int], Stream]:
    """Return what makes the stream of a seed. Raises FormatError for options that do not go together."""
    given = {name: value for name, value in vars(asked).items() if name in (*COMMON, *FOLDERS, *ONLY, "dims")}
    if asked.procedural == bool(asked.data):
        raise FormatError("DATA, or --procedural", "both" if asked.data else "neither", "give one of them")
    wrong = [name for name in given if ONLY.get(name, asked.steps) != asked.steps or (name == "dims") > asked.procedural
             or (name in (*FOLDERS, *ONLY) and asked.procedural)]
    if wrong:
        shown = ", ".join(f"--{name.replace('_', '-')}" for name in wrong)
        where = "--procedural" if asked.procedural else f"--steps {asked.steps} of datasets"
        raise FormatError(f"options of {where}", shown, "leave them out")
    if asked.procedural:
        dims = given.pop("dims", 2)
        return lambda seed: procedural(asked.steps, dims, seed=seed, **given)
    given.setdefault("size", SIZE)
    return lambda seed: folder_steps(asked.steps, asked.data, seed=seed, **given)


def _budget(text: str | None) -> int | str | None:
    if text is None or text == EQUAL:
        return text
    try:
        return positive(text)
    except argparse.ArgumentTypeError as error:
        raise FormatError(f"a number of bytes or {EQUAL} for --budget", repr(text), "correct it") from error


def _progress(methods: list[dict[str, Any]], seeds: int) -> Callable[[float, str], None] | None:
    """Return a callback that draws how far the run is and how long it may still take on a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        return None
    minutes = [METHODS.build(recipe).minutes for recipe in methods if METHODS.get(recipe["name"]).raw]
    if minutes:
        print(f"networks of pixels: at most {sum(minutes) * seeds:g} minutes for each step in all", file=sys.stderr)
    start = time.monotonic()

    def show(share: float, text: str) -> None:
        left = (time.monotonic() - start) * (1 / max(share, 1e-3) - 1) / 60
        print(f"\r{share:4.0%}  about {left:.0f} min left  {text[:60]:60}", end="\n" if share >= 1 else "", file=sys.stderr, flush=True)

    return show
