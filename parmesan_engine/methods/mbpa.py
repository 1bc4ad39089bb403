"""Memory-based parameter adaptation (Sprechmann et al., ICLR 2018, arXiv 1802.10542) for dense prediction; see `mbpa_reading`."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch.nn.functional import normalize

from parmesan_engine.methods.absorbing import Absorbing
from parmesan_engine.methods.mbpa_reading import adapted, kernel_weights, train_head, with_constant
from parmesan_engine.methods.method import METHODS, Progress
from parmesan_engine.search.distance import load_faiss
from parmesan_engine.types import TaskSpec

CHUNK = 1 << 20  # numbers of the largest array of one chunk of heads: 4 MiB


@dataclass(frozen=True)
class Remembered:
    """head: (L, D + 1); features: (N, D) of length 1; labels: (N, L); steps: (N,) which of `names` each entry comes from."""

    head: torch.Tensor
    features: torch.Tensor
    labels: torch.Tensor
    steps: torch.Tensor
    names: tuple[str, ...]


@METHODS.register("mbpa")
class Mbpa(Absorbing):
    """A linear head, trained step by step (and so forgetting), that adapts itself to each query's neighbours before it answers.

    k, steps, rate, beta: neighbours, gradient steps, their rate, and the pull back to the head. window: 0 adapts a head for each node, as
    the paper does; n one for each window of n nodes a side, to the united neighbours of two of its nodes along each axis [ours].
    capacity: entries of a task; the oldest give way.

    Features are standardised and brought to length 1 [ours]: Euclidean distances then are cosine ones, and the gradient is so bounded that
    rates below 1 are steady. The memory forgets a step as if never learned; the head keeps what it took from it.
    On the train splits of CamVid in three steps and of X-rays, window 4 scores as window 0 does in a third of its time.
    """

    limits: ClassVar = {"k": (1, 256), "steps": (0, 1000), "window": (0, 64), "capacity": (1, 2**24)}

    def __init__(self, *, k: int = 16, steps: int = 10, rate: float = 0.7, beta: float = 0.01, window: int = 4,
                 capacity: int = 65536) -> None:
        self.k = k
        self.steps = steps
        self.rate = rate
        self.beta = beta
        self.window = window
        self.capacity = capacity

    def prepare(self) -> None:
        load_faiss()

    @property
    def note(self) -> str:
        where = f"window of {self.window} nodes a side" if self.window > 1 else "node"
        return f"a head adapted for each {where}, by {self.steps} steps on {self.k} neighbours"

    def absorb(self, model: Remembered | None, features: torch.Tensor, labels: torch.Tensor, classes: torch.Tensor, task: TaskSpec,
               progress: Progress) -> Remembered:
        features = normalize(features)
        if model is None:
            model = Remembered(torch.zeros(labels.shape[1], features.shape[1] + 1), features[:0], labels[:0],
                               torch.empty(0, dtype=torch.int32), ())
        names = model.names if self.experience.name in model.names else (*model.names, self.experience.name)
        head = model.head.clone()
        head[classes] = train_head(head[classes], with_constant(features), labels[:, classes], classify=task.kind == "segmentation",
                                   progress=progress)
        steps = torch.full((len(features),), names.index(self.experience.name), dtype=torch.int32)
        columns = ((model.features, features), (model.labels, labels), (model.steps, steps))
        return Remembered(head, *(torch.cat(pair)[-self.capacity :] for pair in columns), names)

    def answers(self, model: Remembered, features: torch.Tensor, classes: torch.Tensor, grid: tuple[int, ...],
                task: TaskSpec) -> torch.Tensor:
        queries, (nodes, asking) = normalize(features), windows(grid, min(max(1, self.window), max(grid)))
        squared, found = load_faiss().knn(queries[asking.flatten()].numpy(), model.features.numpy(), min(self.k, len(model.features)))
        weights = kernel_weights(torch.from_numpy(squared).reshape(len(nodes), -1))
        found = torch.from_numpy(found).reshape(len(nodes), -1)
        memory, labels, head = with_constant(model.features), model.labels[:, classes], model.head[classes]
        answers, queries = torch.empty(len(queries), len(classes)), with_constant(queries)
        width = found.shape[1]
        for part in torch.arange(len(nodes)).split(max(1, CHUNK // (width * max(width, memory.shape[1])))):
            near = found[part]
            rows = adapted(queries[nodes[part]], memory[near], labels[near], weights[part], head, classify=task.kind == "segmentation",
                           steps=self.steps, rate=self.rate, beta=self.beta)
            answers[nodes[part].flatten()] = rows.flatten(0, 1)
        return answers

    def without(self, model: Remembered, experience: str) -> Remembered | None:
        if experience not in model.names:
            return model
        stays = model.steps != model.names.index(experience)
        return Remembered(model.head, model.features[stays], model.labels[stays], model.steps[stays], model.names) if stays.any() else None

    def model_bytes(self, model: Remembered) -> int:
        return sum(one.nbytes for one in (model.head, model.features, model.labels, model.steps))


def windows(grid: tuple[int, ...], size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the (W, size^dims) nodes of windows that cover a grid, and those of them that ask: (W, 2^dims), or (W, 1) for a size of 1.

    A window over the far edge has its last nodes more than once.

    >>> [one.tolist() for one in windows((5,), 4)]
    [[[0, 1, 2, 3], [4, 4, 4, 4]], [[1, 3], [4, 4]]]
    """
    axes = [np.minimum(np.arange(-(-n // size) * size), n - 1).reshape(-1, size) for n in grid]
    chosen = sorted({size // 4, size * 3 // 4})
    return _joined(axes, grid), _joined([axis[:, chosen] for axis in axes], grid)


def _joined(axes: list[np.ndarray], grid: tuple[int, ...]) -> torch.Tensor:
    """Return (windows, nodes) row-major node numbers from the (windows, nodes) places along each axis."""
    dims, nodes = len(axes), 0
    for number, axis in enumerate(axes):
        shape = [1] * (2 * dims)
        shape[number], shape[dims + number] = axis.shape
        nodes = nodes * grid[number] + axis.reshape(shape)
    windows = int(np.prod([len(axis) for axis in axes]))
    return torch.from_numpy(np.ascontiguousarray(nodes.reshape(windows, -1)))
