"""Tests that ask for `way` run twice: with the compiled kernel and as on a machine without a compiler."""

import pytest

from parmesan_engine.search import kernel


@pytest.fixture(params=["kernel", "faiss"])
def way(request, monkeypatch):
    if request.param == "faiss":
        monkeypatch.setattr(kernel, "load", lambda: None)
    elif kernel.load() is None:
        pytest.skip("no C++ compiler on this machine")
    return request.param
