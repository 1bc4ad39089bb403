"""How good an encoder's features are for a memory: dense k-NN on real labels, nothing fitted. Compares objectives as no loss can.

Some samples of the train split are remembered at a few pixels of each class, others of the train split are asked; test splits stay
unseen, so that choosing by this score tunes nothing on them. Neighbours by cosine, all features alike, votes as in Hummingbird
(Balazevic et al., NeurIPS 2023, arXiv 2306.01667).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize

from parmesan_engine.errors import FormatError
from parmesan_engine.evaluation import Score
from parmesan_engine.io import open_dataset
from parmesan_engine.io.datasets import Dataset, Item

K, TEMPERATURE = 16, 0.07
PER_CLASS = 30  # remembered pixels per sample and class
VALUES = 100  # remembered pixels per sample where labels are values
ASKED = 400  # pixels per held-back sample
BLOCK = 4096  # questions at once


def knn_score(encoder: Any, folder: str | Path, *, remembered: int = 24, asked: int = 12, seed: int = 0,
              progress: Callable[[float], None] | None = None) -> dict[str, Any]:
    """Return {data, miou | rmse, samples} of an encoder on a dataset folder: miou of classes, rmse of values (metres for mm).

    remembered, asked: samples of the train split; no sample is both. progress is called with the fraction done and may raise to cancel.
    Raises FormatError where there are fewer than two samples.
    """
    dataset = open_dataset(folder)
    items = dataset.items("train")
    if len(items) < 2:
        raise FormatError("at least 2 labelled samples in train", f"{len(items)} in {dataset.name}", "score on another dataset")
    random = np.random.default_rng(seed)
    order = [items[i] for i in random.permutation(len(items))]
    asked = min(asked, len(items) // 2)
    questions, lessons = order[:asked], order[asked:asked + remembered]
    told = progress or (lambda fraction: None)
    known = []
    for item in lessons:
        told(len(known) / len(lessons) * 0.5)
        known.append(_pixels(encoder, dataset, item, random, few=True))
    memory, answers = (torch.cat(parts) for parts in zip(*known, strict=True))
    score = Score(dataset.task)
    for number, item in enumerate(questions):
        told(0.5 + number / asked * 0.5)
        keys, labels = _pixels(encoder, dataset, item, random, few=False)
        score.add(labels.numpy(), _answered(keys, memory, answers, len(dataset.task.classes)))
    told(1.0)
    result, name = score.result(), "miou" if dataset.task.kind == "segmentation" else "rmse"
    return {"data": dataset.name, name: result[name], "samples": asked}


def _pixels(encoder: Any, dataset: Dataset, item: Item, random: np.random.Generator, *, few: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (n, channels) unit features and (n,) labels of some pixels: a few of each class, or any."""
    labels = dataset.read_label(item)
    flat, values = labels.ravel(), labels.dtype.kind == "f"
    labelled = np.flatnonzero(np.isfinite(flat) if values else flat >= 0)
    if few and not values:
        pools, most = [np.flatnonzero(flat == c) for c in np.unique(flat[labelled])], PER_CLASS
    else:
        pools, most = [labelled], VALUES if few else ASKED
    chosen = np.concatenate([random.choice(pool, min(most, len(pool)), replace=False) for pool in pools] or [labelled])
    level = encoder.encode(dataset.read_sample(item)).levels[0]
    nodes = level.nodes_of(np.stack(np.unravel_index(chosen, labels.shape), 1))
    return normalize(level.keys[torch.from_numpy(nodes)].float().cpu(), dim=1), torch.from_numpy(flat[chosen])


def _answered(keys: torch.Tensor, memory: torch.Tensor, labels: torch.Tensor, classes: int) -> np.ndarray:
    """Return the (n,) int16 classes or float32 values that the K nearest vote for; `classes` 0 for values."""
    votes = torch.nn.functional.one_hot(labels.long(), classes).float() if classes else labels[:, None]
    parts = []
    for block in keys.split(BLOCK):
        near, ids = (block @ memory.T).topk(min(K, len(memory)), dim=1)
        parts.append((torch.softmax(near / TEMPERATURE, 1)[..., None] * votes[ids]).sum(1))
    answers = torch.cat(parts)
    return (answers.argmax(1).to(torch.int16) if classes else answers[:, 0]).numpy()
