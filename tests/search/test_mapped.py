"""An index whose arrays lie in a scratch file answers as one in RAM does, and leaves nothing behind."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parmesan_engine.errors import LimitError, StoreError
from parmesan_engine.search import ExactIndex, LiveSearch
from parmesan_engine.search import rows as rows_module
from parmesan_engine.search.codes import FORMATS, entry_bytes
from parmesan_engine.search.mapped import mapped_array
from parmesan_engine.search.rows import Rows
from tests.search.reference import unit_rows


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), name=st.sampled_from(sorted(FORMATS)))
def test_it_answers_as_in_ram_after_any_changes(seed, name, tmp_path_factory):
    folder, random = tmp_path_factory.mktemp("scratch"), np.random.default_rng(seed)
    pair = [ExactIndex(channels=7, key_format=name, folder=where) for where in (None, folder)]
    queries, next_id, here = unit_rows(random, 5, 7), 0, []
    lives = []
    for step in range(6):
        count = int(random.integers(1, 900))  # past the spare room now and then: the file is copied to a longer one
        ids, keys, ties = torch.arange(next_id, next_id + count), unit_rows(random, count, 7), torch.from_numpy(random.permutation(count))
        gone = torch.from_numpy(random.choice(here, int(random.integers(0, len(here))), replace=False)) if len(here) else ids[:0]
        for index in pair:
            index.remove(gone)
            index.add(ids, keys, ties)
        next_id, here = next_id + count, pair[0].ids.tolist()
        one, two = (index.search(queries, 4) for index in pair)
        assert torch.equal(one.ids, two.ids) and torch.equal(one.distances, two.distances)
        assert all(torch.equal(*both) for both in zip(*(index.lookup(torch.tensor(here)) for index in pair), strict=True))
        if step == 2:
            lives = [LiveSearch(index.copy(), queries, k=3).rows(torch.arange(5)) for index in pair]
    assert torch.equal(lives[0].ids, lives[1].ids) and pair[0].bytes_per_entry == pair[1].bytes_per_entry
    assert list(folder.iterdir()) == []  # no file has a name


def test_a_copy_changes_by_itself(tmp_path):
    index = ExactIndex(channels=3, key_format="float16", folder=tmp_path)
    index.add(torch.arange(10), unit_rows(np.random.default_rng(0), 10, 3), torch.arange(10))
    before, copy = index.keys.clone(), index.copy()
    copy.remove(torch.arange(9))
    copy.add(torch.arange(20, 25), unit_rows(np.random.default_rng(1), 5, 3), torch.arange(5))
    assert torch.equal(index.keys, before) and len(index) == 10 and copy.folder == index.folder


def test_the_arrays_lie_in_files_of_that_folder(tmp_path):
    index = ExactIndex(channels=64, folder=tmp_path)
    index.add(torch.arange(3000), unit_rows(np.random.default_rng(0), 3000, 64), torch.arange(3000))
    with open("/proc/self/maps", encoding="utf-8") as maps:
        mine = [line.split(maxsplit=5) for line in maps if str(tmp_path / ".index-") in line]
    sizes = [int(stop, 16) - int(start, 16) for start, stop in (parts[0].split("-") for parts in mine)]
    assert len(mine) == 3 and max(sizes) >= 3000 * 64 * 4


def test_what_cannot_be_mapped_is_refused(tmp_path, monkeypatch):
    with pytest.raises(StoreError, match="keep the index in RAM"):
        mapped_array((4,), torch.float32, tmp_path / "not there")
    with pytest.raises(StoreError, match="room for"):
        mapped_array((1 << 60,), torch.int8, tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(LimitError, match="on the CPU"):
        ExactIndex(channels=3, device="meta", folder=tmp_path)
    index = ExactIndex(channels=3, folder=tmp_path)
    index.add(torch.arange(4), unit_rows(np.random.default_rng(0), 4, 3), torch.arange(4))

    def full(shape, dtype, folder):
        if len(shape) == 1:  # after the codes, which fitted
            raise StoreError("room", "a full disk", "free space")
        return mapped_array(shape, dtype, folder)

    monkeypatch.setattr(rows_module, "mapped_array", full)
    for _ in range(2):
        with pytest.raises(StoreError):
            index.add(torch.arange(10, 5000), unit_rows(np.random.default_rng(0), 4990, 3), torch.arange(4990))
    assert len(index) == 4 and len(index.search(unit_rows(np.random.default_rng(2), 2, 3), 3).ids) == 2


def test_bytes_of_an_entry_are_known_beforehand():
    for name in FORMATS:
        index = Rows(channels=64, key_format=name)
        index.add(torch.arange(20_000), unit_rows(np.random.default_rng(0), 20_000, 64), torch.arange(20_000))
        assert entry_bytes(64, name) <= index.bytes_per_entry < entry_bytes(64, name) + 2  # the spare room of the slots
