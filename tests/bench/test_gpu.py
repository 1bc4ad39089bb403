"""`bench gpu` where there is no GPU: the refusal, and its parts on the CPU with the device's clock and memory made up."""

import pytest
import torch

from parmesan_engine.bench import gpu
from tests.cli.runner import refused

CPU = torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(capsys):
    assert "a CUDA device" in refused(capsys, "bench", "gpu")


@pytest.fixture
def pretended(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10**8, 10**9))
    monkeypatch.setattr(gpu, "median_ms", lambda work: work() and 3.0)
    monkeypatch.setattr(gpu, "QUERIES", 20)


def test_a_case_compares_with_the_dearer_of_reading_and_multiplying(pretended):
    case = gpu._case(2000, CPU, bandwidth=2000 * 384 * 2 * 1000.0, rate=2 * 20 * 2000 * 384 * 500.0)
    assert case["read_ms"] == pytest.approx(1) and case["multiply_ms"] == case["roofline_ms"] == pytest.approx(2)
    assert case["ours_ms"] == 3 and case["ratio"] == pytest.approx(1.5)
    assert (case["n"], case["d"], case["q"], case["k"], case["key_format"], case["backend"]) == (2000, 384, 20, 30, "float16", "torch")
    assert abs(case["distance_excess"]) < 1e-6


def test_keys_that_do_not_fit_are_refused(pretended):
    with pytest.raises(gpu.LimitError, match="free on the GPU"):
        gpu._case(1_000_000, CPU, 1.0, 1.0)


def test_a_wrong_neighbour_shows():
    index, queries = gpu.filled(1000, 16, CPU), gpu.clustered(8, 16, 1000, seed=5, device=CPU)
    ids = index.search(queries, 3).ids
    assert abs(gpu.excess(index, queries, ids)) < 1e-6
    ids[4, 2] = index.search(-queries[4:5], 1).ids[0, 0]
    assert gpu.excess(index, queries, ids) > 0.1


def test_keys_have_near_neighbours_and_are_made_again_alike(monkeypatch):
    one, two = gpu.filled(1000, 384, CPU), gpu.filled(1000, 384, CPU)
    assert torch.equal(one.codes, two.codes)
    near = one.search(gpu.clustered(50, 384, 1000, seed=1, device=CPU), 30).distances
    assert 0.001 < float(near[:, 0].median()) < float(near[:, -1].median()) < 0.05
