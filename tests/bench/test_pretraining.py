"""The bench of pre-training: what each row says, on a tiny network and dataset."""

import pytest

from parmesan_engine.bench import pretraining
from parmesan_engine.errors import FormatError
from tests.helpers import make_dataset


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """A network, pictures and a dataset that take milliseconds, and runs in this process."""
    for name, value in {"WIDTHS": (8, 8), "DEPTHS": (1, 3), "GROWTH": ((1.0, 32, 4),), "STEPS": 2, "SCORED": ("tiny",), "DATA": tmp_path,
                        "PHOTOGRAPHS": make_dataset(tmp_path / "tiny", 2, train=3) / "train" / "images"}.items():
        monkeypatch.setattr(pretraining, name, value)
    monkeypatch.setattr(pretraining, "_apart", pretraining._measured)


def test_rows_are_beside_each_other():
    result = pretraining.run(False)
    assert len(result["replacement"]) == 5 and len(result["objectives"]) == 4 and result["steps"] == 2
    whole, *replaced = result["replacement"]
    assert whole["learnable"] == whole["parameters"] and result["objectives"][0] is whole
    for row in replaced:
        assert row["parameters"] == whole["parameters"] > row["learnable"] and row["every"] in (2, 3, 4)
    for row in (whole, *replaced, *result["objectives"]):
        assert row["step_ms"] > 0 and row["step_mb"] >= 0 and row["processor_seconds"] > 0 and 0 < row["scores"]["tiny 2D"] <= 1
    assert "loss" not in result["untrained"][0] and 0 < result["untrained"][0]["scores"]["tiny 2D"] <= 1


def test_photographs_must_be_there(monkeypatch, tmp_path):
    monkeypatch.setattr(pretraining, "PHOTOGRAPHS", tmp_path / "none")
    with pytest.raises(FormatError, match="photographs"):
        pretraining.run(True)
