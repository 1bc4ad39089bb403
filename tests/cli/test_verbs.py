"""Every verb on tiny datasets of 1, 2 and 3 axes, classes and values: the keys of architecture.md, and what they say."""

import re

import nibabel
import nrrd
import numpy as np
import pytest
import tifffile
from PIL import Image

from parmesan_engine.cli.main import main
from parmesan_engine.io import FORMATS
from parmesan_engine.project import Project
from tests.cli.runner import good, run
from tests.helpers import SIDES, make_dataset, truth

HOLDS = {1: ("npy", "nrrd"), 2: ("png", "tiff", "ome-tiff", "nifti", "nrrd", "npy"), 3: ("tiff", "ome-tiff", "nifti", "nrrd", "npy")}
ENDING = {1: ".npy", 2: ".png", 3: ".nii.gz"}
LEARN = {"version", "entries_added", "entries_total", "seconds", "encode_seconds"}
EVALUATE = {"task", "samples", "seconds_per_sample", "version"}


@pytest.fixture(scope="module", params=[(d, k) for d in (1, 2, 3) for k in ("segmentation", "regression")], ids=lambda p: f"{p[0]}D-{p[1]}")
def learned(request, tmp_path_factory):
    """Return (dims, kind, dataset, project) after one `learn`."""
    dims, kind = request.param
    folder = tmp_path_factory.mktemp("cli")
    data = make_dataset(folder / "data", dims, kind, train=3)
    assert main(["learn", str(folder / "p"), str(data), "--per-class", "25", "--source", "first", "--by", "ann", "--json"]) == 0
    return dims, kind, data, folder / "p"


def image_of(data, dims):
    return data / "test" / "images" / f"item100{ENDING[dims]}"


def test_learn_says_what_it_learned_and_can_be_undone(learned, capsys, tmp_path):
    dims, kind, data, _ = learned
    result = good(capsys, "learn", tmp_path / "p", data, "--split", "train", "--samples", 2, "--per-class", 5, "--seed", 3)
    assert set(result) >= LEARN and len(result["version"]) == 32 and result["samples"] == 2
    assert result["entries_added"] == result["entries_total"] == (2 * 15 if kind == "segmentation" else 2 * 5)
    assert 0 < result["encode_seconds"] <= result["seconds"]
    with Project.open(tmp_path / "p") as project:
        assert project.version == result["version"] and len(project.samples()) == 2 and project.name == f"tiny {dims}D"
        assert {p.source for p in project.memory.provenance(project.memory.ids)} == {f"tiny {dims}D"}
    again = good(capsys, "learn", tmp_path / "p", data, "--samples", 1, "--per-class", 2, "--source", "more")
    assert again["entries_total"] == result["entries_total"] + again["entries_added"]


def test_evaluate_beats_a_constant_guess(learned, capsys):
    dims, kind, data, project = learned
    result = good(capsys, "evaluate", project, data, "--split", "test")
    assert set(result) >= EVALUATE and result["task"] == kind and result["samples"] == 1 and result["seconds_per_sample"] > 0
    labels = truth(dims, 100)
    if kind == "segmentation":
        assert set(result["iou"]) == set(result["dice"]) == {"ground", "blob", "line"}
        assert result["miou"] > (labels == 0).mean() / 3 + 0.2 and result["miou"] <= result["mean_dice"] <= 1
        assert result["accuracy"] > (labels == 0).mean() - 0.1 and 0 <= result["ece"] < 0.5
    else:
        assert "miou" not in result and result["rmse"] < 0.5 * float((labels * 0.5).std())  # metres
        assert 0 <= result["mae"] <= result["rmse"]


