"""Encoding measured: every encoder that needs no files of others, in each precision that it offers; ready includes the metric."""

from parmesan_engine.bench import encode
from parmesan_engine.encoders import ENCODERS
from tests.helpers import TinyEncoder  # noqa: F401 -- registers an encoder that is quick


def test_cases_name_encoder_and_precision_and_ready_includes_the_metric(monkeypatch):
    monkeypatch.setattr(encode, "QUICK", (((3, 24, 20), 1),))
    cases = encode.run(True)["cases"]
    named = {(case["encoder"], case["precision"]) for case in cases}
    assert {("conv_pyramid", "bfloat16"), ("conv_pyramid", "float32"), ("filter_bank", "float32"), ("skimage", "float32")} <= named
    for case in cases:
        assert case["ready_ms"] >= case["ms"] > 0 and case["nodes"] == 480
        assert case["bytes_per_entry"] == 4 * ENCODERS.build({"name": case["encoder"]}).channels_of(3, 2)


def test_only_what_was_asked_for(monkeypatch):
    monkeypatch.setattr(encode, "QUICK", (((1, 40), 1),))
    (case,) = encode.run(True, ENCODERS.parse_several("tiny:gain=2"))["cases"]
    assert (case["encoder"], case["shape"], case["stride"]) == ("tiny", [1, 40], 1)
