"""Processes of their own get one thread: Faiss as installed lets waiting threads spin, which on busy cores takes minutes."""

import pytest


@pytest.fixture(autouse=True, scope="package")
def one_thread_elsewhere():
    with pytest.MonkeyPatch.context() as patch:
        for library in ("OMP", "OPENBLAS"):
            patch.setenv(f"{library}_NUM_THREADS", "1")
        yield
