"""Give every method the same labelled pixels, predict the same held-back samples, report scores, seconds and bytes."""

import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parmesan_engine.compare.summary import summary_of
from parmesan_engine.encoders import ENCODERS
from parmesan_engine.errors import FormatError, ShapeError
from parmesan_engine.evaluation import Score
from parmesan_engine.io import Dataset, open_dataset
from parmesan_engine.methods import METHODS, Method, learn_at_once
from parmesan_engine.methods.labelled import LabelledSamples, encode_labelled, read_labelled
from parmesan_engine.project.features import adapt
from parmesan_engine.project.sampling import choose_items
from parmesan_engine.registry import Registry

Progress = Callable[[float], None] | None
Recipe = dict[str, Any]
PIXELS = "pixels"  # what stands for the encoder of a method that has none


@dataclass(frozen=True)
class Side:
    """The methods that learn from one encoder; name: its recipe as text. Those without one learn from the samples themselves."""

    name: str
    encoder: Any
    methods: list[Recipe]


@dataclass
class Run:
    """One method that has learned, and what it has scored so far. row: what is known of it for its record."""

    method: Method
    row: dict[str, Any]
    score: Score
    seconds: float = 0.0


def compare(data: str | Path | Sequence[str | Path], eval_data: str | Path | None = None, *, split: str = "train",
            eval_split: str = "test", samples: int | None = 40, per_class: int | Sequence[int | None] | None = 30,
            eval_samples: int | None = None, methods: Sequence[str | Recipe] = ("parmesan", "knn", "random_forest"),
            encoders: Sequence[str | Recipe] = ("filter_bank",), seeds: Sequence[int] = (0,), shares: Sequence[float] = (1.0,),
            progress: Progress = None) -> dict[str, Any]:
    """Return {"data", "results": [one record for each dataset, seed, encoder, method, labels and share], "summary"}.

    methods, encoders: recipes, or the same as text (see `Registry.parse`); per_class: labelled pixels per class and sample, None for every
    labelled pixel, or several; shares: of the entries that are learned. A record has data, method, encoder ("pixels" for a
    method without one), seed, per_class, share, miou and iou (or rmse), learn_seconds; encode_seconds for all training samples,
    encode_ and predict_seconds_per_sample for the held-back ones, bytes, entries, bytes_per_entry, samples, note. `summary`
    has the means and standard deviations over seeds. Raises ShapeError when the datasets have different classes.
    """
    folders = [data] if isinstance(data, str | Path) else list(data)
    if eval_data is not None and len(folders) > 1:
        raise FormatError("one dataset to learn from with another one to score on", f"{len(folders)}", "leave out one or the other")
    counts = list(per_class) if isinstance(per_class, Sequence) else [per_class]
    sides = _sides([_recipe(METHODS, m) for m in methods], [_recipe(ENCODERS, e) for e in encoders])
    pairs = [_pair(folder, eval_data) for folder in folders]
    names = _names([train for train, _ in pairs])
    results, steps = [], [(name, *pair, seed) for name, pair in zip(names, pairs, strict=True) for seed in seeds]
    for number, (name, train, test, seed) in enumerate(steps):
        channels = _channels(train, split)
        labelled = read_labelled(train, split, samples, counts, seed, channels)
        held_back = choose_items(test.items(eval_split), eval_samples, seed=seed)
        for place, side in enumerate(sides):
            parts = [_part(progress, number + (place + half) / len(sides), 0.5 / len(sides), len(steps)) for half in (0.0, 0.5)]
            runs, seconds = _learn(name, side, labelled, shares, seed, parts[0])
            rows = _score(test, held_back, side.encoder, runs, channels, parts[1])
            results += [{"data": name, **row, "encode_seconds": seconds} for row in rows]
    return {"data": ", ".join(names), "results": results, "summary": summary_of(results)}


def _pair(folder: str | Path, eval_data: str | Path | None) -> tuple[Dataset, Dataset]:
    train, test = open_dataset(folder), open_dataset(eval_data or folder)
    if (train.task.kind, train.task.classes) != (test.task.kind, test.task.classes):
        raise ShapeError(f"{train.task.kind} with classes {', '.join(train.task.classes)}", ", ".join(test.task.classes) or "values",
                         "compare on datasets of the same task")
    return train, test


