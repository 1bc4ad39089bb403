"""Exports: what the files say is what the project predicts; opened by readers that are not ours."""

import csv
import json
import threading
import zipfile

import nibabel
import nrrd
import numpy as np
import pytest
import tifffile
from PIL import Image
from pycocotools.coco import COCO
from shapely.geometry import shape

from parmesan_engine.errors import EmptyMemoryError, FormatError, StoreError, UnknownNameError
from parmesan_engine.gestures import Stroke
from parmesan_engine.jobs import Jobs
from parmesan_engine.project import Project, answers
from parmesan_engine.project.exporting import WHAT, Plan, default_classes, export, forms, offered
from parmesan_engine.types import Sample, TaskSpec
from tests.helpers import TASK, VALUES, sample
from tests.project.painter import files_of, new_project, picture, teach

EVERYTHING = ("labels", "probabilities", "doubt", "examples", "coco", "geojson", "objects", "regions")
AFFINE = np.asarray([[0.5, 0, 0, -3], [0, 0.5, 0, 4], [0, 0, 2, 5], [0, 0, 0, 1.0]])


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_everything_of_a_picture_says_what_the_project_predicts(project, tmp_path):
    ids = [record.id for record in project.samples()]
    result = export(project, tmp_path / "out", Plan(EVERYTHING))
    about = json.loads((tmp_path / "out" / "export.json").read_text(encoding="utf-8"))
    assert about["version"] == result["version"] == project.version and about["metric"] == project.metric_state()["id"]
    assert [one["id"] for one in about["samples"]] == ids and set(about["what"]) == set(EVERYTHING)
    assert sorted(files_of(tmp_path / "out")) == sorted(
        ["export.json", "coco.json", "objects.csv", "regions.csv", *(name for one in about["samples"] for name in one["files"])])
    coco = COCO(tmp_path / "out" / "coco.json")
    regions, objects = (rows_of(tmp_path / "out" / f"{name}.csv") for name in ("regions", "objects"))
    for one, image in zip(about["samples"], coco.loadImgs(coco.getImgIds()), strict=True):
        want, stem = project.predict(one["id"]), one["name"]
        labels = np.asarray(Image.open(tmp_path / "out" / "labels" / f"{stem}.png"))
        assert np.array_equal(labels, np.where(want.labels < 0, about["unknown"], want.labels))
        assert np.array_equal(tifffile.imread(tmp_path / "out" / "probabilities" / f"{stem}.ome.tif"), want.probabilities)
        assert np.array_equal(tifffile.imread(tmp_path / "out" / "conflict" / f"{stem}.ome.tif"), want.conflict)
        assert np.array_equal(tifffile.imread(tmp_path / "out" / "novelty" / f"{stem}.ome.tif"), want.novelty)
        painted = project.painted(one["id"])
        assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "examples" / f"{stem}.png")), np.where(painted < 0, 255, painted))
        assert (image["sample_id"], image["height"], image["width"]) == (one["id"], *want.labels.shape)
        found = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
        outlines = json.loads((tmp_path / "out" / "outlines" / f"{stem}.geojson").read_text(encoding="utf-8"))["features"]
        table = [row for row in objects if row["sample_id"] == one["id"]]
        assert len(found) == len(outlines) == len(table) > 2
        for label, name in enumerate(TASK.classes):
            mask, mine = want.labels == label, [a for a in found if a["category_id"] == label + 1]
            assert np.array_equal(sum((coco.annToMask(a) for a in mine), np.zeros(mask.shape)), mask)
            assert sum(shape(f["geometry"]).area for f in outlines if f["properties"]["class_id"] == label) == mask.sum()
            assert sum(int(row["pixels"]) for row in table if row["class"] == name) == mask.sum()
            (row,) = (row for row in regions if row["sample_id"] == one["id"] and row["class"] == name)
            assert int(row["pixels"]) == mask.sum() and float(row["fraction"]) == pytest.approx(mask.mean())
            assert float(row["mean_1"]) == pytest.approx(project.read_sample(one["id"]).array[0][mask].mean())


