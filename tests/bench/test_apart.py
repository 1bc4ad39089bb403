"""What runs in a process of its own: Faiss as installed, without any setting of ours, and numpy's matrix product."""

import os

import numpy as np
import pytest

import parmesan_engine  # noqa: F401  sets OMP_WAIT_POLICY in this process
from parmesan_engine.bench.apart import apart, clean, run
from parmesan_engine.errors import StoreError

OURS = {"OPENBLAS_CORETYPE": "Nehalem", "OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0", "MKL_DYNAMIC": "FALSE", "GOMP_SPINCOUNT": "0"}


@pytest.fixture(scope="module")
def files():
    rows = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)
    with apart(rows, rows[:20]) as found:
        yield found
    assert not found.keys.exists()


def test_the_other_process_has_none_of_our_settings_and_nothing_but_faiss(files, monkeypatch):
    for name, value in OURS.items():
        monkeypatch.setenv(name, value)
    result = files.faiss(3)
    assert not set(result["settings"]) & set(OURS) and result["modules"] == ["faiss"] and result["ms"] > 0


def test_numpy_multiplies_without_torch_or_faiss_in_its_process(files):
    result = files.matrix()
    assert result["modules"] == [] and result["ms"] > 0 and result["block"] <= 300


def test_only_limits_on_cores_are_kept():
    kept = clean({**OURS, "OMP_NUM_THREADS": "2", "PATH": os.environ["PATH"]})
    assert kept == {"OMP_NUM_THREADS": "2", "PATH": os.environ["PATH"]}


def test_a_measurement_that_fails_says_why(tmp_path):
    with pytest.raises(StoreError, match="nowhere"):
        run("faiss", tmp_path / "nowhere.npy", tmp_path / "nowhere.npy", 3)
