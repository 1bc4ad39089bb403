"""A stream for each of several seeds, and a folder from which an interrupted run goes on."""

import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from parmesan_engine.continual.describing import digest
from parmesan_engine.continual.outcome import Outcome, StepRecord, plain, record_of
from parmesan_engine.continual.progress import Progress, part
from parmesan_engine.continual.protocol import Recipe, run_stream
from parmesan_engine.continual.steps import Stream
from parmesan_engine.encoders import ENCODERS
from parmesan_engine.errors import FormatError


def run_seeds(make: Callable[[int], Stream], methods: Sequence[str | Recipe], *, encoder: str | Recipe = "filter_bank",
              seeds: Sequence[int] = (0,), budget: int | str | None = None, unlearn: str | int = "", out: Path | None = None,
              progress: Progress = None, watch: Callable[[StepRecord], None] | None = None) -> Outcome:
    """Run the stream that `make(seed)` gives for each seed and return all together; see `run_stream` for the rest.

    unlearn: name of a step, or its number from 0. out: folder for the records, made where there is none; each is written as soon as it is
    known, and a method that is through there for a seed is not taught again. Raises FormatError when the folder is of another run.
    """
    joined = None
    for number, seed in enumerate(dict.fromkeys(seeds)):
        stream = make(seed)
        name = stream.steps[unlearn].experience.name if isinstance(unlearn, int) else unlearn
        ledger = Ledger(out / f"seed-{seed}.jsonl", _about(stream, encoder, budget, name)) if out else None
        told = part(progress, number / len(set(seeds)), (number + 1) / len(set(seeds)))
        one = run_stream(stream, methods, encoder=encoder, seed=seed, budget=budget, unlearn=name, progress=told,
                         watch=_each(filter(None, (ledger and ledger.write, watch))), known=ledger.records if ledger else ())
        joined = joined.joined(one) if joined else one
    return joined


class Ledger:
    """A file of records, one a line, after a line that says what they belong to. A last line that was not written whole does not count."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self._path, self.records = path, []
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True) if path.exists() else []
        whole = [line for line in lines if line.endswith("\n")]
        if not whole:
            path.write_text(json.dumps(about) + "\n", encoding="utf-8")
            return
        for number, line in enumerate(whole, 1):
            try:
                if number == 1:
                    known = json.loads(line)
                else:
                    self.records.append(record_of(json.loads(line)))
            except (ValueError, TypeError, KeyError, zlib.error) as error:
                raise FormatError(f"a record in line {number} of {path}", "something else", "cut the file before that line to go on "
                                  "from there, or give another folder") from error
        if known != about:
            differ = ", ".join(name for name in about if not isinstance(known, dict) or known.get(name) != about[name])
            raise FormatError(f"a folder of the same run; {path.name} has another {differ}", str(path.parent), "give another folder")
        if len(whole) < len(lines):
            path.write_text("".join(whole), encoding="utf-8")

    def write(self, record: StepRecord) -> None:
        """Write one more record."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(plain(record), allow_nan=False) + "\n")


def _about(stream: Stream, encoder: str | Recipe, budget: int | str | None, unlearn: str) -> dict[str, Any]:
    """Return what records must have in common to stand side by side. The method and seed of a record stand in it."""
    recipe = ENCODERS.parse(encoder) if isinstance(encoder, str) else encoder
    return {"stream": digest(stream), "encoder": ENCODERS.text(recipe), "budget": budget, "unlearn": unlearn}


def _each(listeners: Iterable[Callable[[StepRecord], None]]) -> Callable[[StepRecord], None]:
    listeners = list(listeners)

    def tell(record: StepRecord) -> None:
        for listener in listeners:
            listener(record)

    return tell
