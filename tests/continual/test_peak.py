"""Peak memory: what is taken and given back inside counts, what was there before does not; nothing is made up where nothing is measured."""

import sys

import numpy as np
import pytest

from parmesan_engine.continual import peak as module
from parmesan_engine.continual.peak import peak

MIB = 1 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="the mark is the Linux kernel's")
def test_what_is_taken_and_given_back_is_measured():
    before = np.ones(40 * MIB // 8)
    with peak() as found:
        np.ones(64 * MIB // 8).sum()
    assert 60 * MIB < found.bytes < 100 * MIB
    with peak() as less:
        before.sum()
    assert less.bytes < 20 * MIB


def test_where_the_system_does_not_say_nothing_is_claimed(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_PROCESS", tmp_path / "none")
    with peak() as found:
        pass
    assert found.bytes is None
