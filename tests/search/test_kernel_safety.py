"""The compiled kernel where something is wrong: odd rows, no room, no threads, no home folder, another processor."""

import logging
import os
import stat
import subprocess
import sys

import numpy as np
import pytest
import torch

from parmesan_engine.errors import LimitError
from parmesan_engine.search import ExactIndex, kernel, scan
from parmesan_engine.search.distance import pair_distances
from parmesan_engine.search.sketch import Axes
from tests.search.reference import check_nearest, unit_rows

pytestmark = pytest.mark.skipif(kernel.load() is None, reason="no C++ compiler on this machine")


@pytest.fixture
def rows():
    return unit_rows(np.random.default_rng(0), 600, 24)


@pytest.fixture
def index(rows):
    made = ExactIndex(channels=24)
    made.add(torch.arange(600), rows, torch.arange(600))
    return made


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, 3.0])
@pytest.mark.parametrize("filled", [True, False])
def test_a_wrong_row_keeps_its_whole_batch_out(way, index, rows, wrong, filled):
    index = index if filled else ExactIndex(channels=24)
    before, n = index.search(rows[:9], 4), len(index)
    with pytest.raises(LimitError):
        index.add(torch.tensor([700, 701]), torch.stack([rows[5], torch.full((24,), wrong)]), torch.tensor([-1, 0]))
    after = index.search(rows[:9], 4)
    assert len(index) == n and torch.equal(before.ids, after.ids) and torch.equal(before.distances, after.distances)
    index.add(torch.tensor([700]), rows[5:6], torch.tensor([-1]))  # the id is still free
    assert index.search(rows[5:6], 1).ids.tolist() == [[700]]


def test_queries_whose_products_do_not_fit_are_refused():
    rows = unit_rows(np.random.default_rng(1), 3000, 384)
    index = ExactIndex(channels=384)
    index.add(torch.arange(3000), rows, torch.arange(3000))
    with pytest.raises(LimitError):
        index.search(10 * rows[:5], 3)  # each coordinate is small, the sum of products is not


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_queries_of_other_types_are_read_as_numbers(index, rows, dtype):
    queries = rows[:20].to(dtype)
    found, expected = index.search(queries, 3), index.search(queries.float(), 3)
    assert torch.equal(found.ids, expected.ids) and torch.equal(found.distances, expected.distances)
    pairs = torch.arange(20, dtype=torch.int32), torch.arange(20, dtype=torch.int32)
    expected = pair_distances(queries.float(), index.codes, *(places.long() for places in pairs))
    assert torch.equal(pair_distances(queries, index.codes, *pairs), expected)


