"""Real keys to search: features of pictures, by an encoder of the project or learned without labels, as unit keys of any width.

Entries are whole pictures, every node in turn: near-copies beside each other, which is what makes search on real features hard.
Queries come from pictures that are not in the memory, in small squares: neighbours ask together, as they do for a whole picture.
Everything follows from the seed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from parmesan_engine.bench import dictionary
from parmesan_engine.bench.dictionary import grid_of
from parmesan_engine.bench.pictures import Load, Pictures, photographs
from parmesan_engine.encoders import ENCODERS
from parmesan_engine.errors import EmptyMemoryError
from parmesan_engine.metric import Metric, fit
from parmesan_engine.metric.model import LIFT, MAX_OUTPUTS, START_DISTANCE
from parmesan_engine.metric.scaling import standardise
from parmesan_engine.types import FeatureLevel, Sample

LEARNED = "learned"
STRIDE = dictionary.STRIDE
SPREAD = 2  # nodes between those that are joined where one node has too few features
FIT_PICTURES, FIT_NODES = 16, 375  # of these every metric is fitted
QUERY_PICTURES = 16
SQUARE, COARSE = 8, 16  # nodes along each axis: of queries that stand together, of a coarse node (as the encoders pool)
LARGEST = 1024  # pixels along each axis of a picture: bounds what is held
BLOCK = 16_384  # nodes whose joined features are held at a time
Rows = Callable[[int, torch.Tensor], torch.Tensor]  # (width, nodes) -> their features


@dataclass(frozen=True)
class Keys:
    """Entries or queries.

    keys: (n, D) float32 unit rows for each width D; labels: (n,) int64 classes; coarse: (m, D) unit rows of coarse nodes for each
    width, none where they were not asked for; parents: (n,) rows of `coarse`.
    """

    keys: dict[int, torch.Tensor]
    labels: torch.Tensor
    coarse: dict[int, torch.Tensor]
    parents: torch.Tensor

    def coarse_keys(self, width: int, rows: slice = slice(None)) -> torch.Tensor:
        """Return the (n, D) key of the coarse node of each row."""
        return self.coarse[width][self.parents[rows]]


class Maker:
    """Turns pictures into unit keys of the widths asked for.

    name: of a registered encoder, or LEARNED; widths: even. Raises UnknownNameError. `how` says for each width what was done.
    """

    def __init__(self, name: str, pictures: Pictures, widths: tuple[int, ...], *, seed: int = 0) -> None:
        self.name, self.pictures, self.widths, self.seed = name, pictures, widths, seed
        self._features = _Learned(pictures, widths, seed) if name == LEARNED else _Encoded(name, widths)
        self.metrics, self.how = {}, {}
        self._fit()

    def entries(self, count: int, widths: tuple[int, ...], *, coarse: bool = True) -> Keys:
        """Return the first `count` labelled nodes of the training pictures, or all when there are fewer. Raises EmptyMemoryError."""
        return self._collect(self.pictures.train, count, widths, None, coarse)

    def queries(self, count: int) -> Keys:
        """Return so many labelled nodes of some test pictures, in random squares; fewer when they have fewer. Raises EmptyMemoryError."""
        most = -(-count // max(min(QUERY_PICTURES, len(self.pictures.test)), 1))
        return self._collect(self.pictures.test, count, self.widths, most, True)

    def _collect(self, loads: tuple[Load, ...], count: int, widths: tuple[int, ...], most: int | None, coarse: bool) -> Keys:
        """most: nodes of each picture at most, in random squares; all in their order when None."""
        random = np.random.default_rng(self.seed)
        keys = {width: torch.empty(count, width) for width in widths}
        labels, parents, filled, pooled = torch.empty(count, dtype=torch.int64), torch.empty(count, dtype=torch.int64), 0, 0
        above: dict[int, list[torch.Tensor]] = {width: [] for width in widths if coarse}
        for load in loads:
            sample, classes = _labelled(load)
            nodes = np.flatnonzero(classes >= 0)
            nodes = (nodes if most is None else _squares(nodes, grid_of(sample)[1], most, random))[: count - filled]
            place = slice(filled, filled + len(nodes))
            labels[place] = torch.from_numpy(classes[nodes].astype(np.int64))
            rows, owners, members = self._features.of(sample), *_parents(grid_of(sample), torch.from_numpy(nodes))
            for width in widths:  # one after the other: features of one width are held at a time
                self._write(rows, torch.from_numpy(nodes), width, keys[width][place])
                if coarse:
                    above[width].append(self._pooled(rows, members, width))
            parents[place] = owners + pooled
            filled, pooled = filled + len(nodes), pooled + len(members)
            if filled == count:
                break
        if filled == 0:
            raise EmptyMemoryError("pictures with labelled pixels", f"none in {len(loads)} pictures", "give other DATA, or leave it out")
        return Keys({width: rows[:filled] for width, rows in keys.items()}, labels[:filled],
                    {width: torch.cat(parts) for width, parts in above.items()}, parents[:filled])

    def _write(self, rows: Rows, nodes: torch.Tensor, width: int, out: torch.Tensor) -> None:
        """Write the keys of some nodes of a picture, block by block."""
        for start in range(0, len(nodes), BLOCK):
            part = slice(start, start + BLOCK)
            out[part] = self.metrics[width].transform(rows(width, nodes[part]))

    def _pooled(self, rows: Rows, members: list[torch.Tensor], width: int) -> torch.Tensor:
        """Return the (m, D) keys of coarse nodes with the given nodes: of the mean of their features."""
        means = [rows(width, nodes).mean(0) for nodes in members]
        return self.metrics[width].transform(torch.stack(means)) if means else torch.empty(0, width)

    def _fit(self) -> None:
        """Fit one metric per width: as a project does where that gives this width, else by principal components."""
        random = np.random.default_rng(self.seed)
        parts: dict[int, list[np.ndarray]] = {width: [] for width in self.widths}
        classes, codes = [], []
        for code, load in enumerate(self.pictures.train[:FIT_PICTURES]):
            sample, labels = _labelled(load)
            nodes = np.sort(random.permutation(np.flatnonzero(labels >= 0))[:FIT_NODES])
            rows = self._features.of(sample)
            for width in self.widths:
                parts[width].append(rows(width, torch.from_numpy(nodes)).numpy())
            classes.append(labels[nodes])
            codes.append(np.full(len(nodes), code))
        targets = np.eye(self.pictures.classes)[np.concatenate(classes)]
        for width in self.widths:
            rows = np.concatenate(parts[width])
            groups = self._features.groups
            if groups and rows.shape[1] == len(groups) and min(len(groups), MAX_OUTPUTS) + 1 == width:
                self.metrics[width] = fit(rows, targets, groups=groups, ties=np.arange(len(rows)), sample_codes=np.concatenate(codes))
                self.how[width] = f"{len(groups)} features, metric fitted as a project does"
            else:
                self.metrics[width] = principal(rows, width - 1)
                self.how[width] = f"{self._features.what(width)}, standardised, {width - 1} principal components, lift"


class _Encoded:
    """Features of a registered encoder; where one node has fewer than are needed, those of nodes around it are joined."""

    def __init__(self, name: str, widths: tuple[int, ...]) -> None:
        self.encoder = ENCODERS.build({"name": name})
        self.groups = self.encoder.groups_of(3, 2)
        self.reach = {width: next(r for r in range(width) if (2 * r + 1) ** 2 * len(self.groups) >= width - 1) for width in widths}

    def of(self, sample: Sample) -> Rows:
        level = self.encoder.encode(sample, stride=STRIDE).levels[0]
        return lambda width, nodes: _joined(level, self.reach[width], nodes)

    def what(self, width: int) -> str:
        side = 2 * self.reach[width] + 1
        around = f" of {side}x{side} nodes, {SPREAD} apart, joined" if side > 1 else ""
        return f"{len(self.groups)} features{around}"


class _Learned:
    """Features of dictionaries learned without labels from photographs, one dictionary per width."""

    groups: tuple[str, ...] = ()

    def __init__(self, pictures: Pictures, widths: tuple[int, ...], seed: int) -> None:
        self.source, samples = photographs(dictionary.TRAINING_PICTURES, pictures, seed=seed)
        self.dictionaries = dictionary.learn(samples, widths, seed=seed)

    def of(self, sample: Sample) -> Rows:
        patches, grid = dictionary.patches(sample), grid_of(sample)
        made: dict[int, torch.Tensor] = {}  # the widths are asked for one after the other: only the last is kept

        def rows(width: int, nodes: torch.Tensor) -> torch.Tensor:
            if width not in made:
                made.clear()
                made[width] = self.dictionaries[width].features(patches, grid)
            return made[width][nodes]

        return rows

    def what(self, width: int) -> str:
        return (f"{width} k-means features (Coates and Ng 2011; stands in until a learned encoder ships) "
                f"learned without labels from {self.source}")


def principal(rows: np.ndarray, outputs: int) -> Metric:
    """Return the metric of the first principal components of (n, F) standardised features, as far apart as unfitted keys are."""
    mean, scale = standardise(rows.astype(np.float64))
    standard = (rows - mean) / scale
    axes = np.linalg.eigh(standard.T @ standard)[1][:, ::-1][:, :outputs]
    spread = float(np.square(standard @ axes).sum(1).mean()) or 1.0
    return Metric(mean, LIFT * np.sqrt(2 * START_DISTANCE / spread) * axes / scale[:, None], fitted=len(rows))


def _labelled(load: Load) -> tuple[Sample, np.ndarray]:
    """Return a picture, at most LARGEST pixels of it along each axis, and the (nodes,) classes of its nodes, -1 where unlabelled."""
    sample, labels = load()
    sample, labels = replace(sample, array=sample.array[:, :LARGEST, :LARGEST]), labels[:LARGEST, :LARGEST]
    return sample, labels[::STRIDE, ::STRIDE].ravel()


def _parents(grid: tuple[int, int], nodes: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return the (n,) number of the coarse node of each node, counted from 0 among those that there are, and all nodes of each."""
    columns = grid[1]
    used, parents = torch.unique(nodes // columns // COARSE * columns + nodes % columns // COARSE, return_inverse=True)
    members = []
    for corner in used.tolist():
        starts = [COARSE * place for place in divmod(corner, columns)]
        y, x = (torch.arange(start, min(start + COARSE, end)) for start, end in zip(starts, grid, strict=True))
        members.append((y[:, None] * columns + x).flatten())
    return parents, members


def _squares(nodes: np.ndarray, columns: int, most: int, random: np.random.Generator) -> np.ndarray:
    """Return so many of the nodes of a grid with `columns`, one random square of it after the other."""
    square = nodes // columns // SQUARE * columns + nodes % columns // SQUARE
    _, owners = np.unique(square, return_inverse=True)
    rank = random.permutation(owners.max() + 1) if len(owners) else owners
    return nodes[np.argsort(rank[owners], kind="stable")[:most]]


def _joined(level: FeatureLevel, reach: int, nodes: torch.Tensor) -> torch.Tensor:
    """Return (n, (2 reach + 1)^2 F) features of nodes and of those around them; beyond the border, of the nearest inside."""
    if reach == 0:
        return level.keys[nodes]
    rows, columns = level.grid
    y, x = nodes // columns, nodes % columns
    steps = range(-reach * SPREAD, reach * SPREAD + 1, SPREAD)
    around = [(y + dy).clamp(0, rows - 1) * columns + (x + dx).clamp(0, columns - 1) for dy in steps for dx in steps]
    return torch.cat([level.keys[places] for places in around], 1)
