"""The right answer, by sorting everything one query at a time; ties by row; and wrong answers that must be noticed."""

import torch

from parmesan_engine.bench import brute_force as module
from parmesan_engine.bench.brute_force import brute_force, recall
from parmesan_engine.search.distance import pair_distances


def _keys(count: int, seed: int) -> torch.Tensor:
    rows = torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))
    return rows / rows.norm(dim=1, keepdim=True)


def test_equals_a_plain_sort_also_among_copies_and_over_several_blocks(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 50)
    keys = _keys(40, 0)[torch.randint(0, 40, (170,), generator=torch.Generator().manual_seed(1))].contiguous()  # most of them several times
    queries = torch.cat([_keys(7, 2), keys[:3]])
    truth = brute_force(queries, keys, 9)
    for query, ids in zip(queries, truth.ids, strict=True):
        distances = pair_distances(query[None], keys, torch.zeros(170, dtype=torch.int64), torch.arange(170))
        expected = sorted(range(170), key=lambda row, d=distances: (float(d[row]), row))[:9]
        assert ids.tolist() == expected
    assert truth.excess(queries, keys, truth.ids) < 1e-7


def test_a_wrong_neighbour_shows():
    keys, queries = _keys(100, 3), _keys(4, 4)
    truth = brute_force(queries, keys, 5)
    wrong = truth.ids.clone()
    wrong[2, 4] = brute_force(queries, keys, 100).ids[2, -1]
    assert truth.excess(queries, keys, wrong) > 0.1
    assert recall(wrong, truth.ids) == 1 - 1 / 20 and recall(truth.ids.flip(1), truth.ids) == 1
