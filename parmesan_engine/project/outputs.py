"""The kinds of files that an export can hold. Each takes the answers one by one; those that gather all samples end in `finish`."""

import csv
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from parmesan_engine.io import FORMATS, write_labels, write_map, write_probabilities, write_values
from parmesan_engine.io.archive import Archive
from parmesan_engine.project.answers import Answer
from parmesan_engine.project.samples import SampleRecord
from parmesan_engine.regions import VALUE_COLUMNS, class_rows, coco_annotations, columns, features, object_rows, value_row
from parmesan_engine.types import TaskSpec

TICK = 500  # lines between two looks at whether the work was cancelled
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # what a cell starts with that spreadsheets take for a formula
Tick = Callable[[], None]


@dataclass(frozen=True)
class Setting:
    """What all outputs of one export share. classes: ids of those that make objects; channels: names for the tables."""

    archive: Archive
    task: TaskSpec
    dims: int
    form: str
    classes: Sequence[int]
    channels: Sequence[str]
    physical: bool


class Output:
    """One kind of output. `needs`: the arrays of an `Answer` that it reads."""

    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    def take(self, answer: Answer, record: SampleRecord, stem: str, tick: Tick) -> None:
        """Write what one sample gives. `tick` raises when the work was cancelled."""
        raise NotImplementedError

    def finish(self) -> None:
        """Write what all samples together give."""

    def close(self) -> None:
        """Let go of what is open, also after an error."""

    def image(self, folder: str, stem: str, write: Callable[[Path], None], *, shares: bool = False) -> None:
        """Add an image file; PNG cannot hold shares, so those become OME-TIFF."""
        form = "ome-tiff" if shares and self.setting.form == "png" else self.setting.form
        self.setting.archive.add(f"{folder}/{stem}{FORMATS[form]}", write)


class Labels(Output):
    needs = ("labels",)

    def take(self, answer: Answer, record: SampleRecord, stem: str, tick: Tick) -> None:
        self.image("labels", stem, lambda path: write_labels(path, answer.labels, answer.sample, answer.task))


class Values(Output):
    needs = ("values",)

    def take(self, answer: Answer, record: SampleRecord, stem: str, tick: Tick) -> None:
        self.image("values", stem, lambda path: write_values(path, answer.values, answer.sample, answer.task), shares=True)


class Probabilities(Output):
    needs = ("probabilities",)

    def take(self, answer: Answer, record: SampleRecord, stem: str, tick: Tick) -> None:
        def write(path: Path) -> None:
            write_probabilities(path, answer.probabilities, answer.sample, answer.task)

        self.image("probabilities", stem, write, shares=True)


class Doubt(Output):
    needs = ("conflict", "novelty")

    def take(self, answer: Answer, record: SampleRecord, stem: str, tick: Tick) -> None:
        for name in self.needs:
            values = getattr(answer, name)
            self.image(name, stem, lambda path, values=values: write_map(path, values, answer.sample), shares=True)


class Examples(Output):
    needs = ("examples",)

    def take(self, answer: Answer, record: SampleRecord, stem: str, tick: Tick) -> None:
        self.image("examples", stem, lambda path: write_labels(path, answer.examples, answer.sample, answer.task))


