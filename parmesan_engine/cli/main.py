"""Parse, call, print. Errors of the user: one line on stderr and exit status 2; errors of ours: one line and 1."""

import argparse
import json
import logging
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from parmesan_engine import __version__
from parmesan_engine.cli import asking, continual, importing, keeping, measuring, memories, pretraining, results, verbs
from parmesan_engine.cli.measuring import positive
from parmesan_engine.device import device_of
from parmesan_engine.errors import FormatError, ParmesanError
from parmesan_engine.io import FORMATS
from parmesan_engine.memory.keyfile import KEY_FORMATS

log = logging.getLogger("parmesan_engine")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    verbose = "--verbose" in (sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s %(message)s")
    try:
        options = parser().parse_args(arguments)
        device_of(options.device)  # raises before anything is read or made
        result = options.run(options)
    except (ParmesanError, OSError) as error:  # OSError: a folder that cannot be written, a full disk
        print(f"error: {_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("error: cancelled; nothing was stored", file=sys.stderr)
        return 2
    except Exception as error:  # the border of the command line: one line for the user, the trace in the log
        log.debug("internal error", exc_info=True)
        print(f"error: internal: {type(error).__name__}: {_line(error)}; please report this (--verbose shows more)", file=sys.stderr)
        if verbose:
            log.exception("trace")
        return 1
    failed = bool(result.pop("failed", False))
    if options.json:
        print(json.dumps(clean(result), allow_nan=False))
    else:
        print("\n".join(_readable(options.plain(result) if "plain" in options else result)))
    return 1 if failed else 0


class Parser(argparse.ArgumentParser):
    """A parser whose errors are ours: one line, exit status 2."""

    def error(self, message: str) -> NoReturn:
        raise FormatError("arguments that this command takes", message, f"see {self.prog} --help")


def parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs."""
    root = Parser(prog="python -m parmesan_engine", description="Learn by remembering: PARMESAN's engine.")
    root.add_argument("--version", action="version", version=__version__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    common.add_argument("--verbose", action="store_true", help="say more while working")
    common.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    common.add_argument("--by", default="local", metavar="NAME", help="your name, written beside changes (default: %(default)s)")
    sub = root.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, run, text: str, project: bool = True) -> argparse.ArgumentParser:
        command = sub.add_parser(name, help=text, description=text, parents=[common])
        command.set_defaults(run=run)
        if project:
            command.add_argument("project", type=Path, metavar="PROJECT", help="project folder")
        return command

    command = verb("learn", verbs.learn, "learn labelled pixels of a dataset; makes the project if there is none")
    _data(command, "train")
    command.add_argument("--per-class", type=positive, default=30, metavar="N", help="labelled pixels per class and sample")
    command.add_argument("--source", help="name under which it can be forgotten (default: the dataset's)")
    command.add_argument("--encoder", metavar="NAME[:KEYWORD=VALUE,...]",
                         help="of a new project, as backbone:model=FOLDER (default: filter_bank)")
    command.add_argument("--novelty", type=float, metavar="D", help="new project: drop examples nearer than D that agree")
    command.add_argument("--keys", choices=KEY_FORMATS, help="new project: float16 stores features in half the bytes")
    importing.import_options(verb("import", importing.import_files, "store files as samples, with their labels if there are any"))
    command = verb("predict", verbs.predict, "predict files and write the results")
    command.add_argument("inputs", nargs="+", type=Path, metavar="INPUT")
    command.add_argument("--out", type=Path, required=True, metavar="DIR")
    command.add_argument("--probabilities", action="store_true", help="write class probabilities too")
    command.add_argument("--format", choices=sorted(FORMATS), help="default: png, nifti for volumes, npy for signals")
    results.export_options(verb("export", results.export, "write labels, outlines and tables of the samples, as a folder or a zip"))
    _data(verb("evaluate", verbs.evaluate, "score the project on a labelled dataset"), "test")
    command = verb("explain", verbs.explain, "show which examples decide one pixel")
    command.add_argument("input", type=Path, metavar="INPUT")
    command.add_argument("--at", required=True, metavar="Z,Y,X", help="pixel, rows before columns: T, Y,X or Z,Y,X")
    command.add_argument("--top", type=positive, default=8, metavar="N")
    asking.add(verb)
    command = verb("forget", verbs.forget, "unlearn examples for good, from history and files too; prints the receipt")
    for name, text in (("source", "NAME"), ("sample", "ID"), ("gesture", "ID"), ("author", "A"), ("before", "TIME")):
        command.add_argument(f"--{name}", metavar=text, help="several conditions must all be met")
    verb("history", verbs.history, "list the versions")
    verb("undo", verbs.undo, "take back the newest change")
    verb("redo", verbs.redo, "do again what was undone last")
    verb("restore", verbs.restore, "make a new version with the content of an old one").add_argument("version")
    memories.options(verb)
    verb("verify", verbs.verify, "check files, digests and history against each other")
    keeping.options(verb)
    command = verb("compare", measuring.compare, "learn equal labels by several methods and score them", project=False)
    measuring.compare_options(command)
    command = verb("continual", continual.run, "learn one step after the other by several methods and score what each keeps", project=False)
    continual.options(command)
    pretraining.pretrain_options(verb("pretrain", pretraining.pretrain, "train an encoder without labels", project=False))
    command = verb("bench", measuring.bench, "measure this machine", project=False)
    measuring.bench_options(command)
    return root


def clean(value: Any) -> Any:
    """Return a value that strict JSON can hold: NaN and infinity become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(k): clean(v) for k, v in value.items()}
    return [clean(v) for v in value] if isinstance(value, list | tuple) else value


def _data(command: argparse.ArgumentParser, split: str) -> None:
    command.add_argument("data", type=Path, metavar="DATA", help="folder with dataset.json and SPLIT/images, SPLIT/labels")
    command.add_argument("--split", default=split, help="default: %(default)s")
    command.add_argument("--samples", type=positive, metavar="N", help="default: all")
    command.add_argument("--seed", type=int, default=0, help="of the choice (default: %(default)s)")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _readable(result: dict[str, Any]) -> list[str]:
    """Return the result as lines for people: a table for a list of records, `name: value` for the rest."""
    lines = []
    for name, value in clean(result).items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            heads = list(dict.fromkeys(key for row in value for key in row))
            rows = [heads] + [[_named(head, row.get(head)) for head in heads] for row in value]
            widths = [max(len(row[i]) for row in rows) for i in range(len(heads))]
            lines += [f"{name}:"] + ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        else:
            lines.append(f"{name}: {_named(name, value)}")
    return lines


def _named(name: str, value: Any) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(value)) if name in ("time", "last") and value else _cell(value)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_named(k, v)}" for k, v in value.items())
    if isinstance(value, list):
        return ", ".join(map(_cell, value)) or "none"
    return f"{value:.4g}" if isinstance(value, float) and abs(value) < 1e6 else "" if value is None else str(value)

