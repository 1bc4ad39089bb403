"""The verb `continual`: what scripts get, how it goes on from a folder, and what it refuses."""

import json

import pytest

from parmesan_engine.cli.continual import every_method, in_words
from parmesan_engine.methods import METHODS
from tests.cli.runner import good, refused, run
from tests.helpers import make_dataset

FAST = ("--methods", "knn", "--encoder", "tiny", "--samples", 2, "--tests", 1, "--per-class", 5)
NAMES = ["average", "forgetting", "matrix", "absorb_seconds", "absorb_seconds_with_encoding", "bytes", "query_ms", "backward_transfer",
         "forward_transfer", "peak_bytes"]


def test_a_stream_without_data(capsys):
    result = good(capsys, "continual", "--procedural", "--dims", 1, "--steps", "class", "--seeds", "0,1", *FAST)
    found = result["methods"]["knn"]
    assert set(NAMES) <= set(found) and found["seeds"] == 2 and result["report"] is None
    assert len(found["matrix"]) == 4 and found["matrix"][0][1] is None
    assert [step["classes"] for step in result["stream"]["steps"]] == [["baseline"], ["P wave"], ["QRS complex"], ["T wave"]]
    status, _, errors = run(capsys, "continual", "--procedural", "--dims", 1, *FAST)
    assert (status, errors) == (0, [])


def test_datasets_as_steps_and_a_run_that_goes_on(capsys, tmp_path):
    folders = [make_dataset(tmp_path / name, train=2, test=1) for name in ("one", "two")]
    asked = ("continual", *folders, *FAST, "--size", "all", "--out", tmp_path / "runs")
    first = good(capsys, *asked)
    ledger = tmp_path / "runs" / "seed-0.jsonl"
    before = ledger.read_text()
    assert [step["name"] for step in first["stream"]["steps"]] == [str(folder) for folder in folders]  # both are called tiny 2D
    assert good(capsys, *asked)["methods"] == first["methods"] and ledger.read_text() == before
    more = good(capsys, *asked[:-2], "--methods", "knn,knn:k=1", "--out", tmp_path / "runs")
    assert more["methods"]["knn"] == first["methods"]["knn"] and len(more["methods"]) == 2
    message = refused(capsys, *asked, "--budget", 1000)
    assert "another budget" in message and "another folder" in message


def test_a_wrong_strategy_is_refused_before_anything_is_learned(capsys, monkeypatch):
    monkeypatch.setattr("parmesan_engine.cli.continual.run_seeds", None)
    assert "finetune, joint" in refused(capsys, "continual", "--procedural", "--methods", "knn,linear:strategy=hope")


def test_an_interrupted_run_says_that_it_goes_on(capsys, tmp_path, monkeypatch):
    def interrupted(*args, **keywords):
        raise KeyboardInterrupt

    asked = ("continual", "--procedural", "--dims", 1, *FAST)
    monkeypatch.setattr("parmesan_engine.cli.continual.run_seeds", interrupted)
    assert f"goes on from {tmp_path}" in refused(capsys, *asked, "--out", tmp_path)
    assert "nothing was kept; with --out" in refused(capsys, *asked)


def test_classes_and_tasks_of_folders(capsys, tmp_path):
    classes, values = make_dataset(tmp_path / "c", train=3, test=2), make_dataset(tmp_path / "v", kind="regression", train=3, test=2)
    result = good(capsys, "continual", classes, "--steps", "class", "--per-step", 2, *FAST)
    assert [step["name"] for step in result["stream"]["steps"]] == ["ground, blob", "line"]
    for data in ((values,), (values, classes)):
        result = good(capsys, "continual", *data, "--steps", "task", *FAST, "--unlearn", "segmentation")
        assert [step["name"] for step in result["stream"]["steps"]] == ["segmentation", "regression"]
        assert result["methods"]["knn"]["unlearned"]["scores"][0] == 0.0


def test_a_report_is_written(capsys, tmp_path):
    result = good(capsys, "continual", "--procedural", "--dims", 1, *FAST, "--report", tmp_path / "report.html")
    assert result["report"] == str(tmp_path / "report.html")
    assert "heart beats" in (tmp_path / "report.html").read_text()[:2000]


def test_words_for_a_terminal_say_what_equal_bytes_were(capsys):
    result = good(capsys, "continual", "--procedural", "--dims", 1, *FAST[2:], "--methods", "parmesan", "--budget", "parmesan")
    words = in_words(result)
    assert str(result["methods"]["parmesan"]["bytes"]) in words["budget"] and words["methods"][0]["method"] == "parmesan"
    json.dumps(words)


@pytest.mark.parametrize(("arguments", "word"), [
    ((), "--procedural"), (("--procedural", "DATA"), "one of them"), (("--procedural", "--size", 64), "--size"),
    (("DATA", "--dims", 2), "--dims"), (("DATA", "--mix", 0.5, "--steps", "task"), "--mix"), (("DATA", "--per-step", 2), "--per-step"),
    (("DATA", "DATA", "--mix", 1), "share"), (("DATA", "--group", r"item\d"), "can be learned and scored"),
    (("DATA", "--steps", "class", "--per-step", 3), "classes"), (("DATA", "DATA", "--steps", "class"), "leave out the others"),
    (("DATA",), "regular expression"), (("DATA", "--group", "("), "regular expression"), (("DATA", "--steps", "task"), "values"),
    (("--procedural", "--budget", "many"), "--budget"), (("--procedural", "--dims", 1, "--budget", "parmesan"), "parmesan"),
    (("--procedural", "--dims", 1, "--unlearn", "nothing"), "as it is"), (("--procedural", "--seeds", "x"), "--seeds"),
    (("--procedural", "--seeds=-1"), "from 0 on"),
    (("--procedural", "--report", "/nowhere/at/all.html"), "--report"), (("--procedural", "--methods", "magic"), "magic")])
def test_refusals(capsys, tmp_path, arguments, word):
    data = make_dataset(tmp_path / "d", train=2, test=1)
    methods = () if "--methods" in arguments else FAST[:2]
    assert word in refused(capsys, "continual", *(data if a == "DATA" else a for a in arguments), *methods, *FAST[2:])


def test_all_are_all_and_networks_of_pixels_are_not_given_half_an_hour():
    recipes = every_method()
    assert {recipe["name"] for recipe in recipes} == set(METHODS.names()) and recipes[0]["name"] == "parmesan"
    built = [METHODS.build(recipe) for recipe in recipes]
    assert all(method.minutes <= 5 for method in built if method.raw)
    assert len({METHODS.text(recipe) for recipe in recipes}) == len(recipes)
