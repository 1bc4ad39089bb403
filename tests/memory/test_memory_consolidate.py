"""Novelty pruning against its definition, computed one pair at a time; independent of order and of blocking."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parmesan_engine.memory import consolidate as module
from parmesan_engine.memory.consolidate import compatible, consolidate, exact_distances, unit_rows
from tests.memory.memory_model import batch, new_memory

CASES = {"grid": 0.06, "clusters": 0.01, "edge": 0.05}


def case(kind: str, seed: int, rows: int = 160):
    rng = np.random.default_rng(seed)
    if kind == "grid":  # few values: equal keys and equal distances
        keys = rng.integers(0, 3, (rows, 3)) / 2
    elif kind == "clusters":
        keys = rng.normal(size=(8, 6))[rng.integers(0, 8, rows)] + 0.1 * rng.normal(size=(rows, 6))
    else:  # pairs whose distance is within float32 rounding of the threshold
        angle = np.arccos(1 - CASES[kind]) * (np.arange(rows) % 12) + rng.integers(-3, 4, rows) * 1e-7
        keys = np.stack([np.tan(angle / 8 + 0.1), np.zeros(rows)], axis=1)
    return keys.astype(np.float32), rng.integers(0, 2, rows), rng.permutation(rows) - rows // 2


def by_definition(keys, labels, ties, novelty, values=False):
    units, kept, blocker = unit_rows(keys), [], np.full(len(keys), -1)
    for row in np.argsort(ties, kind="stable"):
        gaps = [exact_distances(units[row], units[other]) for other in kept]
        if gaps and min(gaps) <= np.float32(novelty):
            nearest = kept[int(np.argmin(gaps))]
            if compatible(labels[row], labels[nearest], values):
                blocker[row] = nearest
                continue
        kept.append(row)
    return blocker < 0, blocker


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_definition_whatever_the_blocks(kind, seed, monkeypatch):
    keys, labels, ties = case(kind, seed)
    expected = by_definition(keys, labels, ties, CASES[kind])
    assert 0 < expected[0].sum() < len(keys)
    for block, kept in ((1, 7), (13, 5), (64, 1 << 14), (1024, 1 << 14)):
        monkeypatch.setattr(module, "KEPT_ROWS", kept)
        found = consolidate(keys, labels, ties, CASES[kind], block_rows=block)
        assert np.array_equal(found[0], expected[0]) and np.array_equal(found[1], expected[1])


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(CASES)), st.integers(0, 99), st.randoms(use_true_random=False))
def test_permuting_the_rows_changes_nothing(kind, seed, random):
    keys, labels, ties = case(kind, seed, 90)
    kept, blocker = consolidate(keys, labels, ties, CASES[kind])
    order = np.array(random.sample(range(90), 90))
    kept_too, blocker_too = consolidate(keys[order], labels[order], ties[order], CASES[kind], block_rows=32)
    assert np.array_equal(kept[order], kept_too)
    assert np.array_equal(np.where(blocker >= 0, ties[blocker], 999)[order], np.where(blocker_too >= 0, ties[order][blocker_too], 999))


def test_what_is_pruned_is_within_novelty_of_its_blocker_and_of_its_label():
    keys, labels, ties = case("clusters", 5, 600)
    kept, blocker = consolidate(keys, labels, ties, 0.01)
    pruned, units = np.flatnonzero(~kept), unit_rows(keys)
    assert len(pruned) > 50 and kept[blocker[pruned]].all() and (labels[pruned] == labels[blocker[pruned]]).all()
    assert (exact_distances(units[pruned], units[blocker[pruned]]) <= np.float32(0.01)).all()
    assert (ties[blocker[pruned]] < ties[pruned]).all()


def test_values_are_compatible_within_a_fraction():
    keys, ties = np.zeros((4, 2), np.float32), np.arange(4)
    kept, blocker = consolidate(keys, np.float32([100, 104, 110, -100]), ties, 0.1, values=True)
    assert kept.tolist() == [True, False, True, True] and blocker.tolist() == [-1, 0, -1, -1]


def test_no_entries():
    kept, blocker = consolidate(np.zeros((0, 3), np.float32), np.zeros(0, int), np.zeros(0, np.int64), 0.1)
    assert kept.shape == blocker.shape == (0,)


def test_forgetting_the_blocker_readmits_what_it_blocked():
    memory = new_memory(novelty=0.5)
    key = np.float32([[1, 2, 0, 1], [1, 2, 0, 1.01]])
    memory.add([batch(1, 2, keys=key, labels=np.eye(3, dtype=np.float32)[[0, 0]])])
    (kept,), (pruned,) = memory.ids, np.setdiff1d([0, 1], memory.ids)
    assert memory.is_stored([pruned])[0] and memory.select().tolist() == [0, 1]
    delta = memory.remove([kept])
    assert delta.added.tolist() == [pruned] and delta.removed.tolist() == [kept] and memory.ids.tolist() == [pruned]
    delta = memory.undo()
    assert delta.added.tolist() == [kept] and delta.removed.tolist() == [pruned]
    delta, _ = memory.unlearn([kept])
    assert delta.added.tolist() == [pruned] and memory.ids.tolist() == [pruned] and memory.verify() == []