def _names(datasets: list[Dataset]) -> list[str]:
    """Return the names of datasets, those of their folders where two are called the same."""
    names = [dataset.name for dataset in datasets]
    return names if len(set(names)) == len(names) else [str(dataset.folder) for dataset in datasets]


def _sides(methods: list[Recipe], encoders: list[Recipe]) -> list[Side]:
    """Return which methods learn from which encoder: each from each, those that need none by themselves."""
    fed, raw = ([m for m in methods if METHODS.get(m["name"]).raw is kind] for kind in (False, True))
    sides = [Side(ENCODERS.text(recipe), ENCODERS.build(recipe), fed) for recipe in encoders] if fed else []
    return sides + ([Side(PIXELS, None, raw)] if raw else [])


def _learn(source: str, side: Side, labelled: dict[int | None, LabelledSamples], shares: Sequence[float], seed: int,
           progress: Progress) -> tuple[list[Run], float]:
    """Return what each method learned from each number of labels and share, and the seconds of encoding."""
    runs, seconds = [], 0.0
    if side.encoder is None:  # nothing to take a share of: the samples themselves are learned
        lessons = {(count, 1.0): one for count, one in labelled.items()}
    else:
        nodes, seconds = encode_labelled(side.encoder, labelled, source, progress)
        lessons = {(count, share): one.share(share, seed) for count, one in nodes.items() for share in shares}
    for (count, share), lesson in lessons.items():
        for recipe in side.methods:
            own = {"seed": seed} if "seed" in inspect.signature(METHODS.get(recipe["name"])).parameters else {}
            method = METHODS.build({**recipe, "keywords": own | recipe["keywords"]})
            method.prepare()
            start = time.perf_counter()
            learn_at_once(method, lesson, progress if side.encoder is None else None)
            row = {"method": METHODS.text(recipe), "encoder": side.name, "seed": seed, "per_class": "all" if count is None else count,
                   "share": share, "learn_seconds": time.perf_counter() - start, "entries": len(lesson), "bytes": int(method.bytes),
                   "note": method.note}
            runs.append(Run(method, row, Score(lesson.task)))
    return runs, seconds


def _score(test: Dataset, items: list, encoder, runs: list[Run], channels: int, progress: Progress) -> list[dict[str, Any]]:
    """Return the records of what has learned, after all have predicted the held-back samples."""
    encoding = 0.0
    for done, item in enumerate(items):
        truth, given = test.read_label(item), adapt(test.read_sample(item), channels)
        if encoder is not None:
            start = time.perf_counter()
            given = encoder.encode(given)
            encoding += time.perf_counter() - start
        for run in runs:
            run.score.add(truth, _timed(run, given))
        if progress:
            progress((done + 1) / len(items))
    per_sample = 1 / max(len(items), 1)
    return [{**run.row, **run.score.result(), "encode_seconds_per_sample": encoding * per_sample,
             "predict_seconds_per_sample": run.seconds * per_sample, "bytes_per_entry": run.row["bytes"] / run.row["entries"],
             "samples": len(items)} for run in runs]


def _timed(run: Run, given: Any) -> np.ndarray:
    start = time.perf_counter()
    answer = run.method.predict(given)
    run.seconds += time.perf_counter() - start
    return answer


def _recipe(registry: Registry, given: str | Recipe) -> Recipe:
    """Return the recipe that was given, or that a text means. Raises UnknownNameError, FormatError."""
    return registry.parse(given) if isinstance(given, str) else {"keywords": {}, **given}


def _part(progress: Progress, start: float, width: float, whole: float) -> Progress:
    return progress and (lambda fraction: progress((start + width * fraction) / whole))


def _channels(dataset: Dataset, split: str) -> int:
    """Return the channels of one sample: all others are brought to it."""
    return dataset.read_sample(choose_items(dataset.items(split), 1, seed=0)[0]).channels
