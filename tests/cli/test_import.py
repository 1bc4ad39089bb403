"""The verb `import`: files, recordings and labels into a project from a script."""

import numpy as np
import tifffile
from PIL import Image

from parmesan_engine.project import Project
from parmesan_engine.project.labels import truth
from tests.cli.runner import good, refused
from tests.helpers import truth as made_truth
from tests.project.painter import SHAPE, picture


def files(folder, *seeds):
    for seed in seeds:
        Image.fromarray(picture(seed).array[0]).save(folder / f"{seed}.png")
        Image.fromarray(made_truth(2, seed, SHAPE).astype(np.uint8)).save(folder / f"{seed}-labels.png")
    return [folder / f"{seed}.png" for seed in seeds], [folder / f"{seed}-labels.png" for seed in seeds]


def test_a_new_project_from_files_and_their_labels(capsys, tmp_path):
    pictures, labels = files(tmp_path, 0, 1)
    options = ["--classes", "ground, blob", "--labels", *labels, "--per-class", 5, "--by", "ada"]
    result = good(capsys, "import", tmp_path / "p", *pictures, *options)
    assert [row["name"] for row in result["samples"]] == ["0.png", "1.png"]
    assert [row["entries_added"] for row in result["labels"]] == [15, 15]
    with Project.open(tmp_path / "p") as project:
        assert project.task.classes == ("ground", "blob", "class 2") and project.version == result["version"]
        assert {row.author for row in project.memory.provenance(project.memory.ids)} == {"ada"}


def test_labels_as_truth_of_every_time_point(capsys, tmp_path):
    stack = np.random.default_rng(0).integers(0, 255, (3, 20, 24), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "TYX"})
    tifffile.imwrite(tmp_path / "b.tif", stack % 2, imagej=True, metadata={"axes": "TYX"})
    result = good(capsys, "import", tmp_path / "p", tmp_path / "a.tif", "--classes", "a,b", "--labels", tmp_path / "b.tif", "--as", "truth")
    assert [row["frame"] for row in result["samples"]] == [0, 1, 2]
    with Project.open(tmp_path / "p") as project:
        assert all(np.array_equal(truth(project, row.id), stack[row.frame] % 2) for row in project.samples()) and len(project) == 0


def test_refusals(capsys, tmp_path):
    pictures, labels = files(tmp_path, 0, 1)
    assert "project folder" in refused(capsys, "import", tmp_path / "p", *pictures)
    assert "one for each file" in refused(capsys, "import", tmp_path / "p", *pictures, "--classes", "a", "--labels", labels[0])
    assert "at least one class" in refused(capsys, "import", tmp_path / "p", *pictures, "--classes", " , ")
    assert not (tmp_path / "p").exists()


def test_every_time_point_of_a_recording_is_predicted(capsys, tmp_path):
    pictures, labels = files(tmp_path, 0)
    good(capsys, "import", tmp_path / "p", *pictures, "--classes", "ground,blob,line", "--labels", *labels, "--per-class", 20)
    stack = np.stack([picture(seed).array[0] for seed in range(2)])
    tifffile.imwrite(tmp_path / "film.tif", stack, imagej=True, metadata={"axes": "TYX"})
    result = good(capsys, "predict", tmp_path / "p", tmp_path / "film.tif", pictures[0], "--out", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0.png", "film-t1.png", "film-t2.png"]
    assert [row["input"] for row in result["predictions"]] == ["film.tif t1", "film.tif t2", "0.png"]
    assert (tmp_path / "out/film-t1.png").read_bytes() == (tmp_path / "out/0.png").read_bytes()  # the same picture
