"""What was asked of the Continual page, and what has come of it so far. No Streamlit in here."""

import inspect
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from threading import Lock

from parmesan_engine.continual.describing import describe, strip_of
from parmesan_engine.continual.outcome import Outcome, StepRecord
from parmesan_engine.continual.procedural import NAMES, procedural
from parmesan_engine.continual.protocol import EQUAL, run_stream
from parmesan_engine.continual.steps import Stream
from parmesan_engine.continual.streams import folder_steps
from parmesan_engine.jobs import Job
from parmesan_engine.methods import METHODS
from parmesan_engine.methods.strategies import STRATEGIES

KEPT = 32  # runs that are remembered, one for each browser: of a class of students, too
OURS = (EQUAL, f"{EQUAL}:refit=false")
FAST = (*OURS, "knn", "nearest_class_mean", "hummingbird", "linear", "linear:strategy=replay")
PATIENCE = 2  # minutes that a network of pixels is trained for a step when it is chosen from the list


@dataclass(frozen=True)
class Wanted:
    """What is to be learned, and how. folders: none for data made here with `dims` axes; per_class: None for all labelled pixels;
    size, slices, group and per_step are for folders (see `continual.streams`); unlearn: name of a step, "" for none."""

    kind: str = "domain"
    dims: int = 2
    folders: tuple[str, ...] = ()
    samples: int = 6
    tests: int = 4  # fewer may hold nothing of a class
    per_class: int | None = 30
    size: int | None = None
    slices: int = 0
    group: str = ""
    per_step: int = 2
    encoder: str = "filter_bank"
    seeds: int = 1
    equal: bool = False
    methods: tuple[str, ...] = ()
    unlearn: str = ""

    @property
    def title(self) -> str:
        return ", ".join(self.folders) or NAMES[self.dims]

    def stream(self, seed: int) -> Stream:
        """Return the stream. Raises what the engine raises for folders that do not fit."""
        common = {"samples": self.samples, "tests": self.tests, "per_class": self.per_class, "seed": seed}
        if not self.folders:
            return procedural(self.kind, self.dims, **common)
        own = {"domain": {"group": self.group}, "class": {"per_step": self.per_step}, "task": {}}[self.kind]
        return folder_steps(self.kind, self.folders, size=self.size, slices=self.slices, **common, **own)


@dataclass
class Run:
    """One run. outcome: what there is of it, None before the first step is scored; whole: whether all of it is there. Thread-safe."""

    wanted: Wanted
    known: tuple[StepRecord, ...] = ()  # of an earlier run of the same stream
    outcome: Outcome | None = None
    whole: bool = False
    _lock: Lock = field(default_factory=Lock)

    @property
    def done(self) -> int:
        """How many records there are: what a page looks at to see whether there is more to draw."""
        outcome = self.outcome
        return len(outcome.records) if outcome else 0

    def work(self, job: Job) -> None:
        """Teach all methods all seeds: the work of a job."""
        wanted, complete = self.wanted, None
        for seed in range(wanted.seeds):
            stream = wanted.stream(seed)
            if self.outcome is None:
                self.outcome = Outcome(describe(stream), {"seeds": [seed]}, (), strip_of(stream)[0])
            one = run_stream(stream, wanted.methods, encoder=wanted.encoder, seed=seed, budget=EQUAL if wanted.equal else None,
                             unlearn=wanted.unlearn, known=self.known, watch=self._watch,
                             progress=lambda share, text, seed=seed: job.report((seed + share) / wanted.seeds, text))
            complete = complete.joined(one) if complete else one
            self.outcome = complete
        self.whole = True

    def _watch(self, record: StepRecord) -> None:
        with self._lock:
            self.outcome = replace(self.outcome, records=(*self.outcome.records, record))


class Runs:
    """The last run of each browser. Thread-safe."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str) -> Run | None:
        with self._lock:
            return self._runs.get(key)

    def begin(self, key: str, wanted: Wanted) -> Run:
        """Remember a new run and return it; what an earlier one of the same stream has learned need not be learned again."""
        with self._lock:
            before, run = self._runs.pop(key, None), Run(wanted)
            if before and before.outcome and replace(before.wanted, methods=wanted.methods, unlearn=wanted.unlearn) == wanted:
                kept = tuple(record for record in before.outcome.records if _stays(record, before.outcome, wanted))
                run = Run(wanted, before.outcome.records, replace(before.outcome, records=kept))
            self._runs[key] = run
            while len(self._runs) > KEPT:
                self._runs.popitem(last=False)
            return self._runs[key]


def _stays(record: StepRecord, outcome: Outcome, wanted: Wanted) -> bool:
    """Return whether a record is true of a further run of the same stream: its method is in it, and not taught again to forget."""
    again = wanted.unlearn and METHODS.get(METHODS.parse(record.method)["name"]).forgets
    return record.method in wanted.methods and record.step < len(outcome.steps) and not again


RUNS = Runs()  # of all sessions


def offered() -> list[str]:
    """Return the methods to choose from as text: PARMESAN first, networks once for each strategy and for a few minutes."""
    found = list(OURS)
    for name in METHODS.names():
        method = METHODS.get(name)
        common = {"minutes": PATIENCE} if method.raw else {}
        variants = [{"strategy": s} for s in STRATEGIES.names()] if "strategy" in inspect.signature(method).parameters else [{}]
        found += [METHODS.text({"name": name, "keywords": {**variant, **common}}) for variant in variants]
    return list(dict.fromkeys(found))


def fast() -> list[str]:
    """Return methods that are through in seconds."""
    return [text for text in offered() if text in FAST]
