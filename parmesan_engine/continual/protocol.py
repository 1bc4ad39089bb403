"""The protocol: every method goes through the same steps with the same labels and features, and is asked the same after each."""

import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from parmesan_engine.continual.describing import describe, shown, strip_of, unanswered
from parmesan_engine.continual.encoding import Encoding, lesson_of
from parmesan_engine.continual.outcome import Outcome, Picture, StepRecord
from parmesan_engine.continual.peak import MEANING, peak
from parmesan_engine.continual.progress import Progress, part
from parmesan_engine.continual.scoring import Question, examine
from parmesan_engine.continual.steps import Stream
from parmesan_engine.encoders import ENCODERS
from parmesan_engine.errors import FormatError
from parmesan_engine.methods import METHODS, Method

EQUAL = "parmesan"  # the budget that is the bytes of this method
Recipe = dict[str, Any]
ENCODES = 0.2  # share of the progress that encoding is
ABSORBS = 0.6  # share of the progress of a step that learning is; the rest is scoring


@dataclass(frozen=True)
class Run:
    """All that the methods have in common. questions: about the pictures of the strip."""

    stream: Stream
    encoding: Encoding | None
    seed: int
    strip: tuple[Picture, ...]
    questions: list[Question]
    watch: Callable[[StepRecord], None]
    unlearn: str


def run_stream(stream: Stream, methods: Sequence[str | Recipe], *, encoder: str | Recipe = "filter_bank", seed: int = 0,
               budget: int | str | None = None, unlearn: str = "", progress: Progress = None,
               watch: Callable[[StepRecord], None] | None = None, known: Sequence[StepRecord] = ()) -> Outcome:
    """Teach each method the stream, step by step, and return what it could do after each.

    methods, encoder: recipes, or the same as text. seed: for methods that have one. budget: bytes, for methods that have a budget of what
    they keep of past steps; "parmesan": as many as PARMESAN keeps after its last step, which then goes first. unlearn: name of a step that
    methods that can are told to forget in the end. watch: called with each new record. known: records of an earlier run of the same
    stream; a method that is through in it is not taught again. Raises FormatError, UnknownNameError; whatever `progress` raises.
    """
    if not methods:
        raise FormatError(f"methods of {', '.join(METHODS.names())}", "none", "name one or more")
    recipes = _ordered([METHODS.parse(m) if isinstance(m, str) else m for m in methods], budget)
    names = [step.experience.name for step in stream.steps]
    if len(set(names)) < len(names) or (unlearn and unlearn not in names):
        raise FormatError(f"one of the steps to unlearn, each with a name of its own: {', '.join(names)}", unlearn or "two of one name",
                          "correct the name")
    recipe = ENCODERS.parse(encoder) if isinstance(encoder, str) else encoder
    before = {text: _known(stream, known, text, seed, unlearn) for text in recipes}
    feeds = any(not METHODS.get(one["name"]).raw for text, one in recipes.items() if not before[text])
    encoding = Encoding(stream, ENCODERS.build(recipe), progress=part(progress, 0, ENCODES, "encoding")) if feeds else None
    strip, questions = strip_of(stream)
    run = Run(stream, encoding, seed, strip, questions, watch or (lambda record: None), unlearn)
    records, spent, start = [], _given(budget), ENCODES if feeds else 0.0
    for number, (text, one) in enumerate(recipes.items()):
        width = (1 - start) / len(recipes)
        told = part(progress, start + number * width, start + (number + 1) * width)
        mine = before[text] or _teach(run, text, one, spent, told)
        records += mine
        if budget == EQUAL and number == 0:
            spent = mine[len(stream.steps) - 1].bytes
    about = {"encoder": ENCODERS.text(recipe), "methods": list(recipes), "seeds": [seed], "budget": _budget_words(budget, seed, spent),
             "peak": MEANING, "unlearn": unlearn, "encode_ms_per_query": max(record.query_encode_ms for record in records)}
    return Outcome(describe(stream), about, tuple(records), strip)


