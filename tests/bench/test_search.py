"""`bench search` on tiny pictures: the keys of architecture.md, and that what is not exact is found out."""

import pytest
import torch

from parmesan_engine.bench import search
from parmesan_engine.bench.growth import growth
from parmesan_engine.bench.search import Plan
from parmesan_engine.cli.measuring import SHOWN
from parmesan_engine.search import INDEXES, ApproximateIndex, ExactIndex
from parmesan_engine.types import Neighbors
from tests.cli.runner import refused
from tests.helpers import make_dataset

KEYS = {"n", "d", "q", "k", "index", "ours_ms", "faiss_flat_ms", "gemm_ms", "speedup_over_faiss", "speedup_over_faiss_best",
        "fraction_of_gemm", "recall"}
PLAN = Plan((100, 200), (16,), queries=40, neighbours=((3, 8),))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("data") / "a", train=4, test=2)


@pytest.fixture
def only_exact(monkeypatch):
    monkeypatch.setattr(INDEXES, "_classes", {"exact": ExactIndex})
    return INDEXES._classes


def test_every_case_has_the_keys_and_the_exact_index_is_exact(data, tmp_path):
    plan = Plan((100, 200), (16,), queries=40, neighbours=((8,),))
    result = search.run(True, data=[data], features=("tiny",), plan=plan, chart=tmp_path / "chart.html")
    assert result["data"] == ["tiny 2D"] and isinstance(result["kernel"], bool)
    assert result["skipped"] == [] and set(result["features"]["tiny"]) == {"16"}
    assert {(c["n"], c["index"]) for c in result["cases"]} == {(n, name) for n in (100, 200) for name in INDEXES.names()}
    for case in result["cases"]:
        assert set(case) >= KEYS and (case["d"], case["q"]) == (16, 40)
        assert case["fraction_of_gemm"] == case["gemm_ms"] / case["ours_ms"]
        assert case["speedup_over_faiss"] == case["faiss_flat_ms"] / case["ours_ms"]
        assert set(case) >= set(SHOWN), "the columns of the plain table"
        if case["exact"]:  # of the keys as it keeps them: rounded ones are others
            assert case["ids_identical"] and case["distance_excess"] < 1e-6 and case["recall"] > 0.9
        if case["index"] == "exact":
            assert case["exact"] and case["recall"] == 1 and case["label_agreement"] == 1
    assert all(line["n"] == [100, 200] and line["exponent"] is not None for line in result["growth"])
    page = (tmp_path / "chart.html").read_text(encoding="utf-8")
    assert "Plotly.newPlot" in page and "<script src=" not in page  # the file needs nothing else


def test_an_approximate_index_is_built_before_it_is_measured(data, monkeypatch):
    monkeypatch.setattr(INDEXES, "_classes", {"exact": ExactIndex, "approximate": ApproximateIndex})
    monkeypatch.setattr(search, "ONE_WIDTH", 16)
    monkeypatch.setattr(search, "VARIANTS", {"approximate": ({"exact_below": 0, "least_recall": 0.5},)})
    case = search.run(True, data=[data], features=("tiny",), plan=Plan((400,), (16,), 40, variants=True))["cases"][-1]
    assert (case["index"], case["exact"], case["variant"]) == ("approximate", False, "exact_below 0, least_recall 0.5")
    assert case["least_recall"] == 0.5, "what was asked for, beside what was measured"
    assert 0.2 < case["recall"] <= 1 and "ids_identical" not in case and case["compared_queries"] == 40


def test_eight_bit_keys_are_exact_among_themselves_and_their_recall_is_said(data, only_exact, monkeypatch):
    monkeypatch.setattr(search, "ONE_WIDTH", 16)
    plan = Plan((100,), (16,), queries=40, neighbours=((3, 8),), eight_bit=400)
    case = search.run(True, data=[data], features=("tiny",), plan=plan)["cases"][-1]
    assert (case["n"], case["variant"], case["k"], case["ids_identical"]) == (400, "key_format int8", 3, True)
    assert 0.3 < case["recall"] <= 1


def test_an_index_that_errs_is_found_out(data, only_exact):
    class Careless(ExactIndex):
        """Says that it is exact and takes the second nearest for the nearest."""

        def search(self, queries: torch.Tensor, k: int) -> Neighbors:
            found = super().search(queries, k + 1)
            return Neighbors(found.distances[:, 1:], found.ids[:, 1:])

    only_exact["careless"] = Careless
    cases = {case["index"]: case for case in search.run(True, data=[data], features=("tiny",), plan=Plan((200,), (16,), 40))["cases"]}
    assert not cases["careless"]["ids_identical"] and cases["careless"]["recall"] == 7 / 8 and cases["careless"]["distance_excess"] > 0
    assert cases["exact"]["ids_identical"]


def test_what_cannot_be_measured_is_listed(data, only_exact, monkeypatch):
    result = search.run(True, data=[data], features=("tiny",), plan=Plan((100, 10_000), (16,), 40))
    assert [case["n"] for case in result["cases"]] == [100] and "labelled nodes" in result["skipped"][0]["why"]
    monkeypatch.setattr(search, "free_bytes", lambda: 1000)
    result = search.run(True, data=[data], features=("tiny",), plan=Plan((100,), (16,), 40))
    assert result["cases"] == [] and "memory" in result["skipped"][0]["why"]


def test_growth_finds_the_exponent():
    cases = [{"features": "f", "index": "exact", "variant": "", "d": 8, "k": 8, "n": n, "q": q, "ours_ms": q * n**0.75}
             for n, q in ((1000, 10), (10_000, 10), (100_000, 5))]
    line, = growth(cases)
    assert line["exponent"] == pytest.approx(0.75) and line["n"] == [1000, 10_000, 100_000]


@pytest.mark.parametrize("arguments", [
    ["search", "nowhere"], ["search", "--features", "nothing"], ["search", "--chart", "no/folder/c.html"], ["encode", "DATA"],
    ["memory", "--chart", "c.html"], ["search", "--large"],
])
def test_wrong_arguments_are_one_line(capsys, arguments):
    refused(capsys, "bench", *arguments)
