"""The compiled kernel: sketches bound distances from below, its lists are those of brute force bit for bit, and it is built safely."""

import logging
import platform
import subprocess

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parmesan_engine.errors import LimitError
from parmesan_engine.search import ExactIndex, exact, kernel, scan, sketch
from parmesan_engine.search.codes import FORMATS, decode
from parmesan_engine.search.distance import pair_distances
from parmesan_engine.search.sketch import SCALE, Axes
from tests.search.reference import unit_rows

pytestmark = pytest.mark.skipif(kernel.load() is None, reason="no C++ compiler on this machine")


def real_like(random, n, d, rank=4, noise=0.02):
    """Return unit rows near a few directions, as features are: sketches of few columns rule most of them out."""
    rows = random.normal(size=(n, rank)) @ random.normal(size=(rank, d)) + noise * random.normal(size=(n, d))
    return torch.from_numpy((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32))


def brute(index, queries, k):
    """Return the (Q, k) ids and distances by all pair distances, ordered by (distance, tie)."""
    n = len(index)
    rows = torch.arange(len(queries)).repeat_interleave(n)
    distances = pair_distances(queries, index.codes, rows, torch.arange(n).repeat(len(queries))).reshape(len(queries), n)
    order = torch.from_numpy(np.stack([np.lexsort((index.ties.numpy(), row.numpy())) for row in distances]))[:, :k]
    return index.ids[order], distances.gather(1, order)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), d=st.integers(1, 90), alike=st.booleans(), columns=st.sampled_from([2, 16, 64]))
def test_sketches_bound_distances_from_below(seed, d, alike, columns):
    random = np.random.default_rng(seed)
    rows = real_like(random, 60, d) if alike else unit_rows(random, 60, d)
    axes = Axes.fit(rows)
    axes = Axes(axes.mean, axes.basis[:, : columns - 1].contiguous())
    sketches = axes.sketch(rows).double()
    shown = torch.cdist(sketches, sketches) / SCALE
    true = (rows.double()[:, None] - rows.double()[None]).norm(dim=2)
    assert bool((shown <= true + axes.columns**0.5 / SCALE + 1e-9).all())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(1, 900), d=st.sampled_from([3, 17, 64]), name=st.sampled_from(sorted(FORMATS)),
       k=st.integers(1, 20), alike=st.booleans(), gone=st.integers(0, 40))