def _teach(run: Run, text: str, recipe: Recipe, budget: int | None, progress: Progress) -> list[StepRecord]:
    """Return the records of one method that goes through all steps."""
    method, steps, records = _built(recipe, run.seed, budget), run.stream.steps, []
    method.prepare()
    turns = len(steps) + bool(run.unlearn and method.forgets)
    for number in range(turns):
        last = number == len(steps)
        name = run.unlearn if last else steps[number].experience.name
        told = part(progress, number / turns, (number + 1) / turns, f"{text}: {'without ' if last else ''}{name}")
        with peak() as highest:
            start = time.perf_counter()
            if last:
                method.forget(name)
            else:
                _absorb(run, number, method, part(told, 0, ABSORBS))
            seconds = time.perf_counter() - start
        exam = examine(run.stream, number, method, None if method.raw else run.encoding, set(run.questions), part(told, ABSORBS, 1))
        answers = [shown(exam.answers[q]) if q in exam.answers else unanswered(p) for q, p in zip(run.questions, run.strip, strict=True)]
        encoded = (0.0, 0.0) if method.raw else (0.0 if last else run.encoding.seconds[number], run.encoding.query_ms)
        records.append(StepRecord(text, run.seed, number, f"without {name}" if last else name, exam.scores, exam.raw, seconds, encoded[0],
                                  int(method.bytes), exam.query_ms, highest.bytes, method.note, answers, encoded[1]))
        run.watch(records[-1])
    return records


def _absorb(run: Run, number: int, method: Method, progress: Progress) -> None:
    step = run.stream.steps[number]
    method.begin_experience(step.experience)
    method.observe(lesson_of(step) if method.raw else run.encoding.lessons[number])
    method.end_experience(progress)


def _ordered(recipes: Sequence[Recipe], budget: int | str | None) -> dict[str, Recipe]:
    """Return the recipes by their text, each once, PARMESAN first where its bytes are the budget."""
    found = {METHODS.text(recipe): recipe for recipe in recipes}
    if budget != EQUAL:
        return found
    first = next((text for text, recipe in found.items() if recipe["name"] == EQUAL), None)
    if first is None:
        raise FormatError(f"{EQUAL} among the methods, whose bytes are the budget", ", ".join(found), "add it, or give a number of bytes")
    return {first: found.pop(first), **found}


def _built(recipe: Recipe, seed: int, budget: int | None) -> Method:
    """Return a method, given the seed and the budget where it has such keywords and its recipe says nothing of them."""
    has = inspect.signature(METHODS.get(recipe["name"])).parameters
    common = {name: value for name, value in (("seed", seed), ("budget", budget)) if name in has and value is not None}
    return METHODS.build({"name": recipe["name"], "keywords": common | recipe.get("keywords", {})})


def _given(budget: int | str | None) -> int | None:
    if budget not in (None, EQUAL) and not (isinstance(budget, int) and budget > 0):
        raise FormatError(f"a budget of 1 byte or more, or {EQUAL}", repr(budget), "leave it out for methods without a bound")
    return None if budget == EQUAL else budget


def _known(stream: Stream, records: Sequence[StepRecord], text: str, seed: int, unlearn: str) -> list[StepRecord]:
    """Return all records of a method from an earlier run, none where one is missing."""
    names = [step.experience.name for step in stream.steps]
    if unlearn and METHODS.get(METHODS.parse(text)["name"]).forgets:
        names.append(f"without {unlearn}")
    found = {(r.step, r.name): r for r in records if (r.method, r.seed) == (text, seed)}
    whole = [found.get(place) for place in enumerate(names)]
    return [] if None in whole else whole


def _budget_words(budget: int | str | None, seed: int, spent: int | None) -> dict[str, Any]:
    """Return what the budget meant: "meaning" for people, "bytes" for each seed."""
    if budget is None:
        return {"asked": None, "meaning": "", "bytes": {}}
    whose = ", which PARMESAN keeps after its last step in the same run" if budget == EQUAL else ""
    return {"asked": budget, "bytes": {str(seed): spent},
            "meaning": f"what methods with a budget may keep of past steps, in bytes{whose}; the parameters of a network come on top"}

