"""The export verb, on learned projects of 1, 2 and 3 axes."""

import json
import zipfile

import pytest

from parmesan_engine.cli.main import main
from parmesan_engine.io import FORMATS
from parmesan_engine.project import Project
from parmesan_engine.project.exporting import DEFAULT_FORMAT
from tests.cli.runner import good, refused
from tests.helpers import make_dataset


@pytest.fixture(scope="module", params=[(1, "segmentation"), (2, "segmentation"), (3, "segmentation"), (2, "regression")], ids=str)
def learned(request, tmp_path_factory):
    """Return (dims, kind, project folder) after one `learn` of two samples."""
    dims, kind = request.param
    folder = tmp_path_factory.mktemp("export")
    data = make_dataset(folder / "data", dims, kind)
    assert main(["learn", str(folder / "p"), str(data), "--per-class", "10", "--json"]) == 0
    return dims, kind, folder / "p"


def test_export_writes_a_folder_or_a_zip(learned, capsys, tmp_path):
    dims, kind, project = learned
    result = good(capsys, "export", project, "--out", tmp_path / "out")
    name = "labels" if kind == "segmentation" else "values"
    ending = FORMATS["ome-tiff" if (dims, kind) == (2, "regression") else DEFAULT_FORMAT[dims]]
    assert [p.name.endswith(ending) for p in sorted((tmp_path / "out" / name).iterdir())] == [True, True]
    assert set(result) == {"out", "version", "metric", "samples", "files", "seconds"} and (result["samples"], result["files"]) == (2, 3)
    again = good(capsys, "export", project, "--out", tmp_path / "out.zip", "--what", f"{name},regions,doubt", "--format", "npy")
    with zipfile.ZipFile(tmp_path / "out.zip") as packed:
        about = json.loads(packed.read("export.json"))
        assert len(packed.namelist()) == again["files"] == 2 * 3 + 2
    assert about["version"] == result["version"] and about["format"] == "npy"


def test_samples_are_chosen_by_id_or_name(learned, capsys, tmp_path):
    with Project.open(learned[2]) as project:
        first, second = project.samples()
    for number, text in enumerate((first.id, first.name, f"{second.id}, {first.name}")):
        result = good(capsys, "export", learned[2], "--out", tmp_path / str(number), "--samples", text, "--what", "regions")
        assert result["samples"] == 1 + (number == 2)


def test_what_is_wrong_is_one_line(learned, capsys, tmp_path):
    dims, _, project = learned
    assert "got masks" in refused(capsys, "export", project, "--out", tmp_path / "a", "--what", "regions,masks")
    assert "'nobody'" in refused(capsys, "export", project, "--out", tmp_path / "a", "--samples", "nobody")
    if dims != 2:
        refused(capsys, "export", project, "--out", tmp_path / "a", "--format", "png")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    assert "in the way" in refused(capsys, "export", project, "--out", tmp_path / "full")
    assert not (tmp_path / "a").exists()
