"""The six real datasets, a little of each: learn a few pixels, score on held-back samples, better than any constant answer."""

from pathlib import Path

import numpy as np
import pytest

from parmesan_engine.evaluation import Score
from parmesan_engine.io import open_dataset
from parmesan_engine.project.learning import learn, project_for
from parmesan_engine.project.sampling import choose_items
from parmesan_engine.project.scoring import evaluate

DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
TESTED = {"camvid": 1, "hippocampus_mri": 1, "ludb_ecg": 1, "lung_cxr": 1, "rgbd_kitchen": 1,
          "nuclei_dsb2018": 6}  # two kinds of microscopy: three samples to learn from may all be of one


def constant_guess(dataset, items):
    """Return the best score that one answer for every pixel can reach: one class, or the mean of the values."""
    truths = [dataset.read_label(item) for item in items]
    mean = np.nanmean(np.concatenate([t.ravel() for t in truths]))
    answers = range(len(dataset.task.classes)) if dataset.task.kind == "segmentation" else [mean]
    scores = []
    for answer in answers:
        score = Score(dataset.task)
        for truth in truths:
            score.add(truth, np.full_like(truth, answer))
        scores.append(score.result())
    return max(s["miou"] for s in scores) if dataset.task.kind == "segmentation" else min(s["rmse"] for s in scores)


@pytest.mark.parametrize(("name", "tested"), TESTED.items(), ids=list(TESTED))
def test_a_little_of_real_data(tmp_path, name, tested):
    folder = DATA / name
    if not (folder / "dataset.json").is_file():
        pytest.skip(f"{folder} is not here")
    dataset = open_dataset(folder)
    with project_for(tmp_path / "p", dataset) as project:
        learned = learn(project, folder, samples=3, per_class=10, seed=1)
        result = evaluate(project, folder, samples=tested, seed=0)
        assert project.verify() == []
    classes = max(len(dataset.task.classes), 1)
    assert learned["samples"] == 3 and 10 <= learned["entries_added"] <= 30 * classes and result["samples"] == tested
    guess = constant_guess(dataset, choose_items(dataset.items("test"), tested, seed=0))
    if dataset.task.kind == "segmentation":
        assert np.isfinite(result["miou"]) and result["miou"] > guess + 0.05, (result, guess)
        assert list(result["iou"]) == list(dataset.task.classes)
    else:
        assert np.isfinite(result["rmse"]) and result["rmse"] < guess, (result, guess)
    assert result["unknown"] < 0.5