@pytest.mark.parametrize("form", ["png", "tiff", "ome-tiff", "nifti", "nrrd", "npy", None])
def test_predict_writes_every_format_that_can_hold_it(learned, capsys, tmp_path, form):
    dims, kind, data, project = learned
    image, choice = image_of(data, dims), ["--format", form] if form else []
    if form and form not in HOLDS[dims]:
        status, _, errors = run(capsys, "predict", project, image, "--out", tmp_path / "out", *choice, "--json")
        assert status == 2 and len(errors) == 1 and not list((tmp_path / "out").glob("*"))
        return
    result = good(capsys, "predict", project, image, "--out", tmp_path / "out", "--probabilities", *choice)
    assert set(result) == {"version", "metric", "predictions"} and len(result["predictions"]) == 1
    ending = FORMATS[form] if form else ENDING[dims]
    written = tmp_path / "out" / f"item100{ending}"
    assert result["predictions"][0]["output"] == str(written) and result["predictions"][0]["fallbacks"] == []
    if ending == ".png":
        array = np.asarray(Image.open(written))
    elif ending.endswith(".tif"):
        array = tifffile.imread(written)
    elif ending == ".nii.gz":
        array = np.asarray(nibabel.load(written).dataobj).T
    elif ending == ".nrrd":
        array = nrrd.read(str(written))[0].T
    else:
        array = np.load(written, allow_pickle=False)
    array, labels = array.reshape(SIDES[dims]), truth(dims, 100)
    if kind == "segmentation":
        assert (array == labels).mean() > 0.8 and set(np.unique(array)) <= {0, 1, 2, 255}
        shares = np.load(tmp_path / "out" / "item100.probabilities.npy", allow_pickle=False)
        assert shares.shape == (3, *SIDES[dims]) and np.allclose(shares.sum(0), 1, atol=1e-3)
    else:
        assert np.abs(np.nan_to_num(array.astype(float)) - (1000 + 500 * labels)).mean() < 150
        assert not (tmp_path / "out" / "item100.probabilities.npy").exists()