class Outlines(Output):
    needs = ("labels",)

    def take(self, answer: Answer, record: SampleRecord, stem: str, tick: Tick) -> None:
        physical = self.setting.physical and record.spacing is not None
        about = {"sample": record.name, "sample_id": record.id, "unit": record.unit if physical else "px",
                 "spacing": record.spacing, "spacing_unit": record.unit}  # fmt: skip
        found = features(answer.objects, answer.task, record.spacing if physical else None)
        self.setting.archive.add(f"outlines/{stem}.geojson", lambda path: self._write(path, about, found, tick))

    def _write(self, path: Path, about: dict[str, Any], found: Iterable[dict[str, Any]], tick: Tick) -> None:
        """One feature a line; `about` goes beside them."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'{{"type": "FeatureCollection", "about": {_json(about)}, "features": [')
            for number, feature in enumerate(found):
                if number % TICK == 0:
                    tick()
                file.write(("," if number else "") + "\n" + _json(feature))
            file.write("\n]}\n")


class Coco(Output):
    """One file: pictures, and planes of volumes, as images; objects as annotations with compressed run lengths."""

    needs = ("labels",)

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._path = setting.archive.scratch / "coco.json"
        self._images: list[dict[str, Any]] = []
        self._count = 0
        self._file = open(self._path, "w", encoding="utf-8")  # noqa: SIM115  (by `close`)
        kinds = [{"id": label + 1, "name": setting.task.classes[label], "supercategory": ""} for label in setting.classes]
        self._file.write(f'{{"info": {{"description": "made by PARMESAN Studio"}}, "categories": {_json(kinds)}, "annotations": [')

    def take(self, answer: Answer, record: SampleRecord, stem: str, tick: Tick) -> None:
        objects = answer.objects
        planes = [(None, objects.index)] if objects.index.ndim == 2 else enumerate(objects.index)
        for z, plane in planes:
            image = {"id": len(self._images) + 1, "file_name": record.name, "width": plane.shape[1], "height": plane.shape[0],
                     "sample_id": record.id} | ({} if z is None else {"z": z})  # fmt: skip
            self._images.append(image)
            for annotation in coco_annotations(plane, objects.classes):
                if self._count % TICK == 0:
                    tick()
                self._file.write(",\n" if self._count else "\n")
                self._count += 1
                self._file.write(_json({"id": self._count, "image_id": image["id"], **annotation}))

    def finish(self) -> None:
        self._file.write(f'\n], "images": {_json(self._images)}}}\n')
        self._file.close()
        self.setting.archive.add("coco.json", self._path.replace)

    def close(self) -> None:
        self._file.close()


class Table(Output):
    """A CSV file whose rows name their sample. NaN and None are empty cells; names that a spreadsheet would compute get a '."""

    needs = ("labels",)
    name: ClassVar[str]

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._path = setting.archive.scratch / self.name
        self._file = open(self._path, "w", encoding="utf-8", newline="")  # noqa: SIM115  (by `close`)
        self._writer = csv.DictWriter(self._file, ["sample", "sample_id", *self.columns()])
        self._writer.writeheader()

    def columns(self) -> Sequence[str]:
        raise NotImplementedError

    def rows(self, answer: Answer) -> Iterable[dict[str, Any]]:
        raise NotImplementedError

    def take(self, answer: Answer, record: SampleRecord, stem: str, tick: Tick) -> None:
        for number, row in enumerate(self.rows(answer)):
            if number % TICK == 0:
                tick()
            full = {"sample": record.name, "sample_id": record.id} | row
            self._writer.writerow({name: _cell(value) for name, value in full.items()})

    def finish(self) -> None:
        self._file.close()
        self.setting.archive.add(self.name, self._path.replace)

    def close(self) -> None:
        self._file.close()


class ObjectTable(Table):
    name = "objects.csv"

    def columns(self) -> Sequence[str]:
        return ["object", "class_id", "class", *columns(self.setting.dims, self.setting.channels)]

    def rows(self, answer: Answer) -> Iterable[dict[str, Any]]:
        return object_rows(answer.objects, answer.sample, answer.task, self.setting.channels)


class ClassTable(Table):
    name = "regions.csv"

    def columns(self) -> Sequence[str]:
        return ["class_id", "class", *columns(self.setting.dims, self.setting.channels)]

    def rows(self, answer: Answer) -> Iterable[dict[str, Any]]:
        return class_rows(answer.labels, answer.sample, answer.task, self.setting.channels)


class ValueTable(Table):
    needs = ("values",)
    name = "regions.csv"

    def columns(self) -> Sequence[str]:
        return VALUE_COLUMNS

    def rows(self, answer: Answer) -> Iterable[dict[str, Any]]:
        return [value_row(answer.values, answer.task)]


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULAS):
        return f"'{value}"
    return "" if isinstance(value, float) and math.isnan(value) else value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
