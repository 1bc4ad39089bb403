"""The training command: it learns, is interrupted and goes on in the same bits, and writes an ordinary network."""

import json
import math
import os
import signal

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from parmesan_engine.encoders import weights
from parmesan_engine.errors import FormatError, LimitError
from parmesan_engine.pretrain import checkpoint, run, training
from tests.cli.runner import good, refused
from tests.cli.runner import run as command
from tests.helpers import make_dataset

SMALL = {"procedural": True, "widths": (8, 8), "depths": (1, 3)}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Crops and batches of a size that takes milliseconds."""
    monkeypatch.setattr(training, "GROWTH", {1: ((1.0, 64, 4),), 2: ((0.5, 32, 4), (1.0, 48, 4)), 3: ((1.0, 16, 4),)})


def tensors(path):
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


class CancelledError(Exception):
    pass


def stop_after(steps):
    def progress(moment):
        if moment.step == steps:
            raise CancelledError

    return progress


@pytest.mark.parametrize("every", [None, 2])
def test_an_interrupted_run_goes_on_in_the_same_bits(tmp_path, every):
    whole, parted, other = (tmp_path / f"{name}.safetensors" for name in ("whole", "parted", "other"))
    options = {**SMALL, "steps": 5, "every": every, "growth": ((0.5, 32, 4), (1.0, 64, 2))}
    run.pretrain(whole, **options)
    for stop in (2, 4):  # twice
        with pytest.raises(CancelledError):
            run.pretrain(parted, **options, resume=stop > 2, progress=stop_after(stop))
        assert checkpoint.path_beside(parted).is_file() and not parted.exists()
    result = run.pretrain(parted, **options, resume=True)
    assert result["steps"] == 5 and not checkpoint.path_beside(parted).exists()
    one, two = tensors(whole), tensors(parted)
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    run.pretrain(other, **options, seed=1)
    assert not torch.equal(tensors(other)["entries.0.0.weight"], one["entries.0.0.weight"])


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_every_dimension_gives_an_ordinary_network(tmp_path, dims):
    out, images = tmp_path / "e.safetensors", make_dataset(tmp_path / "data", dims, train=2) / "train" / "images"
    result = run.pretrain(out, **SMALL, images=images, dims=dims, every=2, steps=2)
    net, recipe = weights.load(str(out))
    assert net.shape["spatial_dims"] == dims and recipe["replacement"] == 2 and recipe["steps_taken"] == 2
    assert result["replaced_blocks"] == 1 and math.isfinite(result["loss"])
    assert run.parameters(net) == result["parameters"] > result["learnable"]
    assert all(name.split(".")[2].isdigit() and "/" not in name for name in net.state_dict() if name.startswith("stages"))


def test_what_was_saved_computes_what_was_trained(tmp_path, monkeypatch):
    """Baked weights in half precision against the network with blends that was trained."""
    kept = {}

    def watch(stages):
        kept["x"], kept["stages"] = torch.randn(1, 8, 16, 16), stages
        with torch.no_grad():
            kept["before"] = stages[1](kept["x"])
        bake(stages)

    bake = run.replacement.bake
    monkeypatch.setattr(run.replacement, "bake", watch)
    run.pretrain(tmp_path / "e.safetensors", **SMALL, every=2, steps=3)
    net, _ = weights.load(str(tmp_path / "e.safetensors"))
    scale = kept["before"].abs().max()
    assert torch.allclose(kept["stages"][1](kept["x"]), kept["before"], atol=1e-5 * float(scale))
    assert torch.allclose(net.stages[1](kept["x"]), kept["before"], atol=5e-3 * float(scale))


def test_training_lowers_the_loss(tmp_path):
    losses = []
    run.pretrain(tmp_path / "e.safetensors", **SMALL, steps=40, progress=lambda moment: losses.append(moment.loss))
    assert losses[-1] < losses[0] - 0.2


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    out = tmp_path / "e.safetensors"
    with pytest.raises(FormatError, match="no e.safetensors.checkpoint"):
        run.pretrain(out, **SMALL, steps=3, resume=True)
    with pytest.raises(CancelledError):
        run.pretrain(out, **SMALL, steps=3, progress=stop_after(1))
    with pytest.raises(FormatError, match="steps 3"):
        run.pretrain(out, **SMALL, steps=4, resume=True)
    with pytest.raises(FormatError, match="no unfinished run"):
        run.pretrain(out, **SMALL, steps=3)
    path = checkpoint.path_beside(out)
    with safe_open(path, "pt") as file:
        parts = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for about in ("{", "[]", '{"recipe": 3}'):
        save_file(parts, path, metadata={"about": about})
        with pytest.raises(FormatError, match="checkpoint of this program"):
            run.pretrain(out, **SMALL, steps=3, resume=True)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(FormatError, match="checkpoint of this program"):
        run.pretrain(out, **SMALL, steps=3, resume=True)


@pytest.mark.parametrize("options, error", [({"steps": 2}, FormatError), ({"procedural": True}, LimitError),
                                            ({"procedural": True, "categories": True, "steps": 2}, FormatError),
                                            ({"procedural": True, "steps": 2, "depths": (1, 1)}, LimitError),
                                            ({"procedural": True, "steps": 2, "seed": -1}, LimitError),
                                            ({"procedural": True, "steps": 2, "widths": (4,) * 5, "depths": (1,) * 5}, LimitError),
                                            ({"procedural": True, "steps": 2, "every": 2, "widths": (8, 8), "depths": (2, 2)}, LimitError)])
def test_options_that_cannot_work_are_refused(tmp_path, options, error):
    with pytest.raises(error):
        run.pretrain(tmp_path / "e.safetensors", **options)
    assert not list(tmp_path.iterdir())


def test_the_command_learns_from_both_and_scores(capsys, tmp_path):
    data = make_dataset(tmp_path / "data", 2, train=3)
    result = good(capsys, "pretrain", "--images", data / "train" / "images", "--procedural", "--widths", "8,8", "--depths", "1,3",
                  "--replacement", 2, "--share-gradient", "--steps", 2, "--score", data, "--out", tmp_path / "e.safetensors")
    assert result["steps"] == 2 and result["learnable"] < result["parameters"] and 0 < result["scores"][0]["miou"] <= 1
    with safe_open(tmp_path / "e.safetensors", "pt") as file:
        recipe = json.loads(file.metadata()["recipe"])
    assert recipe["images"] == "images" and recipe["share_gradient"] and recipe["objectives"] == ["scenes", "pictures"]


def test_data_of_other_axes_is_no_score_and_costs_no_training(capsys, tmp_path):
    data = make_dataset(tmp_path / "data", 1, train=3)
    refused(capsys, "pretrain", "--procedural", "--steps", 1, "--score", data, "--out", tmp_path / "e.safetensors")
    assert not (tmp_path / "e.safetensors").exists()


def test_ctrl_c_leaves_what_resume_needs(capsys, tmp_path, monkeypatch):
    arguments = ["pretrain", "--procedural", "--widths", "8,8", "--depths", "1,1", "--steps", 3, "--out", tmp_path / "e.safetensors"]
    following = training.Training.run

    def interrupted(self, recipe, *, progress, **keywords):
        def told(moment):
            if moment.step == 1:
                os.kill(os.getpid(), signal.SIGINT)
            progress(moment)

        return following(self, recipe, progress=told, **keywords)

    monkeypatch.setattr(training.Training, "run", interrupted)
    status, _, errors = command(capsys, *arguments)
    assert status == 2 and len(errors) == 1 and "after 1 steps" in errors[0] and "--resume" in errors[0]
    monkeypatch.setattr(training.Training, "run", following)
    assert good(capsys, *arguments, "--resume")["steps"] == 3
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("options", [["--steps", "0"], ["--minutes", "-1"], ["--steps", "2", "--minutes", "1"], ["--depths", "a"],
                                     ["--share-gradient"], ["--score", "nowhere"],
                                     ["--replacement", "1", "--depths", "1,3", "--widths", "8,8"]])
def test_wrong_options_are_one_line(capsys, tmp_path, options):
    refused(capsys, "pretrain", "--procedural", *options, "--out", tmp_path / "e.safetensors")
