"""Tables of labels and weights: rows by id, and class totals that do not depend on the order of what happened."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parmesan_engine.tables import EntryTables


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_totals_depend_on_the_present_entries_alone(seed):
    random = np.random.default_rng(seed)
    ids = torch.from_numpy(random.permutation(3000)[:40].copy())
    labels = torch.softmax(torch.from_numpy(random.normal(size=(40, 3))), 1).float()
    weights = torch.from_numpy(random.uniform(0, 2, 40).astype(np.float32))
    plain = EntryTables(3, torch.device("cpu"))
    plain.put(ids[:25], labels[:25], weights[:25])
    winding = EntryTables(3, torch.device("cpu"))
    for i in random.permutation(40):
        winding.put(ids[i : i + 1], labels[i : i + 1].flip(1), weights[i : i + 1] + 1)  # first something else
    winding.put(ids, labels, weights)
    winding.drop(ids[25:])
    assert torch.equal(plain.totals, winding.totals)
    exact = (labels[:25].double() * weights[:25, None].double()).sum(0)
    torch.testing.assert_close(plain.totals, exact, rtol=0, atol=1e-4)
    assert torch.equal(winding.labels[ids[:25]], labels[:25]) and not bool(winding.weights[ids[25:]].any())


def test_new_classes_add_empty_columns():
    tables = EntryTables(2, torch.device("cpu"))
    tables.put(torch.tensor([5]), torch.tensor([[0.25, 0.75]]), torch.ones(1))
    tables.widen(4)
    tables.put(torch.tensor([9]), torch.tensor([[0.5, 0.5]]), torch.ones(1))  # labels as wide as they were made
    assert tables.labels[[5, 9]].tolist() == [[0.25, 0.75, 0, 0], [0.5, 0.5, 0, 0]]
    assert tables.totals.tolist() == [0.75, 1.25, 0, 0]
