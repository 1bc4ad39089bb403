"""What came of a stream: a record for each method, seed and step, and what they say together. Goes to JSON and back."""

import base64
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from parmesan_engine.continual import measures
from parmesan_engine.errors import FormatError

ARRAYS = {"int16": np.int16, "float16": np.float16, "uint8": np.uint8}  # what a file may hold
MOST_BYTES = 1 << 24  # of one picture
MEASURES = {"average": measures.average, "forgetting": measures.forgetting, "backward_transfer": measures.backward_transfer,
            "forward_transfer": measures.forward_transfer}


@dataclass(frozen=True)
class StepRecord:
    """What a method could do after a step. One more may follow the last step, with `step` = number of steps: a step was unlearned.

    method: its recipe as text; step: from 0; name: of the experience, or "without NAME".
    scores: one for each experience, in [0, 1], None where nothing of it was taught yet; raw: the same in their own units,
    {"miou", "iou": {class: x}} or {"rmse", "unknown"}.
    absorb_seconds: from the first to the last word of the method on this step, without encoding; encode_seconds: of the features that
    it learned from in this step, 0 for a method without an encoder. bytes: all that it keeps. query_ms: of predicting one sample,
    without encoding, which takes query_encode_ms. peak_bytes: see `peak.py`; None where it cannot be measured. answers: (h, w) for
    each picture of `Outcome.strip`, int16 class ids (-1 unknown) or float16 values (NaN unknown).
    """

    method: str
    seed: int
    step: int
    name: str
    scores: list[float | None]
    raw: list[dict[str, Any]]
    absorb_seconds: float
    encode_seconds: float
    bytes: int
    query_ms: float
    peak_bytes: int | None
    note: str = ""
    answers: list[np.ndarray] = field(default_factory=list)
    query_encode_ms: float = 0.0


@dataclass(frozen=True)
class Picture:
    """A held-back sample that is shown after every step. picture: (h, w, 3) uint8; truth: (h, w) as the answers; task: a name."""

    name: str
    experience: str
    task: str
    picture: np.ndarray
    truth: np.ndarray