def test_a_zip_holds_the_same_as_a_folder(project, tmp_path):
    plan = Plan(("labels", "objects", "geojson", "probabilities"))
    export(project, tmp_path / "out", plan)
    export(project, tmp_path / "out.zip", plan)
    with zipfile.ZipFile(tmp_path / "out.zip") as packed:
        assert packed.testzip() is None
        folder = {name: (tmp_path / "out" / name).read_bytes() for name in files_of(tmp_path / "out") if name != "export.json"}
        assert {name: packed.read(name) for name in packed.namelist() if name != "export.json"} == folder


@pytest.fixture
def volumes(tmp_path):
    project = Project.create(tmp_path / "volumes", name="volumes", task=TASK)
    one = sample(3, shape=(10, 24, 20))
    record = project.add_sample(Sample(one.array, "scan.nii.gz", (2.0, 0.5, 0.5), "mm", AFFINE))
    for label, (x, y) in enumerate(((3, 3), (9, 9), (18, 9))):
        stroke = Stroke("brush", ((x, y), (x, y + 4)), radius=1.5, label=label, axis=0, index=4)
        project.annotate(record.id, [stroke])
    yield project
    project.close()


@pytest.mark.parametrize("form", forms(3))
def test_a_volume_keeps_its_place_in_the_world(volumes, tmp_path, form):
    (record,) = volumes.samples()
    want = volumes.predict(record.id)
    export(volumes, tmp_path / "out", Plan(("labels", "probabilities", "coco", "geojson", "objects"), form, physical=True))
    stored = np.where(want.labels < 0, 255, want.labels)
    (path,) = (tmp_path / "out" / "labels").iterdir()
    (shares,) = (tmp_path / "out" / "probabilities").iterdir()
    if form == "nifti":
        assert np.array_equal(np.asarray(nibabel.load(path).dataobj).T, stored) and np.allclose(nibabel.load(path).affine, AFFINE)
        assert np.array_equal(np.asarray(nibabel.load(shares).dataobj).T, want.probabilities)
    elif form == "nrrd":
        data, header = nrrd.read(str(path))
        assert np.array_equal(data.T, stored) and np.array_equal(header["space directions"].T, AFFINE[:3, :3])
    elif form == "npy":
        assert np.array_equal(np.load(path), stored) and np.array_equal(np.load(shares), want.probabilities)
    else:
        assert np.array_equal(tifffile.imread(path), stored)
        assert np.array_equal(tifffile.imread(shares), want.probabilities if form == "ome-tiff" else want.probabilities.swapaxes(0, 1))
    coco = COCO(tmp_path / "out" / "coco.json")
    masks = np.zeros((10, 24, 20))
    for image in coco.loadImgs(coco.getImgIds()):
        for annotation in coco.loadAnns(coco.getAnnIds(imgIds=image["id"])):
            masks[image["z"]] += coco.annToMask(annotation) * annotation["category_id"]
    assert np.array_equal(masks, want.labels + 1)
    outlines = json.loads((tmp_path / "out" / "outlines" / "scan.geojson").read_text())
    area = sum(shape(feature["geometry"]).area for feature in outlines["features"])
    assert outlines["about"]["unit"] == "mm" and area == pytest.approx((want.labels >= 0).sum() * 0.25)
    volume = sum(float(row["volume"]) for row in rows_of(tmp_path / "out" / "objects.csv"))
    assert volume == pytest.approx((want.labels >= 0).sum() * 0.5)


def test_slabs_give_the_same_files_bit_for_bit(volumes, tmp_path, monkeypatch):
    plan = Plan(("labels", "probabilities", "doubt", "examples", "objects"))
    export(volumes, tmp_path / "whole", plan)
    monkeypatch.setattr(answers, "SLAB", 24 * 20 * 6 * 3)  # three planes at once
    export(volumes, tmp_path / "slabs", plan)
    names = [name for name in files_of(tmp_path / "whole") if name != "export.json"]
    assert names and all((tmp_path / "whole" / n).read_bytes() == (tmp_path / "slabs" / n).read_bytes() for n in names)


