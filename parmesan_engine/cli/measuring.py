"""The verbs that measure: compare methods on equal labels, and bench this machine."""

import argparse
import importlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from parmesan_engine.cli.verbs import show_progress
from parmesan_engine.compare import compare as run_compare
from parmesan_engine.encoders import ENCODERS
from parmesan_engine.errors import FormatError
from parmesan_engine.methods import METHODS

USUAL = ("hierarchical", "knn", "parmesan", "random_forest")  # by default: the U-Net takes many minutes
BENCHES = ("search", "gpu", "edit", "encode", "pretraining", "memory", "app", "crash")
ONLY = {"data": "search", "features": "search", "chart": "search", "encoders": "encode", "large": "edit", "volume": "app"}  # of one alone

SHOWN = ("features", "n", "d", "k", "index", "ours_ms", "speedup_over_faiss_best", "recall", "least_recall")  # in a terminal


def positive(text: str) -> int:
    """Return a whole number from 1 on, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1 on is needed, not {text!r}")
    return int(text)


def compare_options(command: argparse.ArgumentParser) -> None:
    """Add the options of `compare`."""
    command.add_argument("data", type=Path, nargs="+", metavar="DATA")
    command.add_argument("--split", default="train", help="to learn from (default: %(default)s)")
    command.add_argument("--eval", type=Path, metavar="DATA2", help="dataset to score on (default: DATA)")
    command.add_argument("--eval-split", default="test", help="default: %(default)s")
    command.add_argument("--eval-samples", type=positive, metavar="N", help="default: all")
    command.add_argument("--samples", type=some, default=40, metavar="N|all", help="training samples (default: %(default)s)")
    command.add_argument("--per-class", default="30", metavar="N,...|all",
                         help="labelled pixels per class and sample, several to compare, or all that are labelled (default: %(default)s)")
    command.add_argument("--shares", default="1", metavar="A,B,...", help="of the labelled entries that are learned, as 0.01,0.1,1")
    command.add_argument("--methods", default=",".join(USUAL), metavar="A,B,...",
                         help=f"of {', '.join(METHODS.names())}, with keywords as unet:minutes=10 (default: %(default)s)")
    command.add_argument("--encoder", default="filter_bank", metavar="NAME[:KEYWORD=VALUE,...]", help="default: %(default)s")
    command.add_argument("--encoders", metavar="A,B,...", help=f"several side by side, of {', '.join(ENCODERS.names())}")
    command.add_argument("--seeds", default="0", metavar="A,B,...", help="one run each (default: %(default)s)")
    command.add_argument("--chart", type=Path, metavar="FILE.html", help="draw score against labelled pixels and against memory size")
    command.set_defaults(plain=compare_in_words)


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Learn equal labels by several methods from several encoders and score them on held-back samples, in one run."""
    if options.chart and not options.chart.parent.is_dir():
        raise FormatError("a folder that exists for --chart", str(options.chart.parent), "make it, or give another: the run takes a while")
    result = run_compare(
        options.data, options.eval, split=options.split, eval_split=options.eval_split, samples=options.samples,
        per_class=comma_list(options.per_class, "per-class", some, "whole numbers from 1 on, or all"), eval_samples=options.eval_samples,
        methods=METHODS.parse_several(options.methods), encoders=ENCODERS.parse_several(options.encoders or options.encoder),
        seeds=comma_list(options.seeds, "seeds", natural, "whole numbers from 0 on"),
        shares=comma_list(options.shares, "shares", share, "shares above 0, at most 1"), progress=show_progress("comparing"))
    if options.chart:
        importlib.import_module("parmesan_engine.compare.chart").write_chart(result["summary"], options.chart)  # plotly: for this alone
        result["chart"] = str(options.chart)
    return result


def compare_in_words(result: dict[str, Any]) -> dict[str, Any]:
    """Return the means over seeds alone: what fits a terminal."""
    return {name: value for name, value in result.items() if name != "results"}


def some(text: str) -> int | None:
    """Return a whole number from 1 on, or None for "all", for argparse."""
    return None if text.strip() == "all" else positive(text.strip())


def natural(text: str) -> int:
    """Return a whole number from 0 on. Raises ValueError."""
    if int(text) < 0:
        raise ValueError(text)
    return int(text)


def share(text: str) -> float:
    """Return a share above 0, at most 1. Raises ValueError."""
    if not 0 < float(text) <= 1:
        raise ValueError(text)
    return float(text)


def comma_list(text: str, name: str, kind: Callable[[str], Any], words: str) -> list[Any]:
    """Return the values of a list with commas. words: what they are. Raises FormatError."""
    try:
        return [kind(part) for part in text.split(",")]
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise FormatError(f"{words}, with commas, for --{name}", repr(text), f"correct --{name}, see --help") from error


def bench_options(command: argparse.ArgumentParser) -> None:
    """Add the options of `bench`."""
    command.add_argument("what", choices=BENCHES)
    command.add_argument("data", nargs="*", type=Path, metavar="DATA",
                         help="bench search: datasets, or folders of datasets (default: ../shared/data, else generated pictures)")
    command.add_argument("--quick", action="store_true", help="small sizes: a minute or two instead of many")
    command.add_argument("--features", metavar="A,B,...", help="bench search: encoders, or learned (default: filter_bank,learned)")
    command.add_argument("--encoders", metavar="A,B,...", help="bench encode: of these (default: all that need no files of others)")
    command.add_argument("--chart", type=Path, metavar="FILE.html", help="bench search: draw time against size")
    command.set_defaults(plain=bench_in_words)
    command.add_argument("--large", action="store_true", help="bench edit: ten million entries too, keys of 8 bits; minutes")
    command.add_argument("--volume", action="store_true", help="bench app: a volume of 512x512x256, and the memory that it takes")


def bench(options: argparse.Namespace) -> dict[str, Any]:
    """Run one benchmark of `parmesan_engine.bench` and return its cases."""
    given = {name: value for name in ONLY if (value := getattr(options, name))}
    for name in given:
        if ONLY[name] != options.what:
            shown = "DATA" if name == "data" else f"--{name}"
            raise FormatError(f"{shown} with bench {ONLY[name]}", f"bench {options.what}", "leave it out")
    if "encoders" in given:
        given["encoders"] = ENCODERS.parse_several(options.encoders)
    if "features" in given:
        given["features"] = tuple(part.strip() for part in options.features.split(","))
    module = "volume" if given.pop("volume", False) else options.what
    logging.getLogger("parmesan_engine.bench").setLevel(logging.INFO)  # it takes minutes: say what is going on
    return importlib.import_module(f"parmesan_engine.bench.{module}").run(options.quick, **given)


def bench_in_words(result: dict[str, Any]) -> dict[str, Any]:
    """Return the result with tables as wide as a terminal: of the cases of `bench search` the columns that matter most."""
    if not any("faiss_best_ms" in case for case in result.get("cases", ())):
        return result
    named = [case | {"index": f"{case['index']} {case['variant']}".strip()} for case in result["cases"]]
    return result | {"cases": [{name: case[name] for name in SHOWN} for case in named]}