def test_explain_names_the_examples(learned, capsys):
    dims, kind, data, project = learned
    at = [n // 2 for n in SIDES[dims]]
    result = good(capsys, "explain", project, image_of(data, dims), "--at", ",".join(map(str, at)), "--top", 3)
    assert set(result) >= {"prediction", "neighbors", "opponents", "conflict", "novelty"} and len(result["neighbors"]) == 3
    for neighbor in result["neighbors"]:
        assert set(neighbor) >= {"sample", "at", "label", "similarity", "vote", "source", "author", "entry"}
        assert neighbor["sample"].startswith("item") and len(neighbor["at"]) == dims
        assert (neighbor["source"], neighbor["author"]) == ("first", "ann") and 0 <= neighbor["vote"] <= 1
    if kind == "segmentation":
        names = {"ground", "blob", "line"}
        assert result["prediction"] in names and set(result["opponents"]) == names - {result["prediction"]}
        assert all(set(o[0]) == set(result["neighbors"][0]) and o[0]["label"] == name for name, o in result["opponents"].items())
    else:
        assert 1000 <= result["prediction"] <= 2001 and result["opponents"] == {}


def test_history_undo_redo_restore_verify_forget(capsys, tmp_path):
    data, project = make_dataset(tmp_path / "data", 2), tmp_path / "p"
    first = good(capsys, "learn", project, data, "--per-class", 10, "--source", "a", "--by", "ann")["version"]
    second = good(capsys, "learn", project, data, "--per-class", 10, "--source", "b", "--seed", 1, "--by", "ben")["version"]
    versions = good(capsys, "history", project)["versions"]
    assert [v["version"] for v in versions[1:]] == [first, second] and [v["verb"] for v in versions] == ["create", "add", "add"]
    assert all(set(v) >= {"version", "time", "verb", "author", "entries"} for v in versions) and versions[2]["author"] == "ben"
    undone = good(capsys, "undo", project, "--by", "ann")
    assert undone["version"] == first and undone["before"] == second and undone["entries_removed"] > 0
    assert good(capsys, "redo", project)["version"] == second
    assert good(capsys, "restore", project, first[:8])["version"] == first
    assert good(capsys, "undo", project)["version"] == second
    assert good(capsys, "verify", project).items() >= {"ok": True, "version": second, "problems": []}.items()
    result = good(capsys, "forget", project, "--source", "b")
    assert set(result) == {"version", "entries_removed", "receipt"} and result["version"] == first
    assert result["receipt"]["verified"] and result["receipt"]["purged"] and result["entries_removed"] == undone["entries_removed"]
    assert not any(b"ben" in p.read_bytes() for p in project.rglob("*") if p.is_file() and p.suffix != ".npy")
    assert good(capsys, "forget", project, "--author", "ann", "--before", "2999-01-01")["entries_removed"] > 0
    assert good(capsys, "verify", project)["ok"]


def test_verify_reports_damage_with_exit_status_one(capsys, tmp_path):
    data, project = make_dataset(tmp_path / "data", 1), tmp_path / "p"
    good(capsys, "learn", project, data, "--per-class", 10)
    sample = next((project / "samples").glob("*.npy"))
    sample.write_bytes(sample.read_bytes()[:-1] + b"!")
    status, result, _ = run(capsys, "verify", project, "--json")
    assert status == 1 and not result["ok"] and "stored copy has changed" in result["problems"][0]


@pytest.mark.parametrize("kind", ["segmentation", "regression"])
def test_compare_scores_all_methods_on_equal_labels(capsys, tmp_path, kind):
    data = make_dataset(tmp_path / "data", 2, kind, train=3)
    result = good(capsys, "compare", data, "--split", "train", "--eval", data, "--eval-split", "test", "--samples", 3, "--per-class", 20,
                  "--methods", "parmesan,knn,random_forest", "--seeds", "0,1")
    rows = result["results"]
    assert [(r["method"], r["seed"]) for r in rows] == [(m, s) for s in (0, 1) for m in ("parmesan", "knn", "random_forest")]
    score = {"miou", "iou"} if kind == "segmentation" else {"rmse"}
    for row in rows:
        assert set(row) >= score | {"method", "encoder", "seed", "learn_seconds", "encode_seconds", "predict_seconds_per_sample", "bytes"}
        assert row["encoder"] == "filter_bank" and row["bytes"] > 0 and row["entries"] == rows[0]["entries"]
        assert row["miou"] > 0.6 if kind == "segmentation" else row["rmse"] < 0.3


def test_compare_takes_several_encoders_numbers_of_labels_and_shares_and_draws_them(capsys, tmp_path):
    data, chart = make_dataset(tmp_path / "data", 1), tmp_path / "chart.html"
    result = good(capsys, "compare", data, "--encoders", "tiny:gain=0.5,skimage", "--per-class", "2,all", "--shares", "0.5,1", "--methods",
                  "knn", "--chart", chart)
    assert [(r["encoder"], r["per_class"], r["share"]) for r in result["summary"]] == [
        (e, c, s) for e in ("tiny:gain=0.5", "skimage") for c in (2, "all") for s in (0.5, 1.0)]
    assert chart.stat().st_size > 1_000_000 and len(result["results"]) == 8


def test_without_json_people_get_lines(capsys, tmp_path):
    data, project = make_dataset(tmp_path / "data", 1), tmp_path / "p"
    assert main(["learn", str(project), str(data), "--per-class", "5"]) == 0
    assert re.search(r"^entries_added: 30$", capsys.readouterr().out, re.M)
    assert main(["history", str(project)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("versions:\n") and "add" in out and "{" not in out


def test_next_names_places_and_why(learned, capsys):
    dims, _, _, project = learned
    result = good(capsys, "next", project, "--count", 3)
    assert len(result["places"]) == 3 and len(result["version"]) == 32
    for one in result["places"]:
        assert set(one) == {"sample", "sample_id", "at", "reason", "worth", "conflict", "novelty"}
        assert len(one["at"]) == dims and one["reason"] in ("never seen", "examples contradict") and 0 < one["worth"] <= 1


def test_audit_lists_strokes_with_scores(learned, capsys):
    *_, project = learned
    result = good(capsys, "audit", project)
    assert result["heard"] == result["entries"] == sum(one["entries"] for one in result["strokes"])
    assert result["contradicted"] == sum(one["contradicted"] for one in result["strokes"])
    scores = [one["score"] for one in result["strokes"]]
    assert scores == sorted(scores, reverse=True) and {one["source"] for one in result["strokes"]} == {"first"}


def test_reach_says_what_a_source_decides_and_changes_nothing(learned, capsys):
    _, kind, _, project = learned
    before = good(capsys, "history", project)
    result = good(capsys, "reach", project, "--source", "first")
    assert result["entries"] > 0 and result["refitted"] in (True, False) and len(result["samples"]) == 3
    for one in result["samples"]:
        assert one["share"] == pytest.approx(1, abs=1e-4) and one["changed"] > 0.5
        assert kind == "regression" or {move["to"] for move in one["moves"]} == {"unknown"}
    assert good(capsys, "history", project) == before