def test_arrays_with_gaps_are_read_as_they_are(index, rows):
    axes = Axes.fit(rows)
    wide = torch.stack([rows[:50], -rows[:50]], 2)[:, :, 0]
    limits = torch.rand(50, 2)[:, 0]
    keys = index._sketches.keys(index.codes, index.ties)
    for one, other in zip(scan.within(keys, scan.Arranged(wide, index._sketches.axes).part(0, 50), limits),
                          scan.within(keys, scan.Arranged(rows[:50], index._sketches.axes).part(0, 50), limits.clone()), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(axes.sketch(wide), axes.sketch(rows[:50]))


def test_axes_of_very_many_rows_are_fitted_to_rows_that_are_there():
    n = 16_777_220  # the last row has no float32 number: rounded, it would be one more
    assert Axes.fit(torch.eye(2)[:1].expand(n, 2)).columns == 4


@pytest.mark.parametrize("broken", ["grow", "put"])
def test_without_room_for_sketches_the_search_goes_on_without(index, rows, broken, monkeypatch):
    more = unit_rows(np.random.default_rng(2), 1500, 24)
    index.add(torch.arange(600, 1100), more[:500], torch.arange(600, 1100))
    with monkeypatch.context() as patch:
        patch.setattr(scan.Sketches, broken, lambda *_: (_ for _ in ()).throw(MemoryError()))
        with pytest.raises(MemoryError):
            index.add(torch.arange(1100, 2100), more[500:], torch.arange(1100, 2100))
    everything = torch.cat([rows, more])[index.ids]
    check_nearest(index.search(more[::40], 5), more[::40], index.ids, everything, index.ties, 5)
    index.remove(torch.arange(7))  # sketches come back
    assert index._sketches and index.search(more[::40], 1).ids.flatten().tolist() == list(range(600, 2100, 40))


LITTLE = """
import resource, sys
import numpy as np
import torch
from parmesan_engine.search import ExactIndex, scan
from tests.search.reference import unit_rows
torch.set_num_threads(2)
rows = unit_rows(np.random.default_rng(0), 30_000, 8)
index = ExactIndex(channels=8)
index.add(torch.arange(2000), rows[:2000], torch.arange(2000))
keys, asked = index._sketches.keys(index.codes, index.ties), scan.Arranged(rows, index._sketches.axes)
distances, slots = torch.empty(30_000, 3), torch.empty((30_000, 3), dtype=torch.int64)
scan.nearest(keys, asked.part(0, 30_000), distances, slots)
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
if sys.argv[1] == "memory":
    resource.setrlimit(resource.RLIMIT_AS, (size + 2**28, size + 2**28))
    try:
        scan.within(keys, asked.part(0, 30_000), torch.full((30_000,), torch.inf))
    except MemoryError as error:
        print("refused:", error)
else:
    resource.setrlimit(resource.RLIMIT_AS, (size + 2**20, size + 2**20))  # no room for the stack of a thread
    others, places = torch.zeros_like(distances), torch.zeros_like(slots)
    parts = scan.kernel.load().nearest(keys, asked.part(0, 30_000), scan.SCALE, 3, others.data_ptr(), places.data_ptr(), 300)
    print("alive", parts > 0 and torch.equal(slots, places))
"""


CELLS = """
import resource, sys
import numpy as np
import torch
from parmesan_engine.search.cell_kernel import CellKernel
random = np.random.default_rng(0)
centres = np.concatenate([random.normal(size=(64, 8)), 0.05 * random.normal(size=(64, 24))], 1).astype(np.float32)
centres /= np.linalg.norm(centres, axis=1, keepdims=True)
codes = [np.ascontiguousarray((centre + 0.05 * random.normal(size=(200, 32))).astype(np.float16)) for centre in centres]
labels = [np.arange(200) + 200 * i for i in range(64)]
search = CellKernel.of(codes, labels, np.full(64, 200), centres)
queries = centres[random.integers(0, 64, 20_000)]
torch.get_num_threads = lambda: 1
expected, _ = search.nearest(queries, 8, 4)
size, results = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize(), 20_000 * 8 * (8 + 2 * 32)
room, threads = (2**18, 1) if sys.argv[1] == "memory" else (2**28, 200)
resource.setrlimit(resource.RLIMIT_AS, (size + results + room, size + results + room))
torch.get_num_threads = lambda: threads
try:
    print("alive", np.array_equal(search.nearest(queries, 8, 4)[0], expected))
except MemoryError as error:
    print("refused:", error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of a process as Linux has them")
@pytest.mark.parametrize(("what", "said"), [("memory", "refused: not enough memory"), ("threads", "alive True")])
@pytest.mark.parametrize("script", [LITTLE, CELLS], ids=["exact", "cells"])
def test_a_lack_of_memory_or_threads_is_no_crash(script, what, said):
    done = subprocess.run([sys.executable, "-c", script, what], capture_output=True, text=True)
    assert done.returncode == 0 and said in done.stdout, done.stderr


def built():
    return kernel.compiled.__wrapped__(kernel.SOURCE, kernel.FLAGS)


def test_a_user_without_a_home_folder_searches_without(monkeypatch, caplog):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(kernel.Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("Could not determine home directory.")))
    with caplog.at_level(logging.WARNING):
        assert built() is None
    assert "home directory" in caplog.text


def test_a_system_without_owners_of_files_searches_without(monkeypatch, caplog):
    monkeypatch.delattr(os, "getuid")
    monkeypatch.setattr(kernel, "os", type("Windows", (), {"name": "nt", "environ": os.environ}))
    with caplog.at_level(logging.WARNING):
        assert built() is None
    assert "Linux and macOS" in caplog.text


def test_processors_that_differ_have_libraries_of_their_own_where_no_file_tells_them_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiler = tmp_path / "c++"  # says what it would compile for, and makes an empty file
    compiler.write_text('#!/bin/sh\ncase "$*" in *-dM*) echo "#define __${PROCESSOR}__ 1";; *--version*) echo 1;; '
                        '*) while [ $# -gt 1 ]; do shift; done; : > "$1";; esac\n')
    compiler.chmod(compiler.stat().st_mode | stat.S_IXUSR)
    paths = []
    for name in ("OLD", "NEW", "OLD"):
        monkeypatch.setenv("PROCESSOR", name)
        paths.append(kernel._built(str(compiler), kernel.SOURCE, kernel.FLAGS))
    assert paths[0] != paths[1] and paths[0] == paths[2] and paths[1].is_file()
