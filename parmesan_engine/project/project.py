"""The facade: open a folder, label, predict, ask why, correct, take back. Thread-safe; one gesture is one version.

    NAME/project.json      name, task at the start, encoder recipe, novelty
    NAME/samples/          copies of the samples (see `samples`)
    NAME/memory/           the durable, versioned memory
    NAME/cache/            features of samples, made again when they are gone (see `features`)
"""

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from parmesan_engine.device import device_of
from parmesan_engine.encoders import ENCODERS
from parmesan_engine.errors import EmptyMemoryError, FormatError, ShapeError, StoreError
from parmesan_engine.gestures import Stroke
from parmesan_engine.insight import Explanation, explain
from parmesan_engine.memory import Memory, VersionRecord
from parmesan_engine.predictor import EXACT
from parmesan_engine.project import classes, forgetting, importing, painting
from parmesan_engine.project.class_view import class_view
from parmesan_engine.project.description import new_description, read_description, task_of, update_description, write_description
from parmesan_engine.project.features import FeatureCache, adapt
from parmesan_engine.project.fitting import fit_metric
from parmesan_engine.project.gesture import GestureResult, commit
from parmesan_engine.project.leftovers import sweep
from parmesan_engine.project.live import Live, Progress
from parmesan_engine.project.samples import SampleRecord, SampleStore
from parmesan_engine.project.snapshot import Snapshot
from parmesan_engine.project.truth import drop_truth
from parmesan_engine.project.upkeep import Upkeep
from parmesan_engine.project.verified import unverify_sample
from parmesan_engine.registry import pinned, recipe_of
from parmesan_engine.resample import Box
from parmesan_engine.types import EntryBatch, MemoryDelta, Prediction, Sample, TaskSpec


