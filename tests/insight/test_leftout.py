"""Left-out answers against their definition: a search among all entries of other samples, one probe at a time."""

import numpy as np
import pytest
import torch

from parmesan_engine.insight import leftout
from parmesan_engine.insight.leftout import probes_of, score_of
from parmesan_engine.insight.witnesses import Strokes, of_others
from parmesan_engine.predictor import Predictor
from parmesan_engine.search import ExactIndex
from parmesan_engine.transduction import transfer, votes
from tests.helpers import TinyEncoder, plain_metric
from tests.memory.memory_model import batch, new_memory

CHANNELS = 4


@pytest.fixture
def predictor():
    memory = new_memory(channels=CHANNELS)
    rng = np.random.default_rng(3)
    for number in range(5):
        rows = 30 + number
        memory.add([batch(number, rows, sample=f"sample-{number}", gesture=f"g{number % 2}", channels=CHANNELS,
                          keys=rng.normal(size=(rows, CHANNELS)).astype(np.float32))])
    return Predictor(TinyEncoder(), memory, plain_metric(CHANNELS, k=7), task=memory.task)


def by_definition(predictor, probes, codes):
    """Return the answer of each probe from an index that was made of all other samples."""
    ids, rows = predictor.memory.ids, []
    for key, own in zip(probes.keys, probes.own, strict=True):
        index = ExactIndex(channels=CHANNELS + 1)
        mine = torch.from_numpy(ids[codes != own])
        index.add(mine, *predictor.index.lookup(mine))
        found = index.search(key[None], predictor.k)
        rows.append(transfer(found, votes(found, predictor.tables.weights, predictor.metric.tau), predictor.tables.labels))
    return torch.cat(rows)


@pytest.mark.parametrize("index", [("exact", {}), ("exact", {"key_format": "int8"}), ("exact", {"key_format": "float16"}),
                                   ("hierarchical", {}), ("approximate", {})], ids=str)
@pytest.mark.parametrize("small", [True, False])
def test_each_probe_is_answered_by_other_samples_only_and_exactly_whatever_the_index(predictor, small, index):
    recipe = dict(zip(("name", "keywords"), index, strict=True))
    predictor = Predictor(TinyEncoder(), predictor.memory, predictor.metric, task=predictor.task, index=recipe)
    probes, columns = probes_of(predictor), predictor.memory.columns()
    codes = columns.sample.astype(np.int64)
    assert probes.left_out == "sample" and len(probes.labels) == len(columns.ids)
    said = of_others(predictor, Strokes(np.array(columns.ids), codes, codes.max() + 1), probes.keys, probes.own, small=small)
    assert torch.allclose(said.answers, by_definition(predictor, probes, codes), atol=1e-6)


def test_probes_depend_on_content_alone_and_can_be_put_to_a_version_without_them(predictor, monkeypatch):
    monkeypatch.setattr(leftout, "PAIRS", 0)
    monkeypatch.setattr(leftout, "FEWEST", 20)
    probes, before = probes_of(predictor), score_of(predictor, probes_of(predictor))
    assert len(probes.labels) == 20 == before.pixels
    memory = predictor.memory
    again = new_memory(channels=CHANNELS)
    again.add([batch(0, 1, keys=memory.keys([i]), labels=memory.labels([i]), coordinates=memory.coordinates([i]), sample=p.sample_id,
                     coarse_keys=np.zeros((1, CHANNELS), np.float32), parents=np.zeros(1, int)) for i, p in
               zip(memory.ids[::-1], memory.provenance(memory.ids)[::-1], strict=True)])
    other = probes_of(Predictor(TinyEncoder(), again, plain_metric(CHANNELS, k=7), task=again.task))
    assert torch.equal(other.keys, probes.keys) and np.array_equal(other.labels, probes.labels)
    predictor.switch(memory.without(memory.ids[::2], memory.ids[:0]))
    after = score_of(predictor, probes)
    assert after.pixels == 20 and not np.array_equal(after.counts, before.counts)


def test_a_single_stroke_has_no_probes():
    memory = new_memory(channels=CHANNELS)
    memory.add([batch(1, 9, channels=CHANNELS)])
    assert probes_of(Predictor(TinyEncoder(), memory, plain_metric(CHANNELS, k=7), task=memory.task)) is None
