"""A plain model of a memory, to compare the real one with: dictionaries, whole copies of every version, no cleverness."""

from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np

from parmesan_engine.memory import Memory
from parmesan_engine.memory.keyfile import rounded
from parmesan_engine.types import EntryBatch, TaskSpec

CHANNELS = 4
TASK = TaskSpec(classes=("cell", "gap", "edge"), colors=((1, 2, 3), (4, 5, 6), (7, 8, 9)))
OPS = ("add", "add", "replace", "modify", "switch", "remove", "undo", "redo", "restore", "unlearn")
BARRIER = "unlearn"


def batch(seed: int, rows: int = 6, source: str = "first source", sample: str = "sample-0", gesture: str = "stroke-0",
          author: str = "anna", channels: int = CHANNELS, **changes) -> EntryBatch:
    """Entries on a coarse grid of values, so that equal entries and equal distances turn up."""
    rng = np.random.default_rng(seed)
    fields = {"keys": rng.integers(0, 3, (rows, channels)).astype(np.float32) / 2,
              "labels": np.eye(3, dtype=np.float32)[rng.integers(0, 3, rows)], "coordinates": rng.integers(0, 2, (rows, 2)),
              "coarse_keys": rng.normal(size=(2, channels)).astype(np.float32), "parents": rng.integers(0, 2, rows)}
    return EntryBatch(**fields | {"sample_id": sample, "sample_hash": "hash of " + sample, "gesture": gesture,
                                  "author": author, "source": source, "time": float(seed)} | changes)


def new_memory(path=None, novelty: float = 0.0, task: TaskSpec = TASK, channels: int = CHANNELS, keys: str = "float32") -> Memory:
    return Memory.create(path, channels=channels, task=task, encoder={"name": "test encoder"}, novelty=novelty, keys=keys)


class Model:
    """ids -> (label, weight) for what is stored; `base` has what never changes of an entry; `versions[seq]` are copies.

    keys: format of the memory that it models. Half precision gets keys that it must round.
    """

    def __init__(self, keys: str = "float32") -> None:
        self.keys = keys
        self.base: dict[int, tuple] = {}
        self.rows = 0
        self.state: dict[int, tuple] = {}
        self.versions: list[dict[int, tuple]] = [{}]
        self.done: list = []
        self.undone: list = []

    @property
    def active(self) -> list[int]:
        return [i for i, (_, weight) in self.state.items() if weight]

    def content(self, state: dict[int, tuple]) -> Counter:
        return Counter((self.base[i], value) for i, value in state.items())

    def plan(self, op: str, number: int) -> tuple | None:
        """Return (op, arguments...) that makes exactly one version in the present state, None where op cannot."""
        rng, stored = Random(number), sorted(self.state)
        some = sorted(rng.sample(stored, min(len(stored), rng.randint(1, 8))))
        if op == "add":
            return op, [self._batch(rng) for _ in range(rng.randint(1, 2))], []
        if op == "replace" and some:
            return "add", [self._batch(rng)], some
        if op == "modify" and some:
            labels = [tuple(float(x) for x in np.roll(self.state[i][0], 1)) for i in some]
            return op, some, labels, [self.state[i][1] + 0.5 for i in some]
        if op == "switch" and some:  # off, or on again
            labels, weights = ([self.state[i][part] for i in some] for part in (0, 1))
            return "modify", some, labels, [0.0 if weight else 1.0 for weight in weights]
        if op == "remove" and some:
            return op, some
        if (op == "undo" and self.done and self.done[-1] != BARRIER) or (op == "redo" and self.undone):
            return (op,)
        if op == "restore":
            seq = rng.randrange(len(self.versions))
            same = [s for s, v in enumerate(self.versions) if self.content(v) == self.content(self.versions[seq])]
            return (op, same[-1]) if self.versions[same[-1]] != self.state else None
        if op == "unlearn" and self.base:
            source = rng.choice(sorted({base[3] for base in self.base.values()}))
            return op, sorted(i for i, base in self.base.items() if base[3] == source)
        return None

    def _batch(self, rng: Random) -> EntryBatch:
        source = rng.choice(("first source", "second source", "third source"))
        made = batch(rng.randrange(12), rng.randint(1, 6), source, f"sample-{rng.randrange(2)}", f"stroke-{rng.randrange(99)}")
        return made if self.keys == "float32" else replace(made, keys=made.keys * np.float32(1.1))

    def apply(self, plan: tuple) -> None:
        op, before, after = plan[0], self.state, dict(self.state)
        if op == "add":
            for old in plan[2]:
                del after[old]
            for new in plan[1]:
                for row, key in enumerate(rounded(new.keys, self.keys)):
                    self.base[self.rows] = (key.tobytes(), tuple(new.coordinates[row].tolist()), new.sample_hash,
                                            new.source, new.author)
                    after[self.rows] = (tuple(new.labels[row].tolist()), 1.0)
                    self.rows += 1
        elif op == "modify":
            after.update((i, (label, weight)) for i, label, weight in zip(*plan[1:], strict=True))
        elif op == "remove":
            for old in plan[1]:
                del after[old]
        elif op == "restore":
            after = dict(self.versions[plan[1]])
        elif op == "undo":
            self.undone.append(self.done.pop())
            after = self.undone[-1][0]
        elif op == "redo":
            self.done.append(self.undone.pop())
            after = self.done[-1][1]
        elif op == "unlearn":
            for state in [after, *self.versions]:
                for gone in plan[1]:
                    state.pop(gone, None)
            for gone in plan[1]:
                del self.base[gone]
        if op == "unlearn":
            self.done, self.undone = [BARRIER], []
        elif op not in ("undo", "redo"):
            self.done.append((before, dict(after)))
            self.undone = []
        self.state = dict(after)
        self.versions.append(dict(after))


