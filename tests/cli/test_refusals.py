"""What a command refuses: exit status 2, one line that says what to do, nothing stored and nothing overwritten."""

import shutil
import zlib

import numpy as np
import pytest
from PIL import Image

from parmesan_engine.cli import verbs
from parmesan_engine.cli.main import main
from tests.cli.runner import good, refused, run
from tests.helpers import make_dataset
from tests.project.painter import files_of


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("refusals")
    data = make_dataset(folder / "data", 2)
    assert main(["learn", str(folder / "p"), str(data), "--per-class", "10", "--json"]) == 0
    return data, folder / "p"


def damage(name, good_bytes, path):
    """Write a bad input of some kind and return its path."""
    if name == "truncated.png":
        (path / name).write_bytes(good_bytes[: len(good_bytes) // 2])
    elif name == "text.tif":
        (path / name).write_text("I am no picture")
    elif name == "empty.png":
        (path / name).write_bytes(b"")
    elif name == "nan.npy":
        np.save(path / name, np.full((24, 20), np.nan, np.float32))
    elif name == "pickled.npy":
        np.save(path / name, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    elif name == "huge.png":
        header = bytearray(good_bytes[:33])
        header[16:24] = (100_000).to_bytes(4, "big") * 2
        header[29:33] = zlib.crc32(bytes(header[12:29])).to_bytes(4, "big")
        (path / name).write_bytes(bytes(header) + good_bytes[33:])
    elif name == "signal.npy":
        np.save(path / name, np.zeros(500, np.float32))
    return path / name


BAD = ["truncated.png", "text.tif", "empty.png", "nan.npy", "pickled.npy", "huge.png", "signal.npy", "missing.png"]


@pytest.mark.parametrize("name", BAD)
def test_bad_inputs_are_refused_by_predict_and_explain(made, capsys, tmp_path, name):
    data, project = made
    path = damage(name, next((data / "test" / "images").iterdir()).read_bytes(), tmp_path)
    before, version = files_of(project), good(capsys, "history", project)["versions"]
    line = refused(capsys, "predict", project, path, "--out", tmp_path / "out")
    assert name.split(".")[0] in line or "float32" in line or "GiB" in line, line
    refused(capsys, "explain", project, path, "--at", "3,3")
    assert not list((tmp_path / "out").glob("*")) and files_of(project) == before
    assert good(capsys, "history", project)["versions"] == version and good(capsys, "verify", project)["ok"]


@pytest.mark.parametrize("name", BAD[:6])
def test_a_bad_image_in_a_dataset_stores_nothing(made, capsys, tmp_path, name):
    data, project = tmp_path / "data", tmp_path / "p"
    shutil.copytree(made[0], data)
    image = sorted((data / "train" / "images").iterdir())[-1]  # the last one: the others are stored before it
    bad = damage(name, image.read_bytes(), tmp_path)
    image.unlink()
    shutil.move(bad, image.with_name(image.stem + bad.suffix))
    refused(capsys, "learn", project, data)
    assert not project.exists(), "a project that was made for this dataset must not stay"
    shutil.copytree(made[1], project)
    before, version = files_of(project), good(capsys, "history", project)["versions"]
    refused(capsys, "learn", project, data, "--seed", 5)
    assert files_of(project) == before and good(capsys, "history", project)["versions"] == version


@pytest.mark.parametrize("wrong", ["shape", "class", "missing", "dataset.json", "split", "empty split"])
def test_bad_labels_and_datasets_store_nothing(made, capsys, tmp_path, wrong):
    data, project, split = tmp_path / "data", tmp_path / "p", "train"
    shutil.copytree(made[0], data)
    label = sorted((data / "train" / "labels").iterdir())[-1]
    if wrong == "shape":
        Image.fromarray(np.zeros((9, 20), np.uint8)).save(label)
    elif wrong == "class":
        Image.fromarray(np.full((24, 20), 7, np.uint8)).save(label)
    elif wrong == "missing":
        label.unlink()
    elif wrong == "dataset.json":
        (data / "dataset.json").write_text("{")
    elif wrong == "split":
        split = "nowhere"
    else:
        split = "void"
        (data / split / "images").mkdir(parents=True)
    line = refused(capsys, "learn", project, data, "--split", split)
    said = {"shape": "(24, 20)", "class": "7", "missing": "label file", "dataset.json": "JSON", "split": "nowhere", "empty split": "none"}
    assert said[wrong] in line
    assert not project.exists()
    refused(capsys, "evaluate", made[1], data, "--split", split)
    refused(capsys, "compare", data, "--split", split, "--methods", "knn")


def test_a_project_of_another_task_is_refused(made, capsys, tmp_path):
    values, volume = make_dataset(tmp_path / "v", 2, "regression"), make_dataset(tmp_path / "d", 3)
    before = files_of(made[1])
    assert "another project folder" in refused(capsys, "learn", made[1], values)
    assert "2 spatial axes" in refused(capsys, "learn", made[1], volume)
    refused(capsys, "evaluate", made[1], values)
    refused(capsys, "evaluate", made[1], volume)
    refused(capsys, "compare", made[0], "--eval", values, "--methods", "knn")
    assert files_of(made[1]) == before


@pytest.mark.parametrize("arguments", [
    ["explain", "P", "I", "--at", "x"], ["explain", "P", "I", "--at", "1"], ["explain", "P", "I", "--at", "99,99"], ["explain", "P", "I"],
    ["forget", "P"], ["forget", "P", "--source", "nobody"], ["forget", "P", "--before", "yesterday"], ["forget", "P", "--before", "0"],
    ["restore", "P", "ffffffff"], ["restore", "P"], ["redo", "P"], ["history", "NOWHERE"], ["verify", "NOWHERE"], ["undo", "I"],
    ["predict", "P", "I", "--out", "SAME"], ["predict", "P", "I", "I", "--out", "OUT"], ["predict", "P", "I", "--out", "FILE"],
    ["predict", "P", "I"], ["predict", "P", "I", "--out", "OUT", "--format", "bmp"], ["learn", "P", "D", "--per-class", "0"],
    ["learn", "P", "D", "--samples", "-1"], ["learn", "P", "NOWHERE"], ["learn", "FILE", "D"], ["learn", "OUT", "D", "--encoder", "oracle"],
    ["compare", "D", "--methods", "oracle"], ["compare", "D", "--seeds", "a"], ["compare", "D", "--samples", "0"], ["bench", "nothing"],
    ["compare", "D", "--shares", "0"], ["compare", "D", "--per-class", "1,x"], ["compare", "D", "--encoders", "oracle"],
    ["dance"], [], ["learn", "OUT", "D", "--novelty", "7"], ["learn", "OUT", "D", "--novelty", "-1"],
], ids=" ".join)
def test_wrong_arguments_are_one_line_and_exit_status_two(made, capsys, tmp_path, arguments):
    image = next((made[0] / "test" / "images").iterdir())
    (tmp_path / "file").write_text("here already")
    words = {"P": made[1], "D": made[0], "I": image, "NOWHERE": tmp_path / "nowhere", "SAME": image.parent, "OUT": tmp_path / "out",
             "FILE": tmp_path / "file"}
    before, data = files_of(made[1]), files_of(made[0])
    status, _, errors = run(capsys, *[words.get(a, a) for a in arguments])
    assert status == 2 and len(errors) == 1 and errors[0].startswith("error: "), errors
    assert "internal" not in errors[0] and files_of(made[1]) == before and files_of(made[0]) == data
    assert not (tmp_path / "nowhere").exists() and not list((tmp_path / "out").glob("*"))


def test_our_own_errors_are_one_line_and_exit_status_one(made, capsys, monkeypatch):
    def broken(options):
        raise RuntimeError("wheel\ncame off")

    monkeypatch.setattr(verbs, "history", broken)
    status, _, errors = run(capsys, "history", made[1])
    assert status == 1 and errors == ["error: internal: RuntimeError: wheel came off; please report this (--verbose shows more)"]


def test_stopping_a_run_stores_nothing(made, capsys, tmp_path, monkeypatch):
    def stop(fraction):
        raise KeyboardInterrupt

    monkeypatch.setattr(verbs, "show_progress", lambda what: stop)
    before = files_of(made[1])
    for project in (tmp_path / "new", made[1]):
        status, _, errors = run(capsys, "learn", project, made[0], "--seed", 9)
        assert status == 2 and errors == ["error: cancelled; nothing was stored"]
    assert files_of(made[1]) == before and not (tmp_path / "new").exists()