def test_a_signal_gives_arrays_and_intervals(tmp_path):
    with Project.create(tmp_path / "p", name="beats", task=TASK) as project:
        record = project.add_sample(Sample(sample(1).array, "beat", (0.002,), "s"))
        for label, at in enumerate((10, 60, 150)):
            project.annotate(record.id, [Stroke("interval", ((at, 0), (at + 6, 0)), label=label)])
        assert "coco" not in offered(project.task, 1)
        export(project, tmp_path / "out", Plan(("labels", "objects", "regions")))
        labels = project.predict(record.id).labels
        assert np.array_equal(np.load(tmp_path / "out" / "labels" / "beat.npy"), np.where(labels < 0, 255, labels))
        for row in rows_of(tmp_path / "out" / "objects.csv"):
            start, stop = int(row["t_start"]), int(row["t_stop"])
            assert (labels[start:stop] == int(row["class_id"])).all() and float(row["length"]) == pytest.approx(0.002 * (stop - start))
        with pytest.raises(UnknownNameError, match="geojson"):
            export(project, tmp_path / "other", Plan(("geojson",)))


def test_values_have_images_and_their_distribution(tmp_path):
    with Project.create(tmp_path / "p", name="depth", task=VALUES) as project:
        record = project.add_sample(picture())
        for value, at in ((100.0, 5), (900.0, 30)):
            project.annotate(record.id, [Stroke("brush", ((at, 5), (at, 20)), radius=2, value=value)])
        export(project, tmp_path / "out", Plan(("values", "doubt", "regions")))
        values = project.predict(record.id).values
        assert np.array_equal(tifffile.imread(tmp_path / "out" / "values" / f"{record.name}.ome.tif"), values, equal_nan=True)
        (row,) = rows_of(tmp_path / "out" / "regions.csv")
        assert row["unit"] == "mm" and float(row["mean"]) == pytest.approx(np.nanmean(values), rel=1e-5)
        with pytest.raises(UnknownNameError, match="labels"):
            export(project, tmp_path / "other", Plan(("labels",)))


def test_an_older_version_is_exported_as_it_was(project, tmp_path):
    (_, second), old = [record.id for record in project.samples()], project.version
    want = project.predict(second).labels
    project.annotate(second, [Stroke("brush", ((5, 5), (40, 40)), radius=6, label=2)])
    assert export(project, tmp_path / "out", Plan(("labels",)), samples=[second], version=old)["version"] == old
    (path,) = (tmp_path / "out" / "labels").iterdir()
    assert np.array_equal(np.asarray(Image.open(path)), np.where(want < 0, 255, want))


def test_people_paint_on_while_it_runs(project, tmp_path):
    """The project's lock is free at every report of progress."""
    free = []

    def look(fraction, text):
        other = threading.Thread(target=lambda: free.append(project.lock.acquire(timeout=5) and project.lock.release() is None))
        other.start()
        other.join()

    export(project, tmp_path / "out", Plan(EVERYTHING), progress=look)
    assert len(free) > 8 and all(free)


def test_progress_rises_to_one_and_names_the_sample(project, tmp_path):
    seen = []
    export(project, tmp_path / "out", Plan(EVERYTHING), progress=lambda fraction, text: seen.append((fraction, text)))
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions) and fractions[-1] == 1 and seen[0][1].endswith("(1 of 2)")


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_cancel_leaves_nothing(project, tmp_path, name):
    jobs = Jobs()

    def work(job):
        def report(fraction, text):
            if fraction > 0.6:
                job.cancel()
            job.report(fraction, text)

        return export(project, tmp_path / "exports" / name, Plan(EVERYTHING), progress=report)

    assert jobs.start("export", work).wait(60).state == "cancelled"
    jobs.close()
    assert list((tmp_path / "exports").iterdir()) == []


