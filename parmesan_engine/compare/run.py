"""Give every method the same labelled pixels, predict the same held-back samples, report scores, seconds and bytes."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from parmesan_engine.compare.heads import HEADS, Labelled
from parmesan_engine.encoders import ENCODERS
from parmesan_engine.errors import EmptyMemoryError, ShapeError
from parmesan_engine.evaluation import Score
from parmesan_engine.io import Dataset, open_dataset
from parmesan_engine.project.entries import make_batch
from parmesan_engine.project.features import adapt
from parmesan_engine.project.learning import encode_fine, labelled_nodes
from parmesan_engine.project.sampling import choose_items
from parmesan_engine.registry import recipe_of


def compare(data: str | Path, eval_data: str | Path | None = None, *, split: str = "train", eval_split: str = "test",
            samples: int | None = 40, per_class: int = 30, eval_samples: int | None = None,
            methods: Sequence[str] = ("parmesan", "knn", "random_forest"), encoder: str = "filter_bank", seeds: Sequence[int] = (0,),
            progress: Callable[[float], None] | None = None) -> dict:
    """Return {"results": [one record for each method and seed]}.

    A record has method, encoder, seed, miou and iou (or rmse), learn_seconds and encode_seconds for all training samples,
    predict_seconds_per_sample without encoding, bytes kept. Raises ShapeError when the datasets have different classes.
    """
    train, test = open_dataset(data), open_dataset(eval_data or data)
    if (train.task.kind, train.task.classes) != (test.task.kind, test.task.classes):
        raise ShapeError(f"{train.task.kind} with classes {', '.join(train.task.classes)}", ", ".join(test.task.classes) or "values",
                         "compare on datasets of the same task")
    results, channels = [], _channels(train, split)
    for number, seed in enumerate(seeds):
        model = ENCODERS.build({"name": encoder})
        labelled, encode_seconds = _label(train, model, split, samples, per_class, seed)
        heads, scores, seconds = {}, {m: Score(test.task) for m in methods}, dict.fromkeys(methods, 0.0)
        learn_seconds = {}
        for method in methods:
            recipe = {"name": method, "keywords": {"seed": seed} if method == "random_forest" else {}}
            heads[method] = HEADS.build(recipe)
            start = time.perf_counter()
            heads[method].fit(labelled)
            learn_seconds[method] = time.perf_counter() - start
        items = choose_items(test.items(eval_split), eval_samples, seed=seed)
        for done, item in enumerate(items):
            truth = test.read_label(item)
            pyramid = model.encode(adapt(test.read_sample(item), channels))
            for method in methods:
                start = time.perf_counter()
                answer = heads[method].predict(pyramid)
                seconds[method] += time.perf_counter() - start
                scores[method].add(truth, answer)
            if progress:
                progress((number + (done + 1) / len(items)) / len(seeds))
        results += [{"method": m, "encoder": recipe_of(model)["name"], "seed": seed, **scores[m].result(),
                     "learn_seconds": learn_seconds[m], "encode_seconds": encode_seconds,
                     "predict_seconds_per_sample": seconds[m] / max(len(items), 1), "bytes": int(heads[m].bytes),
                     "entries": len(labelled.keys), "samples": len(items)} for m in methods]
    return {"data": train.name, "results": results}


def _label(dataset: Dataset, encoder, split: str, samples: int | None, per_class: int, seed: int) -> tuple[Labelled, float]:
    """Encode the training samples and keep the chosen labelled nodes; return them and the seconds of encoding."""
    batches, seconds, groups, channels = [], 0.0, (), _channels(dataset, split)
    for item in choose_items(dataset.items(split), samples, seed=seed):
        labels, sample = dataset.read_label(item), adapt(dataset.read_sample(item), channels)
        start = time.perf_counter()
        pyramid = encode_fine(encoder, sample)
        seconds += time.perf_counter() - start
        groups = pyramid.groups
        nodes, rows = labelled_nodes(pyramid, labels, dataset.task, per_class, seed, item.name)
        if len(nodes):
            batches.append(make_batch(pyramid, nodes, rows, sample_id=sample.content_hash[:16], sample_hash=sample.content_hash,
                                      gesture="compare", author="compare", source=dataset.name, time=0.0))
    if not batches:
        raise EmptyMemoryError("labelled pixels in the chosen samples", "none", "choose more samples or another split")
    return Labelled(batches, dataset.task, groups, encoder), seconds


def _channels(dataset: Dataset, split: str) -> int:
    """Return the channels of one sample: all others are brought to it."""
    return dataset.read_sample(choose_items(dataset.items(split), 1, seed=0)[0]).channels