class Project:
    """One folder of labelling work. Make one with `Project.create` or `Project.open`, close it when done.

    All samples of a project have the same number of spatial axes, and as many channels as the first one.
    """

    def __init__(self, path: str | Path, *, device: str = "cpu") -> None:
        self.path, self.device = Path(path), str(device_of(device))
        self.lock = threading.RLock()  # held by every verb
        self._description = read_description(self.path)
        self.name = self._description["name"]
        recipe = self._description["encoder"]  # where to compute is this machine's choice, not the project's
        self.encoder = ENCODERS.build({**recipe, "keywords": {**recipe["keywords"], "device": device}})
        self.store = SampleStore(self.path / "samples")
        self.memory: Memory | None = None
        self.live: Live | None = None
        self.features: FeatureCache | None = None
        self._upkeep = Upkeep(self.lock)
        sweep(self.path)
        if Memory.is_at(self.path / "memory"):
            self._open_memory()
        elif first := next(iter(self.store.records()), None):  # a process was killed while it made the memory
            self._ensure_memory(first)

    @classmethod
    def create(cls, path: str | Path, *, name: str, task: TaskSpec, encoder: str = "filter_bank", novelty: float = 0.0,
               keys: str = "float32", device: str = "cpu") -> "Project":
        """Make a new project folder. Raises FormatError when there is one already, UnknownNameError.

        encoder: a recipe as text (see `Registry.parse`), as "backbone:model=FOLDER"; novelty, keys: see `Memory.create`.
        """
        path = Path(path)
        if (path / "project.json").exists():
            raise FormatError("a new folder", f"{path}, which holds a project", "open it, or choose another folder")
        device_of(device)  # raises before a folder is made
        recipe = recipe_of(pinned(ENCODERS.build(ENCODERS.parse(encoder))))
        write_description(path, new_description(name, task, recipe, novelty, keys))
        return cls(path, device=device)

    @classmethod
    def open(cls, path: str | Path, *, device: str = "cpu") -> "Project":
        """Open an existing project folder. Raises FormatError, VersionError, StoreError."""
        return cls(path, device=device)

    def close(self) -> None:
        """Release the files. The project must not be used afterwards."""
        self._upkeep.join()
        with self.lock:
            if self.memory is not None:
                self.memory.close()
            self.memory = self.live = self.features = None

    def __enter__(self) -> "Project":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @property
    def task(self) -> TaskSpec:
        return self.memory.task if self.memory is not None else task_of(self._description)

    @property
    def version(self) -> str:
        """The version of the memory; empty before the first sample."""
        return self.memory.version if self.memory is not None else ""

    def __len__(self) -> int:
        return len(self.memory) if self.memory is not None else 0

    # Samples

    def samples(self) -> list[SampleRecord]:
        """Return the samples, in the order in which they came."""
        return self.store.records()

    def add_sample(self, sample: Sample, *, origin: str = "path") -> SampleRecord:
        """Store a copy of a sample. Raises ShapeError when it does not fit the samples that are there."""
        with self.lock:
            first = next(iter(self.store.records()), None)
            if first and sample.spatial_dims != first.spatial_dims:
                raise ShapeError(f"{first.spatial_dims} spatial axes, as in {first.name}",
                                 f"{sample.spatial_dims} in {sample.name}", "make another project for such samples")
            if self.live:
                adapt(sample, self.live.sample_channels)  # raises when it cannot be adapted
            record = self.store.add(sample, origin=origin, time=time.time())
            self._ensure_memory(record)
            return record

    def import_file(self, path: str | Path, *, origin: str = "path") -> SampleRecord:
        """Read a file or folder, store a copy of each time point, and return the first.

        Raises FormatError, LimitError, ShapeError; then nothing is stored.
        """
        return importing.import_frames(self, path, origin=origin)[0]

    def import_bytes(self, name: str, data: bytes) -> SampleRecord:
        """As `import_file`, for an upload. Only the last part of `name` is used."""
        return importing.import_uploads(self, [(name, data)])[0]

    def read_sample(self, sample_id: str) -> Sample:
        return self.store.read(sample_id)

    def remove_sample(self, sample_id: str, *, by: str = "local") -> dict | None:
        """Delete a sample and unlearn every example from it; return the receipt, None when there were no examples."""
        with self.lock:
            self.store.record(sample_id)
            known = self.memory is not None and len(self.memory.select(sample=sample_id, removed=True))
            receipt = self.forget(sample=sample_id, by=by) if known else None
            self.store.remove(sample_id)
            unverify_sample(self.path, sample_id)
            drop_truth(self.path, sample_id)
            if self.live:
                self.live.forget_sample(sample_id)
            return receipt

    # Labelling

    def annotate(self, sample_id: str, strokes: list[Stroke], *, author: str = "local", gesture_id: str = "",
                 source: str = "strokes", progress: Progress = None) -> GestureResult:
        """Turn strokes into examples: one gesture, one version. A gesture id that is known already does nothing again.

        Painting over an example of the same sample replaces it; an eraser removes it. Raises FormatError, UnknownNameError.
        """
        with self.lock:
            start = time.perf_counter()
            record = self.store.record(sample_id)
            gesture = gesture_id or uuid.uuid4().hex[:16]
            self.catch_up()
            self._require_memory()
            pyramid = self.features.get(sample_id, progress)
            return commit(self, lambda memory: painting.paint(memory, pyramid, record, strokes, gesture=gesture, author=author,
                                                              source=source, now=time.time(), locked=self.class_view()["locked"]),
                          gesture=gesture, author=author, start=start)

    def commit(self, batches: list[EntryBatch], *, author: str = "local") -> MemoryDelta:
        """Add prepared entries as one version and fit the metric to the memory that results."""
        with self.lock:
            delta = self._require_memory().add(batches, author=author)
            self.live.refit()
            return delta

    def painted(self, sample_id: str, *, box: Box | None = None) -> np.ndarray:
        """Return (*spatial) int16, of a box if given: the class id where there is an example, -1 elsewhere (values: 0 where one is)."""
        with self.lock:
            record = self.store.record(sample_id)
            return painting.painted(self._require_memory(), record, self.stride(sample_id), box)

    def stride(self, sample_id: str) -> tuple[int, ...]:
        """Return how many pixels a node spans along each axis of a sample."""
        return self.encoder.strides_for(self.store.record(sample_id).spatial_shape)

    # Predicting and asking why

    def predict(self, sample_id: str, *, version: str | None = None, box: Box | None = None, progress: Progress = None) -> Prediction:
        """Return the prediction of a sample, by the current memory or an older version, whole or of a box ((start, stop) per axis).

        Raises EmptyMemoryError, UnknownNameError, VersionError, ShapeError.
        """
        with self.lock:
            return self._ready(sample_id).predict(sample_id, self._past(version), box, progress)

    def overview(self, sample_id: str, *, version: str | None = None, progress: Progress = None) -> Prediction:
        """Return the prediction of a sample with one value per node (see `stride`): cheap however large the sample is."""
        with self.lock:
            return self._ready(sample_id).overview(sample_id, self._past(version), progress)

    def snapshot(self, version: str | None = None) -> Snapshot:
        """Return one version to predict from without holding the project's lock. Raises EmptyMemoryError, VersionError."""
        with self.lock:
            memory = self._require_memory()
            view, live = memory.checkout(version or memory.version), self.live
            metric = live.predictor().metric if len(memory) else None
        return Snapshot(view, metric or fit_metric(view, live.groups, view.task), self.features, live.index)

    def predict_sample(self, sample: Sample, progress: Progress = None) -> Prediction:
        """Return the prediction of a sample without storing it. Raises EmptyMemoryError, ShapeError."""
        with self.lock:
            self._require_memory()
            return self.live.predict_once(sample, progress)

    def explain(self, sample_id: str, at: tuple[int, ...], *, top: int = 8) -> Explanation:
        """Return which examples decided one pixel. Raises ShapeError, EmptyMemoryError."""
        with self.lock:
            return explain(self._ready(sample_id).ready(sample_id), sample_id, tuple(at), top=top)

    def explain_sample(self, sample: Sample, at: tuple[int, ...], *, top: int = 8) -> Explanation:
        """Return which examples decided one pixel of a sample that is not stored."""
        with self.lock:
            self._require_memory()
            return self.live.explain_once(sample, tuple(at), top)

    # Classes

    def add_class(self, name: str, color: tuple[int, int, int], *, author: str = "local") -> int:
        """Add a class and return its id. Nothing is retrained. Raises FormatError."""
        self.set_task(lambda task: classes.with_class(task, name, color), author)
        return classes.class_id(self.task, name)

    def rename_class(self, index: int, name: str, *, author: str = "local") -> None:
        """Give a class another name. Raises UnknownNameError, FormatError."""
        self.set_task(lambda task: classes.renamed(task, index, name), author)

    def recolor_class(self, index: int, color: tuple[int, int, int], *, author: str = "local") -> None:
        """Give a class another colour. Raises UnknownNameError, FormatError."""
        self.set_task(lambda task: classes.recolored(task, index, color), author)

    def set_task(self, change: Callable[[TaskSpec], TaskSpec], author: str = "local") -> None:
        """Change the list of classes by a function from task to task, as one version."""
        with self.lock:
            if self.memory is None:
                self._description = update_description(self.path, task=asdict(change(task_of(read_description(self.path)))))
            else:
                self._change(lambda memory: memory.set_task(change, author=author))

    def class_view(self) -> dict[str, list[int]]:
        """Return {"order", "locked", "hidden"}, lists of class ids: how the classes are shown."""
        return class_view(self)

    # Taking back

    def forget(self, *, source: str | None = None, sample: str | None = None, author: str | None = None,
               before: float | None = None, gesture: str | None = None, ids: np.ndarray | None = None, purge: bool = True,
               by: str = "local") -> dict:
        """Take examples back and return the receipt. purge: for good, from the history and the files too.

        What a forgotten gesture had painted over comes back, as if the gesture had never been. Raises UnknownNameError.
        """
        with self.lock:
            memory = self._require_memory()
            receipt, delta, purged = forgetting.forget(memory, source=source, sample=sample, author=author, before=before,
                                                       gesture=gesture, ids=ids, purge=purge, by=by)
            self.live.follow(delta)
            for sample_id in purged:  # the features of a labelled place are its example's: they must go too
                self.features.drop(sample_id)
            return receipt

    def undo(self, *, author: str = "local", gesture: str = "") -> MemoryDelta:
        """Take back the newest change. gesture: id kept in the history. Raises VersionError when there is none."""
        return self._change(lambda memory: memory.undo(author=author, gesture=gesture))

    def redo(self, *, author: str = "local", gesture: str = "") -> MemoryDelta:
        """Do again what was undone last. gesture: id kept in the history. Raises VersionError when there is nothing."""
        return self._change(lambda memory: memory.redo(author=author, gesture=gesture))

    def restore(self, version: str, *, author: str = "local") -> MemoryDelta:
        """Make a new version with the content of an old one. Raises VersionError."""
        return self._change(lambda memory: memory.restore(version, author=author))

    def refresh(self) -> MemoryDelta | None:
        """Take up what other processes have committed; None while there is no memory yet."""
        with self.lock:
            if self.memory is None:
                self._description = read_description(self.path)
                if "sample" not in self._description or not Memory.is_at(self.path / "memory"):
                    return None
                self._open_memory()
            return self._change(lambda memory: memory.refresh())

    def catch_up(self) -> None:
        """As `refresh`, only where another process has committed: cheap enough for every gesture."""
        with self.lock:
            if self.memory is None or self.memory.behind:
                self.refresh()

    def history(self) -> list[VersionRecord]:
        """Return the versions, oldest first."""
        return self.memory.history() if self.memory is not None else []

    def verify(self) -> list[str]:
        """Return what is wrong with the stored memory and samples; empty when all is well."""
        with self.lock:
            problems = self.memory.verify() if self.memory is not None else []
            known = {record.id for record in self.store.records()}
            used = {row.sample_id for row in self.memory.provenance(painting.one_of_each_sample(self.memory))} if len(self) else set()
            problems += [f"sample {sample_id}: has examples, but its copy is gone" for sample_id in sorted(used - known)]
            return problems + [problem for record in self.store.records() for problem in self.store.problems_of(record)]

    def refit(self, progress: Progress = None) -> dict:
        """Fit the metric to all present examples; return `metric_state`."""
        with self.lock:
            self._require_memory()
            self.live.refit(progress)
            return self.metric_state()

    def refit_when_due(self) -> bool:
        """Fit the metric anew beside the work when the memory has outgrown it, then an approximate index; return whether that goes on.

        The work reads one version and takes no lock: strokes go on meanwhile, and it is adopted when it is done.
        """
        with self.lock:
            return self.live is not None and self._upkeep.start(self.live)

    def metric_state(self) -> dict:
        """Return {id, fitted_on, entries_then, entries_now, stale, due}: how far the memory has moved on since the fit."""
        with self.lock:
            if not len(self):
                return {"id": "", "fitted_on": "", "entries_then": 0, "entries_now": 0, "stale": False, "due": False}
            metric = self.live.predictor().metric
            return {"id": metric.id, "fitted_on": self.live.fitted_on, "entries_then": metric.fitted,
                    "entries_now": len(self), "stale": self.live.fitted_on != self.version,
                    "due": self._upkeep.due(self.live)}

    # Inside

    def _change(self, verb) -> MemoryDelta:
        with self.lock:
            delta = verb(self._require_memory())
            self.live.follow(delta)
            return delta

    def _ready(self, sample_id: str) -> Live:
        self.store.record(sample_id)
        self._require_memory()
        return self.live

    def _past(self, version: str | None) -> str | None:
        return None if version == self.version else version

    def _require_memory(self) -> Memory:
        if self.memory is None:
            raise EmptyMemoryError("a project with a sample", "an empty project", "import a sample first")
        return self.memory

    def _ensure_memory(self, record: SampleRecord) -> None:
        if self.memory is None:
            channels = self.encoder.channels_of(record.channels, record.spatial_dims)
            self._description = update_description(self.path, sample={"channels": record.channels, "dims": record.spatial_dims})
            try:
                Memory.create(self.path / "memory", channels=channels, task=self.task, encoder=self._description["encoder"],
                              novelty=self._description["novelty"], keys=self._description.get("keys", "float32")).close()
            except StoreError:
                if not Memory.is_at(self.path / "memory"):  # else another process was quicker
                    raise
            self._open_memory()

    def _open_memory(self) -> None:
        self.memory = Memory.open(self.path / "memory")
        kind = self._description["sample"]
        self.features = FeatureCache(self.path / "cache", self.encoder, self.store, kind["channels"])
        self.live = Live(self.memory, self.features, kind["dims"], self.device,
                         self._description.get("search", EXACT))
