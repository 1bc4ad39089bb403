"""A device that is not there is refused in words, before anything is made."""

import pytest
import torch

from parmesan_engine.device import device_of
from parmesan_engine.errors import LimitError, UnknownNameError
from parmesan_engine.project import Project
from parmesan_engine.search import INDEXES
from tests.cli.runner import refused
from tests.helpers import TASK, make_dataset


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_no_gpu_is_one_line_and_makes_nothing(no_gpu, tmp_path, capsys):
    """Regression: it ended as an internal AssertionError of torch."""
    data = make_dataset(tmp_path / "data")
    assert "CUDA" in refused(capsys, "learn", tmp_path / "p", data, "--device", "cuda")
    with pytest.raises(LimitError, match="CUDA"):
        Project.create(tmp_path / "p", name="p", task=TASK, device="cuda")
    assert not (tmp_path / "p").exists()
    for name in INDEXES.names():
        with pytest.raises(LimitError, match="CUDA"):
            INDEXES.build({"name": name, "keywords": {"channels": 2, "device": "cuda"}})


def test_a_gpu_beyond_the_last_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert device_of("cuda") == torch.device("cuda") and device_of("cuda:0").index == 0
    with pytest.raises(LimitError, match="cuda:1"):
        device_of("cuda:1")


@pytest.mark.parametrize("name", ["gpu", "cudaa", "meta", ""])
def test_what_is_no_device_is_refused(name):
    with pytest.raises(UnknownNameError, match="cpu or cuda"):
        device_of(name)
