"""PARMESAN on one screen: encode once, search what changed, transfer labels, pass messages.

    set_sample   encoder -> pyramid -> metric -> queries -> live search        (once per sample; seconds)
    apply        memory delta -> index, live searches, votes                   (per gesture; milliseconds)
    predict      votes -> class prior -> message passing -> full resolution    (per gesture; milliseconds)

Knows no files and no user interface. Reads a memory (or a checked-out version of one) and never changes it.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from parmesan_engine.calibration import calibrate
from parmesan_engine.device import device_of
from parmesan_engine.errors import EmptyMemoryError, ShapeError, VersionError
from parmesan_engine.memory.reading import Reader, difference
from parmesan_engine.message_passing import Affinity, affinity, refine
from parmesan_engine.metric import Metric
from parmesan_engine.metric.model import LIFT, START_DISTANCE
from parmesan_engine.registry import recipe_of
from parmesan_engine.resample import Box, to_grid, to_pixels
from parmesan_engine.search import INDEXES, LiveSearch
from parmesan_engine.tables import EntryTables
from parmesan_engine.transduction import conflict, largest, spread, transfer, votes
from parmesan_engine.types import FeaturePyramid, MemoryDelta, Prediction, Sample, TaskSpec

log = logging.getLogger(__name__)
EXACT = {"name": "exact"}
LOAD_BLOCK = 65536  # entries transformed at a time
REACH = START_DISTANCE * LIFT**2  # distance from which nothing is alike: that of a typical entry from the mean of all, unfitted
UNKNOWN = 0.999  # novelty from which the memory abstains


@dataclass
class SampleState:
    """One sample held ready: its features, its current neighbours and their answers (one row per node)."""

    pyramid: FeaturePyramid
    queries: torch.Tensor
    live: LiveSearch
    listen: Affinity
    answers: torch.Tensor
    conflict: torch.Tensor
    nearest: torch.Tensor
    changed: int = 0
    notes: tuple[str, ...] = field(default=())
    refined: torch.Tensor | None = None  # (nodes, L) after prior and message passing; None when something changed since


class Predictor:
    """Predicts samples from a memory.

    encoder: gives `encode(sample) -> FeaturePyramid`; memory: entries to transfer from; metric: maps features to keys.
    k: neighbours that vote (None: as the metric was fitted); steps, lam: rounds of message passing and how much to listen;
    index: recipe of the index that searches, one of `INDEXES`.
    """

    def __init__(self, encoder, memory: Reader, metric: Metric, *, task: TaskSpec, k: int | None = None, steps: int = 3,
                 lam: float = 0.7, device: str = "cpu", index: dict[str, Any] = EXACT) -> None:
        self.encoder, self.memory, self.metric, self.task = encoder, memory, metric, task
        self.k, self.steps, self.lam, self.device = k or metric.k, steps, lam, device_of(device)
        keywords = {"channels": metric.key_dim, "device": device, **index.get("keywords", {})}
        self.index = INDEXES.build({"name": index["name"], "keywords": keywords})
        self.tables = EntryTables(task.label_dim, self.device)
        self.states: dict[str, SampleState] = {}
        self._moved: list[torch.Tensor] | None = None  # ids that came or went since `index_maker`
        self.version = memory.version
        self._enter(memory.ids)

    def set_sample(self, name: str, sample: Sample, *, stride: int | None = None,
                   progress: Callable[[float], None] | None = None) -> SampleState:
        """Encode a sample, find its neighbours, and hold it ready under `name`. Raises EmptyMemoryError."""
        halves = (lambda f: progress(f / 2), lambda f: progress(0.5 + f / 2)) if progress else (None, None)
        pyramid = self.encoder.encode(sample, stride=stride, progress=halves[0])
        return self.set_pyramid(name, pyramid, progress=halves[1], notes=sample.notes)

    def set_pyramid(self, name: str, pyramid: FeaturePyramid, *, progress: Callable[[float], None] | None = None,
                    notes: tuple[str, ...] = ()) -> SampleState:
        """As `set_sample`, for features that are at hand already."""
        if len(self.index) == 0:
            raise EmptyMemoryError("a memory with examples", "an empty one", "label a few pixels first")
        fine = pyramid.levels[0]
        queries = self.metric.transform(fine.keys.to(self.device))
        listen = affinity(queries, fine.grid, tau=self.metric.tau)
        coarse = None
        if self.index.takes_coarse:
            top = self.metric.transform(pyramid.levels[-1].keys.to(self.device))
            coarse = top[torch.from_numpy(pyramid.parents(-1)).to(self.device)]
        live = LiveSearch(self.index, queries, k=self.k, coarse=coarse, progress=progress)
        none = torch.zeros(len(queries), device=self.device)
        state = SampleState(pyramid, queries, live, listen, none.new_zeros(len(queries), self.task.label_dim), none.clone(),
                            none.clone(), notes=notes)
        self._answer(state, torch.arange(len(queries), device=self.device))
        self.states[name] = state
        return state

    def apply(self, delta: MemoryDelta) -> int:
        """Take up a change of the memory in the index and in every held sample; return how many nodes changed."""
        gone, come = (np.concatenate([ids, delta.modified]) for ids in (delta.removed, delta.added))  # a new label, a new tie
        left = torch.tensor(gone, device=self.device)
        if self._moved is not None:
            self._moved = [*self._moved, left, torch.tensor(come)]
        self.index.remove(left)
        self.tables.drop(left)
        shrunk = [state.live.removed(left) for state in self.states.values()]  # before anything new is in the index
        self._enter(come)
        entered = torch.tensor(come, device=self.device)
        keys, ties = self.index.lookup(entered)
        total = 0
        for state, rows in zip(self.states.values(), shrunk, strict=True):
            changed = torch.unique(torch.cat([rows, state.live.added(entered, keys, ties)]))
            self._answer(state, changed)
            state.changed = len(changed)
            state.refined = None  # also where no vote changed: the class totals did
            total += len(changed)
        self.version = delta.after
        return total

    @property
    def index_due(self) -> bool:
        """Whether the index would be worth making anew: it is approximate, and much came or went."""
        return getattr(self.index, "stale", False)

    def index_maker(self) -> Callable[..., Any]:
        """Return a function that makes the index anew from the present entries, for `adopt`: seconds, on any thread.

        It takes a progress callback or None.
        """
        index, self._moved, entries = self.index.copy(), [], self.memory.columns()
        samples = torch.zeros(index.top, dtype=torch.int64)
        samples[torch.tensor(entries.ids)] = torch.from_numpy(entries.sample.astype(np.int64))
        labels = self.tables.labels.clone() if self.task.kind == "segmentation" else None
        return lambda progress=None: index.rebuilt(k=self.k, labels=None if labels is None else labels.__getitem__,
                                                   groups=samples.__getitem__, progress=progress)

    def adopt(self, index: Any) -> None:
        """Take over what the last `index_maker` made; what came or went meanwhile is taken up. Held samples keep their neighbours.

        Does nothing where another index was taken over since.
        """
        if self._moved is None:
            return
        moved = torch.unique(torch.cat([torch.empty(0, dtype=torch.int64), *self._moved]))
        index.remove(moved[torch.isin(moved, index.ids)])
        come = moved[torch.isin(moved, self.index.ids)]
        index.add(come, *self.index.lookup(come))
        self.index, self._moved = index, None
        for state in self.states.values():
            state.live.index = index

    def switch(self, version: Reader) -> int:
        """Go to another version of the same memory, past, present or imagined: only what differs is searched; return as `apply`.

        Equals, bit for bit, a predictor made from that version under the same metric. Raises VersionError.
        """
        if self.memory.version != self.version:
            raise VersionError("a predictor that has followed its memory", f"one at {self.version[:8]}", "apply what changed first")
        delta = difference(self.memory, version, "switch")
        self.memory = version
        return self.apply(delta)

    def set_task(self, task: TaskSpec) -> None:
        """Take up renamed or added classes; answers already given keep their columns. Raises ShapeError when classes are missing."""
        added = task.label_dim - self.task.label_dim
        if added < 0 or task.kind != self.task.kind:
            raise ShapeError(f"a {self.task.kind} task of at least {self.task.label_dim} columns", f"{task.kind}, {task.label_dim}",
                             "make a new predictor")
        self.task = task
        for state in self.states.values():
            state.refined = None
        if not added:
            return
        self.tables.widen(task.label_dim)
        for state in self.states.values():
            state.answers = torch.nn.functional.pad(state.answers, (0, added))
            state.conflict = conflict(state.answers)

    def predict(self, name: str, *, box: Box | None = None) -> Prediction:
        """Return the prediction of a held sample, or of a box of it, from its current neighbours. Raises ShapeError."""
        state = self.states[name]
        fine, shape = state.pyramid.levels[0], state.pyramid.spatial_shape
        return self._prediction(state, lambda rows: to_pixels(rows, fine, shape, box))

    def overview(self, name: str) -> Prediction:
        """Return the prediction of a held sample with one value per node of its finest grid: cheap however large the sample is."""
        state = self.states[name]
        return self._prediction(state, lambda rows: to_grid(rows, state.pyramid.levels[0]))

    def refined(self, state: SampleState) -> torch.Tensor:
        """Return the (nodes, L) answers of a held sample after class prior and message passing."""
        if state.refined is None:
            segments = self.task.kind == "segmentation"
            answers = calibrate(state.answers, self.tables.totals) if segments else state.answers
            state.refined = refine(answers, state.listen, steps=self.steps, lam=self.lam)
        return state.refined

    def _prediction(self, state: SampleState, spread_out: Callable[[torch.Tensor], torch.Tensor]) -> Prediction:
        """Return what `spread_out` (rows of nodes to an array) makes of the answers of a held sample."""
        start = time.perf_counter()
        if len(self.index) == 0:
            raise EmptyMemoryError("a memory with examples", "an empty one", "label a few pixels first")
        labels = values = probabilities = None
        full = spread_out(self.refined(state))  # (L, *spatial)
        if self.task.kind == "segmentation":
            probabilities = full.numpy(force=True)
            labels = largest(full).numpy(force=True)
        else:
            values = full[0].numpy(force=True).copy()
        novelty = (state.nearest / REACH).clamp(0, 1)
        maps = spread_out(torch.stack([state.conflict, novelty], 1)).numpy(force=True)
        unknown = maps[1] >= UNKNOWN
        if labels is not None:
            labels[unknown] = -1
        else:
            values[unknown] = np.nan
        return Prediction(self.task, labels, probabilities, values, maps[0], maps[1], self.version, self.metric.id,
                          recipe_of(self.encoder), len(self.index), time.perf_counter() - start, state.changed,
                          state.notes + ((self.index.note,) if self.index.note else ()))

    def _enter(self, ids: np.ndarray) -> None:
        """Transform entries and put them into index and tables, a block at a time."""
        for start in range(0, len(ids), LOAD_BLOCK):
            part = ids[start : start + LOAD_BLOCK]
            keys = self.metric.transform(torch.from_numpy(self.memory.keys(part)).to(self.device))
            given = {"coarse": self._coarse(part)} if self.index.takes_coarse else {}
            self.index.add(torch.tensor(part), keys, torch.tensor(self.memory.ties(part), device=self.device), **given)
            self._tabulate(part)

    def _coarse(self, ids: np.ndarray) -> torch.Tensor:
        """Return the (n, D) keys of the coarse nodes of entries."""
        parents, places = np.unique(self.memory.parents(ids), return_inverse=True)
        keys = self.metric.transform(torch.from_numpy(self.memory.coarse_keys(parents)).to(self.device))
        return keys[torch.from_numpy(places).to(self.device)]

    def _tabulate(self, ids: np.ndarray) -> None:
        if len(ids):
            labels, weights = (torch.tensor(a, device=self.device) for a in (self.memory.labels(ids), self.memory.weights(ids)))
            self.tables.put(torch.tensor(ids, device=self.device), labels, weights)

    def _answer(self, state: SampleState, rows: torch.Tensor) -> None:
        """Vote again at some nodes."""
        if len(rows) == 0:
            return
        neighbors = state.live.rows(rows)
        shares = votes(neighbors, self.tables.weights, self.metric.tau)
        answers = transfer(neighbors, shares, self.tables.labels)
        state.answers[rows] = answers
        state.nearest[rows] = neighbors.distances[:, 0].masked_fill(~shares.any(1), torch.inf)  # nobody has a voice
        if self.task.kind == "segmentation":
            state.conflict[rows] = conflict(answers)
        else:
            sigma = spread(neighbors, shares, self.tables.labels, answers)
            state.conflict[rows] = sigma / (sigma + answers[:, 0].abs() + 1e-6)