def apply(memory: Memory, plan: tuple) -> object:
    """Do with a memory what `Model.apply` does with the model; return what the verb returned."""
    op, *args = plan
    if op == "add":
        return memory.add(args[0], remove=np.array(args[1], np.int64))
    if op == "modify":
        order = np.random.default_rng(0).permutation(len(args[0]))  # ids need not come in order
        ids, labels, weights = (np.array(part)[order] for part in args)
        return memory.modify(ids, labels, weights)
    if op in ("remove", "unlearn"):
        return getattr(memory, op)(np.array(args[0]))
    if op == "restore":
        return memory.restore(memory.history()[args[0]].version)
    return getattr(memory, op)()


def rebuilt(model: Model, state: dict[int, tuple], novelty: float = 0.0, seed: int = 0) -> Memory:
    """Return a fresh memory in RAM that was only ever given what is in `state`, in a random order."""
    memory, ids = new_memory(novelty=novelty, keys=model.keys), list(state)
    Random(seed).shuffle(ids)
    batches = []
    for i in ids:
        key, place, sample_hash, source, author = model.base[i]
        batches.append(EntryBatch(np.frombuffer(key, np.float32)[None], np.array([state[i][0]], np.float32), np.array([place]),
                                  np.zeros((1, CHANNELS), np.float32), np.zeros(1, int), "any", sample_hash, "any", author,
                                  source, 0.0, weights=np.array([state[i][1]], np.float32)))
    memory.add(batches)
    return memory


def assert_equal(memory: Memory, model: Model) -> None:
    """Compare everything that can be read of the newest version (without novelty pruning)."""
    ids = np.array(sorted(model.state), np.int64)
    assert memory.ids.tolist() == sorted(model.active) and memory.stored == len(ids)
    assert [key.tobytes() for key in memory.keys(ids)] == [model.base[i][0] for i in ids]
    assert [tuple(label) for label in memory.labels(ids).tolist()] == [model.state[i][0] for i in ids]
    assert memory.weights(ids).tolist() == [model.state[i][1] for i in ids]
    assert [tuple(place) for place in memory.coordinates(ids).tolist()] == [model.base[i][1] for i in ids]
    assert [p.source for p in memory.provenance(ids)] == [model.base[i][3] for i in ids]
    fresh = rebuilt(model, model.state)
    assert memory.version == fresh.version
    assert sorted(memory.ties(ids)) == sorted(fresh.ties(fresh.select()))