def test_classes_and_smallest_objects_are_as_asked(project, tmp_path):
    export(project, tmp_path / "out", Plan(("objects", "coco"), classes=("blob",), smallest=20))
    rows = rows_of(tmp_path / "out" / "objects.csv")
    assert rows and {row["class"] for row in rows} == {"blob"} and min(int(row["pixels"]) for row in rows) >= 20
    assert [c["name"] for c in json.loads((tmp_path / "out" / "coco.json").read_text())["categories"]] == ["blob"]
    background = TaskSpec("segmentation", ("Background", "cell", "old"), ((0, 0, 0),) * 3, retired=(2,))
    assert default_classes(background) == [1]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1+1"])
def test_no_name_is_a_formula_in_a_table(tmp_path, name):
    task = TaskSpec("segmentation", (name, "b", "c"), ((0, 0, 0),) * 3)
    with Project.create(tmp_path / "p", name="p", task=task) as project:
        teach(project, project.add_sample(picture(0, name=name)).id)
        export(project, tmp_path / "out", Plan(("objects", "regions")))
    rows = rows_of(tmp_path / "out" / "objects.csv") + rows_of(tmp_path / "out" / "regions.csv")
    assert {row["sample"] for row in rows} == {f"'{name}"} and {row["class"] for row in rows} == {f"'{name}", "b", "c", "unknown"}


def test_names_are_safe_and_different(tmp_path):
    project = Project.create(tmp_path / "p", name="p", task=TASK)
    names = ["../../evil.png", "a/b:c.png", "Same.png", "same.tif", "..."]
    ids = [project.add_sample(picture(seed, name=name)).id for seed, name in enumerate(names)]
    teach(project, ids[0])
    export(project, tmp_path / "deep" / "out", Plan(("labels",)))
    found = sorted(path.name for path in (tmp_path / "deep" / "out" / "labels").iterdir())
    assert found == sorted(["evil.png", "b_c.png", f"Same-{ids[2][:8]}.png", f"same-{ids[3][:8]}.png", "sample.png"])
    assert {path.name for path in tmp_path.iterdir()} == {"p", "deep"} and len(list((tmp_path / "deep").iterdir())) == 1
    project.close()


@pytest.mark.parametrize("plan, error", [
    (Plan(()), UnknownNameError), (Plan(("labels", "masks")), UnknownNameError), (Plan(("labels",), "jpeg"), FormatError),
    (Plan(("objects",), classes=("nobody",)), UnknownNameError), (Plan(("objects",), classes=()), UnknownNameError),
    (Plan(("objects",), smallest=0), FormatError)])  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_is_written(project, tmp_path, plan, error):
    with pytest.raises(error):
        export(project, tmp_path / "out", plan)
    assert not (tmp_path / "out").exists()


def test_no_samples_no_examples_no_room(project, tmp_path, monkeypatch):
    with pytest.raises(FormatError, match="sample"):
        export(project, tmp_path / "out", Plan(("labels",)), samples=[])
    with pytest.raises(UnknownNameError):
        export(project, tmp_path / "out", Plan(("labels",)), samples=["0" * 16])
    monkeypatch.setattr(answers, "_SPARE", 2**60)
    with pytest.raises(StoreError, match="GiB free"):
        export(project, tmp_path / "out", Plan(("labels",)))
    empty, _ = new_project(tmp_path / "empty")
    with pytest.raises(EmptyMemoryError):
        export(empty, tmp_path / "out", Plan(("labels",)))
    empty.close()
    assert not list(tmp_path.glob("*out*"))


def test_every_kind_is_explained():
    assert set(WHAT) == set(offered(TASK, 2)) | set(offered(VALUES, 2)) and set(offered(TASK, 3)) == set(EVERYTHING)
    assert [forms(dims)[0] for dims in (1, 2, 3)] == ["npy", "png", "nifti"]