def test_lists_are_those_of_brute_force_bit_for_bit(seed, n, d, name, k, alike, gone):
    random = np.random.default_rng(seed)
    rows, queries = (real_like(random, m, d) if alike else unit_rows(random, m, d, distinct=max(m // 2, 1)) for m in (n, 31))
    index = ExactIndex(channels=d, key_format=name)
    for part in torch.arange(n).split(137):  # some arranged, some behind them
        index.add(part, rows[part], -part)
    index.remove(torch.from_numpy(random.permutation(n)[: min(gone, n - 1)].copy()))
    found, (ids, distances) = index.search(queries, k), brute(index, queries, k)
    assert torch.equal(found.ids[:, : ids.shape[1]], ids) and torch.equal(found.distances[:, : ids.shape[1]], distances)
    assert bool((found.ids[:, ids.shape[1] :] == -1).all())


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_pairs_within_a_limit_are_all_found(name):
    random = np.random.default_rng(1)
    keys, queries = real_like(random, 300, 40), real_like(random, 70, 40)
    index = ExactIndex(channels=40, key_format=name)
    index.add(torch.arange(300), keys, torch.arange(300))
    limits = torch.from_numpy(random.uniform(0.3, 1.5, 70).astype(np.float32))
    limits[0], limits[1] = torch.inf, 0
    axes = Axes.fit(queries)
    sketches = scan.Sketches(axes, 300)
    sketches.put(torch.arange(300), axes.sketch(index.codes))
    rows, slots, distances = scan.within(sketches.keys(index.codes, index.ties), scan.Arranged(queries, axes).part(0, 70), limits)
    every = pair_distances(queries, index.codes, torch.arange(70).repeat_interleave(300), torch.arange(300).repeat(70)).reshape(70, 300)
    expected = every <= limits[:, None]
    mask = torch.zeros(70, 300, dtype=torch.bool)
    mask[rows, slots] = True
    assert torch.equal(mask, expected) and int(mask.sum()) == len(rows) and torch.equal(every[rows, slots], distances)
    assert 300 < len(rows) < 70 * 300


def test_codes_decode_to_the_same_bits_here_and_there():
    rows = unit_rows(np.random.default_rng(2), 50, 37)
    for dtype in FORMATS.values():
        codes = rows.to(dtype) if dtype != torch.int8 else (rows * 127).round().to(dtype)
        pairs = torch.arange(50), torch.arange(50)
        one = pair_distances(rows, codes, *pairs)
        assert torch.equal(one, pair_distances(rows, decode(codes), *pairs)) and bool((one >= 0).all())


def test_narrow_sketches_leave_the_result_alone(monkeypatch):
    random = np.random.default_rng(3)
    rows, queries = real_like(random, 3000, 64), real_like(random, 50, 64)
    found = []
    for columns in ((16,), (32,), ()):
        monkeypatch.setattr(sketch, "COLUMNS", columns)
        monkeypatch.setattr(sketch, "EXACT_COST", 0)
        index = ExactIndex(channels=64)
        index.add(torch.arange(3000), rows, torch.arange(3000))
        assert index._sketches.axes.columns == (columns or (66,))[0]
        found.append(index.search(queries, 12))
    assert all(torch.equal(one.ids, found[0].ids) and torch.equal(one.distances, found[0].distances) for one in found)


def test_few_pairs_of_real_features_need_their_distance():
    random = np.random.default_rng(4)
    index, rows = ExactIndex(channels=64), real_like(random, 20_000, 64, rank=6)
    index.add(torch.arange(20_000), rows, torch.arange(20_000))
    arranged = scan.Arranged(rows[:500].contiguous(), index._sketches.axes)
    distances, slots = torch.empty(500, 8), torch.empty(500, 8, dtype=torch.int64)
    taken = scan.nearest(index._sketches.keys(index.codes, index.ties), arranged.part(0, 500), distances, slots)
    assert 500 * 8 <= taken < 0.05 * 500 * 20_000


def test_rows_are_arranged_anew_when_many_lie_among_others(monkeypatch):
    random = np.random.default_rng(6)
    monkeypatch.setattr(exact, "FEW", 0)
    index, rows = ExactIndex(channels=16), real_like(random, 4000, 16)
    index.add(torch.arange(4000), rows, torch.arange(4000))
    for start in range(0, 1500, 100):  # rows of the end come into the holes
        index.remove(torch.arange(start, start + 100))
    assert index._foreign <= 0.125 * index._arranged < 500
    left = torch.arange(1500, 4000)
    assert set(index.ids.tolist()) == set(left.tolist()) and torch.equal(index.lookup(left)[0], rows[left])
    found, (ids, distances) = index.search(rows[:20].contiguous(), 5), brute(index, rows[:20].contiguous(), 5)
    assert torch.equal(found.ids, ids) and torch.equal(found.distances, distances)


def test_rows_that_are_not_of_unit_length_are_refused():
    index = ExactIndex(channels=4)
    index.add(torch.arange(3), torch.eye(4)[:3], torch.arange(3))
    for wrong in (5 * torch.ones(1, 4), torch.full((1, 4), torch.nan)):
        with pytest.raises(LimitError):
            index.search(wrong, 1)
    assert index.search(torch.eye(4), 1).ids.flatten().tolist()[:3] == [0, 1, 2]


def test_a_folder_that_others_can_write_is_not_loaded_from(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "parmesan-studio").mkdir(mode=0o777)
    (tmp_path / "parmesan-studio").chmod(0o777)
    with caplog.at_level(logging.WARNING):
        assert kernel.compiled.__wrapped__(kernel.SOURCE, kernel.FLAGS) is None
    assert "can be written by others" in caplog.text


def test_without_a_compiler_the_reason_is_said(monkeypatch, caplog):
    monkeypatch.setattr(kernel.shutil, "which", lambda name: None)
    with caplog.at_level(logging.WARNING):
        assert kernel.compiled.__wrapped__(kernel.SOURCE, kernel.FLAGS) is None
    assert "no C++ compiler" in caplog.text


def test_a_compiler_that_fails_is_quoted(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    real = subprocess.run

    def broken(command, **options):
        return real(["sh", "-c", "echo no such flag >&2; exit 1"] if "-o" in command else command, **options)

    monkeypatch.setattr(kernel.subprocess, "run", broken)
    with caplog.at_level(logging.WARNING):
        assert kernel.compiled.__wrapped__(kernel.SOURCE, kernel.FLAGS) is None
    assert "no such flag" in caplog.text


def processor_flags(name):
    return tuple(f"-march={name}" if flag.startswith("-march") else flag for flag in kernel.FLAGS)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the other ways are for x86-64")
def test_the_way_for_any_processor_gives_the_same_bits(monkeypatch):
    random = np.random.default_rng(5)
    rows, queries = real_like(random, 5000, 40), real_like(random, 100, 40)
    found = []
    for library in (kernel.load(), kernel._declared(kernel.compiled(kernel.SOURCE, processor_flags("x86-64")))):
        monkeypatch.setattr(kernel, "load", lambda library=library: library)
        for name in FORMATS:
            index = ExactIndex(channels=40, key_format=name)
            index.add(torch.arange(5000), rows, torch.arange(5000))
            found.append(index.search(queries, 9))
    for one, other in zip(found[:3], found[3:], strict=True):
        assert torch.equal(one.ids, other.ids) and torch.equal(one.distances, other.distances)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="AVX-512 is for x86-64")
@pytest.mark.parametrize("processor", ["skylake-avx512", "znver4"])
def test_the_way_for_avx_512_compiles(tmp_path, processor):
    command = ["c++", *processor_flags(processor), "-Wall", "-Wextra", "-Werror", str(kernel.SOURCE), "-o", str(tmp_path / "kernel.so")]
    done = subprocess.run(command, capture_output=True, text=True)
    if "bad value" in done.stderr:
        pytest.skip(f"this compiler does not know {processor}")
    assert done.returncode == 0, done.stderr
