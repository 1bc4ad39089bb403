"""ApproximateIndex: what it finds is exact, what was added or removed shows at once, and after a rebuild only the set of entries counts."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parmesan_engine.errors import LimitError, ShapeError, UnknownNameError
from parmesan_engine.search import ApproximateIndex, ExactIndex, LiveSearch
from parmesan_engine.search.cells import Labels
from parmesan_engine.search.codes import entry_bytes
from parmesan_engine.search.distance import pair_distances
from parmesan_engine.search.tuning import SKETCH, choose
from tests.search.reference import unit_rows

FULL = np.iinfo(np.int64)


def clusters(random, n, d, centres=40):
    rows = unit_rows(random, centres, d)[torch.from_numpy(random.integers(0, centres, n))]
    rows = rows + torch.from_numpy(random.normal(size=(n, d)).astype(np.float32)) * 0.1
    return rows / rows.norm(dim=1, keepdim=True)


def some(random, n, d=12, top=None):
    """Return ids, keys and ties of n entries."""
    ids = torch.from_numpy(random.permutation(top or 3 * n)[:n].copy())
    return ids, clusters(random, n, d), torch.from_numpy(random.permutation(np.arange(-n, n))[:n].copy())


def built(ids, keys, ties, **keywords):
    index = ApproximateIndex(channels=keys.shape[1], exact_below=0, **keywords)
    index.add(ids, keys, ties)
    return index.rebuilt()


def exact(ids, keys, ties):
    index = ExactIndex(channels=keys.shape[1], key_format="float16")
    index.add(ids, keys, ties)
    return index


def share_found(found, truth):
    return float((found.ids[:, :, None] == truth.ids[:, None, :]).any(1).float().mean())


def test_recall_is_what_was_asked_for_and_what_is_said():
    random = np.random.default_rng(0)
    ids, keys, ties = some(random, 6500)
    queries, ids, keys, ties = keys[6000:], ids[:6000], keys[:6000], ties[:6000]
    truth = exact(ids, keys, ties).search(queries, 8)
    seen = []
    for least in (0.5, 0.9, 0.99):
        index = built(ids, keys, ties, least_recall=least)
        assert index.recall >= least and not index.exact
        assert abs(share_found(index.search(queries, 8), truth) - index.recall) < 0.06
        seen.append(index.tuning.probes)
    assert seen == sorted(set(seen)), "more recall needs more cells"


def test_samples_left_out_tell_what_new_ones_will_find():
    """Each sample holds near-copies of its own: found without effort by each other, not by what is new."""
    random = np.random.default_rng(8)
    centres = clusters(random, 500, 12)
    keys = centres.repeat_interleave(13, 0) + torch.from_numpy(random.normal(size=(6500, 12)).astype(np.float32)) * 0.01
    keys = keys / keys.norm(dim=1, keepdim=True)
    ids, ties, groups = torch.arange(6500), torch.arange(6500), torch.arange(6500) // 13
    queries, old = keys[6000:], slice(0, 6000)
    truth = exact(ids[old], keys[old], ties[old]).search(queries, 8)
    index = ApproximateIndex(channels=12, exact_below=0, least_recall=0.9)
    index.add(ids[old], keys[old], ties[old])
    alone, apart = index.rebuilt(), index.rebuilt(groups=lambda wanted: groups[wanted])
    assert apart.tuning.apart and not alone.tuning.apart and apart.tuning.probes > alone.tuning.probes
    assert share_found(alone.search(queries, 8), truth) < alone.recall - 0.05, "near-copies flatter"
    assert abs(share_found(apart.search(queries, 8), truth) - apart.recall) < 0.06
    assert not index.rebuilt(groups=lambda wanted: torch.zeros(len(wanted))).tuning.apart, "one sample cannot be left out"


@pytest.mark.parametrize("width, probes", [(1, 1), (8, 5), (20, 40), (8, 60), (300, 7)])
def test_the_kernel_finds_what_faiss_finds(width, probes):
    """At most it leaves out cells that are hardly worth it; with all of them nothing."""
    random = np.random.default_rng(9)
    steep = torch.exp(-torch.arange(24) / 5.0)  # as the axes of a fitted metric
    keys = clusters(random, 3000, 24) * steep
    keys = keys / keys.norm(dim=1, keepdim=True)
    cells = built(torch.arange(2900), keys[:2900], torch.arange(2900))._cells.copy()
    cells.remove(torch.arange(0, 2900, 3))
    if cells._kernel is None:
        pytest.skip("no compiler here")
    queries = keys[2900:]
    mine = cells.ranked(queries, width, probes)
    cells._kernel = None
    theirs = cells.ranked(queries, width, probes)
    assert not bool((mine.ids[mine.ids >= 0] % 3 == 0).any())
    assert share_found(mine, theirs) > 0.97 and bool((mine.distances[:, 0] - theirs.distances[:, 0] >= 0).all())
    if probes >= cells.count:
        assert torch.equal(mine.distances, theirs.distances)


def test_keys_that_no_few_columns_tell_apart_are_left_to_faiss():
    keys = unit_rows(np.random.default_rng(10), 2000, 200)
    assert built(torch.arange(2000), keys, torch.arange(2000))._cells._kernel is None


def test_labels_agree_before_neighbours_do():
    random = np.random.default_rng(1)
    ids, keys, ties = some(random, 4000)
    index = ApproximateIndex(channels=12, exact_below=0, least_recall=1.0, least_agreement=0.95)
    index.add(ids, keys, ties)
    side = (keys[:, 0] > 0).long()
    of = torch.zeros(int(ids.max()) + 1, dtype=torch.int64)
    of[ids] = side
    tuned = index.rebuilt(labels=lambda wanted: torch.nn.functional.one_hot(of[wanted], 2)).tuning
    assert tuned.agreement >= 0.95 and tuned.recall < 1.0
    assert index.rebuilt().tuning.probes > tuned.probes and index.rebuilt().tuning.agreement is None


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), edits=st.integers(1, 12), distinct=st.integers(1, 80))
def test_found_distances_and_order_are_exact_under_any_edits(seed, edits, distinct):
    random = np.random.default_rng(seed)
    index, present, fresh = ApproximateIndex(channels=6, exact_below=30, least_recall=0.9), {}, 0
    queries = unit_rows(random, 5, 6)
    for _ in range(edits):
        kind = random.random()
        if present and kind < 0.35:
            gone = random.choice(list(present), random.integers(1, len(present) + 1), replace=False)
            index.remove(torch.from_numpy(gone))
            for i in gone:
                del present[int(i)]
        elif kind < 0.8:
            n = int(random.integers(0, 120))
            keys, ties = unit_rows(random, n, 6, distinct=distinct), torch.from_numpy(random.permutation(n) - n // 2) * 1000 + fresh
            index.add(torch.arange(fresh, fresh + n), keys, ties)
            present |= {fresh + i: int(ties[i]) for i in range(n)}
            fresh += n
        else:
            index = index.rebuilt()
            assert index.exact == (len(present) < 30) and not index.stale
        assert len(index) == len(present) and set(index.ids.tolist()) == set(present) and index.top >= max(present, default=-1) + 1
        ids = torch.tensor(list(present), dtype=torch.int64)
        keys, ties = index.lookup(ids)
        assert ties.tolist() == list(present.values())
        place = {i: row for row, i in enumerate(ids.tolist())}
        found = index.search(queries, 4)
        for row in range(len(queries)):
            hits = [place[i] for i in found.ids[row].tolist() if i >= 0]  # only what is there
            assert len(hits) == min(4, len(present)) and len(set(hits)) == len(hits)
            distances = pair_distances(queries, keys, torch.full((len(hits),), row), torch.tensor(hits, dtype=torch.int64))
            assert torch.equal(distances, found.distances[row, : len(hits)])
            order = list(zip(distances.tolist(), ties[hits].tolist(), strict=True))
            assert order == sorted(order)


def test_a_rebuild_forgets_order_and_history():
    random = np.random.default_rng(2)
    ids, keys, ties = some(random, 3000)
    queries = clusters(random, 50, 12)
    one = built(ids, keys, ties)
    order, extra = torch.from_numpy(random.permutation(3000)), some(random, 500, top=501)
    two = built(10_000 + extra[0], extra[1], extra[2] + 10_000)
    for part in order.split(700):
        two.add(ids[part], keys[part], ties[part])
    two = two.rebuilt()
    two.remove(10_000 + extra[0])
    two = two.rebuilt()
    first, second = one.search(queries, 8), two.search(queries, 8)
    assert one.tuning == two.tuning and torch.equal(first.ids, second.ids) and torch.equal(first.distances, second.distances)
    assert torch.equal(one.lookup(ids)[0], two.lookup(ids)[0]), "keys are rounded once, however often the index is rebuilt"


def test_additions_are_found_at_once_and_removals_never_again():
    random = np.random.default_rng(3)
    ids, keys, ties = some(random, 3000)
    index = built(ids, keys, ties, least_recall=0.6)
    new = unit_rows(random, 40, 12)
    index.add(20_000 + torch.arange(40), new, 9000 + torch.arange(40))
    assert index.search(new, 1).ids.flatten().tolist() == list(range(20_000, 20_040))
    half = torch.cat([20_000 + torch.arange(20), ids[:1500]])
    index.remove(half)
    found = index.search(torch.cat([new, keys]), 8).ids
    assert not bool(torch.isin(found, half).any()) and bool((found >= 0).all())
    gone = keys[:1500].to(torch.float16)
    left = torch.cat([torch.from_numpy(codes) for codes in index._cells._codes])  # views of all that was allocated
    assert not bool((left[:, None, :2] == gone[None, :, :2]).all(2).any()), "nothing of what was removed stays in memory"
    other = index.copy()
    other.remove(ids[1500:2000])
    assert len(index) == len(other) + 500 and bool(torch.isin(ids[1500:], index.ids).all())


def test_stale_after_growth_and_after_shrinking_and_exact_when_small():
    random = np.random.default_rng(4)
    ids, keys, ties = some(random, 2000)
    index = ApproximateIndex(channels=12, exact_below=1000)
    index.add(ids[:900], keys[:900], ties[:900])
    assert not index.stale and index.exact and index.recall == 1.0 and index.rebuilt().exact
    index.add(ids[900:1900], keys[900:1900], ties[900:1900])
    assert index.stale and index.exact
    index = index.rebuilt()
    assert not index.stale and not index.exact
    index.add(ids[1900:], keys[1900:], ties[1900:])
    assert index.stale and not index.rebuilt().stale
    index = index.rebuilt()
    index.remove(ids[:600])
    assert index.stale and not index.rebuilt().stale
    index.remove(ids[600:1200])
    assert index.stale and index.rebuilt().exact, "too few to be worth it"


def test_live_search_on_top_follows_edits():
    random = np.random.default_rng(5)
    ids, keys, ties = some(random, 3000)
    queries = clusters(random, 60, 12)
    index = built(ids, keys, ties, least_recall=0.95)
    live = LiveSearch(index, queries, k=5)
    new = clusters(random, 30, 12)
    came = 20_000 + torch.arange(30)
    index.add(came, new, 9000 + torch.arange(30))
    live.added(came, *index.lookup(came))
    gone = live.neighbors.ids[:, :3].flatten().unique()
    index.remove(gone)
    live.removed(gone)
    assert not bool(torch.isin(live.neighbors.ids, gone).any()) and bool((live.neighbors.ids >= 0).all())
    assert share_found(live.neighbors, index.search(queries, 5)) > 0.97


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), top=st.integers(1, 2**40), low=st.integers(FULL.min, FULL.max - 1), span=st.integers(0, 2**64))
def test_labels_keep_ids_and_the_order_of_ties(seed, top, low, span):
    random = np.random.default_rng(seed)
    ids = random.integers(0, top, 50)
    ties = random.integers(low, min(low + span, FULL.max), 50, endpoint=True)
    layout = Labels.fitting(ids, ties)
    labels = layout.pack(ids, ties)
    assert (labels >= 0).all() and (layout.ids(labels) == ids).all()
    kept = layout.ties(labels)
    assert (np.diff(kept[np.argsort(ties, kind="stable")]) >= 0).all() and (kept <= ties).all()
    assert all(int(t) - int(s) < 2**layout.shift for t, s in zip(ties, kept, strict=True))
    if span < 2**20:
        assert (kept == ties).all()


def test_bytes_are_those_of_half_precision_and_a_label():
    random = np.random.default_rng(6)
    index = built(*some(random, 5000, d=64))
    cells = index._cells
    held = sum(codes.nbytes + own.nbytes for codes, own in zip(cells._codes, cells._own, strict=True))
    assert held == 5000 * 136, "the lists are no longer than they must be"
    assert cells.nbytes == held + cells.count * (4 * 64 + 56) and round(index.bytes_per_entry * 5000) == cells.nbytes


def test_wrong_input_is_refused_and_changes_nothing():
    random = np.random.default_rng(7)
    ids, keys, ties = some(random, 300)
    index = built(ids[:299], keys[:299], ties[:299])
    index.add(ids[299:], keys[299:], ties[299:])
    absent = torch.tensor([int(ids.max()) + 5])
    for wrong in (lambda: index.add(ids[:1], keys[:1], ties[:1]), lambda: index.add(ids[299:], keys[:1], ties[:1]),
                  lambda: index.remove(absent), lambda: index.remove(torch.cat([ids[:2], absent])), lambda: index.remove(ids[[0, 0]])):
        with pytest.raises(UnknownNameError):
            wrong()
    for wrong in (lambda: index.search(keys[:, :5], 2), lambda: index.add(absent, keys[:1, :5], ties[:1])):
        with pytest.raises(ShapeError):
            wrong()
    for wrong in (lambda: index.search(keys, 0), lambda: ApproximateIndex(channels=3, least_recall=0.0),
                  lambda: ApproximateIndex(channels=3, least_agreement=1.5)):
        with pytest.raises(LimitError):
            wrong()
    assert sorted(index.ids.tolist()) == sorted(ids.tolist())


def test_choice_follows_size_and_budget():
    mib = 2**20
    assert choose(50_000, 64) == {"name": "exact", "keywords": {"key_format": "float32"}}
    assert choose(2_000_000, 64, recall=0.95) == {"name": "approximate", "keywords": {"least_recall": 0.95}}
    assert choose(50_000, 64, budget=11 * mib) == {"name": "exact", "keywords": {"key_format": "float16"}}
    assert choose(1_000_000, 64, budget=140e6) == {"name": "exact", "keywords": {"key_format": "int8"}}
    assert choose(2_000_000, 64, budget=270e6) == {"name": "exact", "keywords": {"key_format": "int8"}}
    with pytest.raises(LimitError, match="134.00 MB"):
        choose(1_000_000, 64, budget=50 * mib)


def test_bytes_counted_on_are_bytes_taken():
    random = torch.Generator().manual_seed(0)
    rows = torch.randn(30_000, 6, generator=random) @ torch.randn(6, 64, generator=random)
    for form in ("float32", "float16", "int8"):
        index = ExactIndex(channels=64, key_format=form)
        index.add(torch.arange(30_000), torch.nn.functional.normalize(rows, dim=1), torch.arange(30_000))
        assert index.bytes_per_entry <= entry_bytes(64, form) + SKETCH