@dataclass(frozen=True)
class Outcome:
    """stream: what was learned, in words and numbers; run: with what; records in the order in which they were made.

    stream: {"name", "kind", "notes", "tasks": {name: {"kind", "classes", "colors", "unit", "display_range"}},
    "steps": [{"name", "task", "classes", "samples", "pixels", "tests"}]}.
    run: {"encoder", "methods", "seeds", "budget": {"asked", "meaning", "bytes": {seed: n}}, "peak": how it was measured,
    "encode_ms_per_query"}.
    """

    stream: dict[str, Any]
    run: dict[str, Any]
    records: tuple[StepRecord, ...] = ()
    strip: tuple[Picture, ...] = ()

    @property
    def steps(self) -> list[str]:
        """The names of the steps."""
        return [step["name"] for step in self.stream["steps"]]

    @property
    def methods(self) -> list[str]:
        """The methods that have a record, in order."""
        return list(dict.fromkeys(record.method for record in self.records))

    def of(self, method: str, seed: int | None = None) -> list[StepRecord]:
        """Return the records of a method, of one seed or of all."""
        return [r for r in self.records if r.method == method and seed in (None, r.seed)]

    def matrix(self, method: str, seed: int | None = None) -> np.ndarray:
        """Return the (steps, steps) result matrix, mean over seeds, NaN where there was nothing to score or a step is not done yet."""
        size = len(self.steps)
        cells: list[list[list[float]]] = [[[] for _ in range(size)] for _ in range(size)]
        for record in self.of(method, seed):
            if record.step < size:
                for column, score in enumerate(record.scores):
                    if score is not None:
                        cells[record.step][column].append(score)
        return np.array([[np.mean(cell) if cell else np.nan for cell in row] for row in cells])

    def summary(self) -> dict[str, dict[str, Any]]:
        """Return {method: measures} of the methods that have gone through all steps, with a seed at least. Scores are means over seeds.

        A measure NAME of the matrix has NAME_std beside it. `absorb_seconds` are of one step, the mean; `bytes` and `query_ms` those after
        the last step, `peak_bytes` the largest of all steps.
        """
        return {method: self._summary(method, seeds) for method in self.methods if (seeds := self._finished(method))}

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as plain JSON values."""
        return plain({"stream": self.stream, "run": self.run, "records": self.records, "strip": self.strip})

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Outcome":
        """Return the outcome that `to_json` gave. Raises FormatError."""
        try:
            return cls(dict(value["stream"]), dict(value["run"]), tuple(record_of(r) for r in value["records"]),
                       tuple(Picture(**{name: _read(part) for name, part in p.items()}) for p in value["strip"]))
        except (KeyError, TypeError, ValueError, AttributeError, zlib.error) as error:
            raise FormatError("the outcome of a stream as JSON", f"{type(error).__name__}: {error}", "run `continual` again") from error

    def joined(self, other: "Outcome") -> "Outcome":
        """Return the records of both, of the same stream with other seeds. The strip is of this one: of the other no answers are kept."""
        budget = {**self.run["budget"], "bytes": {**self.run["budget"]["bytes"], **other.run["budget"]["bytes"]}}
        run = {**self.run, "seeds": [*self.run["seeds"], *other.run["seeds"]], "budget": budget}
        return replace(self, run=run, records=(*self.records, *(replace(r, answers=[]) for r in other.records)))

    def _finished(self, method: str) -> list[int]:
        last = len(self.steps) - 1
        return sorted({record.seed for record in self.of(method) if record.step == last})

    def _summary(self, method: str, seeds: Sequence[int]) -> dict[str, Any]:
        matrices = [self.matrix(method, seed) for seed in seeds]
        records = [r for r in self.of(method) if r.seed in seeds and r.step < len(self.steps)]
        last = [r for r in records if r.step == len(self.steps) - 1]
        summary: dict[str, Any] = {"seeds": len(seeds)}
        for name, measure in MEASURES.items():
            values = [measure(matrix) for matrix in matrices]
            summary |= {name: _known(np.mean(values)), f"{name}_std": _known(np.std(values))}
        peaks = [r.peak_bytes for r in records if r.peak_bytes is not None]
        summary |= {
            "matrix": [[_known(v) for v in row] for row in np.mean(matrices, 0)],
            "absorb_seconds": float(np.mean([r.absorb_seconds for r in records])),
            "absorb_seconds_with_encoding": float(np.mean([r.absorb_seconds + r.encode_seconds for r in records])),
            "bytes": int(np.mean([r.bytes for r in last])), "peak_bytes": max(peaks, default=None),
            "query_ms": float(np.mean([r.query_ms for r in last])),
            "query_ms_with_encoding": float(np.mean([r.query_ms + r.query_encode_ms for r in last])), "note": last[0].note}
        without = [r for r in self.of(method) if r.seed in seeds and r.step == len(self.steps)]
        if without:
            scores = np.array([[np.nan if s is None else s for s in r.scores] for r in without]).mean(0)
            summary["unlearned"] = {"name": without[0].name, "scores": [_known(s) for s in scores],
                                    "seconds": float(np.mean([r.absorb_seconds for r in without]))}
        return summary


def record_of(value: dict[str, Any]) -> StepRecord:
    """Return the record that `plain` wrote. Raises TypeError, ValueError, KeyError for anything else."""
    known = {f.name for f in fields(StepRecord)}
    if set(value) != known:
        raise ValueError(f"fields {', '.join(sorted(known ^ set(value)))}")
    return StepRecord(**{name: _read(part) for name, part in value.items()})


def plain(value: Any) -> Any:
    """Return a record, picture, list or dictionary as plain JSON values: NaN is null, an array its type, shape and packed bytes."""
    if isinstance(value, StepRecord | Picture):
        value = {f.name: getattr(value, f.name) for f in fields(value)}
    if isinstance(value, np.ndarray):
        packed = base64.b64encode(zlib.compress(np.ascontiguousarray(value).tobytes())).decode("ascii")
        return {"dtype": str(value.dtype), "shape": list(value.shape), "packed": packed}
    if isinstance(value, dict):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def _read(value: Any) -> Any:
    """Return what `plain` wrote, with its arrays. An array is not unpacked beyond its size, which is bounded."""
    if isinstance(value, list):
        return [_read(part) for part in value]
    if not isinstance(value, dict) or "packed" not in value:
        return value
    dtype, shape = np.dtype(ARRAYS[value["dtype"]]), tuple(int(n) for n in value["shape"])
    size = dtype.itemsize * math.prod(shape)
    if not 0 <= size <= MOST_BYTES or min(shape, default=0) < 0:
        raise ValueError(f"an array of shape {shape}")
    data = zlib.decompressobj().decompress(base64.b64decode(value["packed"]), size + 1)
    return np.frombuffer(data, dtype).reshape(shape)  # raises where there is less or more


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
