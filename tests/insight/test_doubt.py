"""Where to label next: in doubt, unlabelled, spread, with the true reason; the same every time."""

import numpy as np
import pytest
import torch

from parmesan_engine.errors import LimitError
from parmesan_engine.insight import CONTRADICT, NEVER_SEEN, doubt, spread_out, suggest
from parmesan_engine.predictor import REACH
from parmesan_engine.types import Sample
from tests.helpers import batch, sample
from tests.test_predictor import ENCODER, memory_for, predictor_of, some


def halves(left=60, right=200):
    """Return a picture, left half dark, right half bright."""
    return Sample(np.where(np.arange(40) < 20, left, right)[None, None].repeat(24, 1).astype(np.uint8), "halves")


def labelled(picture, columns, classes, **more):
    """Return a memory with the pixels of some columns of a picture labelled, and a predictor that holds it under its id."""
    memory, pyramid = memory_for(), ENCODER.encode(picture)
    nodes = np.concatenate([np.arange(4, 20) * 40 + c for c in columns])
    rows = np.eye(3)[np.repeat(classes, 16)]
    order = np.argsort(nodes)
    memory.add([batch(pyramid, nodes[order], rows[order])])
    predictor = predictor_of(memory, **more)
    predictor.set_sample("sample", picture)
    return memory, predictor


def test_what_was_never_seen_is_asked_for():
    _, predictor = labelled(halves(), [4, 5], [0, 1])
    (one,) = suggest(predictor, "sample")
    assert one.at[1] >= 20 and one.reason == NEVER_SEEN and one.novelty > one.conflict and 0 < one.worth <= 1


def test_where_examples_contradict_is_asked_for():
    picture = halves()
    memory, predictor = labelled(picture, [4, 5, 30, 31], [0, 0, 1, 1])
    pyramid = ENCODER.encode(picture)
    nodes = np.arange(4, 20) * 40 + 32  # beside class 1, labelled as class 2
    predictor.apply(memory.add([batch(pyramid, nodes, np.eye(3)[np.full(16, 2)], gesture="other")]))
    (one,) = suggest(predictor, "sample")
    assert one.at[1] >= 20 and one.reason == CONTRADICT


def test_suggestions_are_unlabelled_distinct_and_sorted():
    memory = memory_for()
    memory.add([some(2, 0, 200)])
    predictor = predictor_of(memory)
    predictor.set_sample("sample", sample(2, 0))
    found = suggest(predictor, "sample", count=6)
    taken = {tuple(at) for at in memory.coordinates(memory.ids).tolist()}
    places = [one.at for one in found]
    assert len(set(places)) == len(places) == 6 and not taken & set(places)
    assert all(one.key.untyped_storage().nbytes() == one.key.nbytes for one in found), "a view would keep the keys of all nodes"
    worth = [one.worth for one in found]
    assert worth == sorted(worth, reverse=True)
    assert [one.at for one in suggest(predictor, "sample", count=6)] == places


def test_the_first_is_the_best_of_all_candidates():
    memory = memory_for()
    memory.add([some(2, 0, 40)])
    predictor = predictor_of(memory)
    predictor.set_sample("x", sample(2, 7))
    state, left = predictor.states["x"], doubt(predictor, "x")
    kernel = torch.exp((state.queries @ state.queries.T - 1).clamp(max=0) / predictor.metric.tau)
    worth = kernel @ left / len(left)  # 480 nodes: all are candidates and all are heard
    (one,) = suggest(predictor, "x")
    assert one.worth == pytest.approx(float(worth.max()), rel=1e-5)


def test_a_place_passed_is_not_offered_again_and_what_is_like_it_neither():
    _, predictor = labelled(halves(), [4, 5], [0, 1])
    first, second = suggest(predictor, "sample", count=2)
    (again,) = suggest(predictor, "sample", passed=np.array([first.at]))
    assert again.at == second.at and again.worth == pytest.approx(second.worth, rel=1e-5)


def test_when_all_is_labelled_there_is_nothing_to_ask():
    memory = memory_for()
    memory.add([some(2, 0, 480)])
    predictor = predictor_of(memory)
    predictor.set_sample("sample", sample(2, 0))
    assert suggest(predictor, "sample", count=3) == []
    with pytest.raises(LimitError):
        suggest(predictor, "sample", count=0)


def test_doubt_is_a_share_and_certain_where_examples_agree_and_are_near():
    memory = memory_for()
    memory.add([some(2, 0, 480)])
    predictor = predictor_of(memory, k=1, tau=1e-6)
    predictor.set_sample("sample", sample(2, 0))
    assert float(doubt(predictor, "sample").max()) < 1e-6
    assert REACH > 0


def test_samples_alike_are_not_asked_for_one_after_the_other():
    memory = memory_for()
    memory.add([some(2, 0, 40)])
    predictor = predictor_of(memory)
    for name, seed in (("x", 7), ("twin", 7), ("y", 9)):
        predictor.set_sample(name, sample(2, seed))
    each = [suggest(predictor, name)[0] for name in ("x", "twin", "y")]
    ordered = spread_out(predictor, each)
    assert {one.sample_id for one in ordered} == {"x", "twin", "y"}
    assert {ordered[0].sample_id, ordered[-1].sample_id} != {"y"} and ordered[-1].sample_id in ("x", "twin")
    assert spread_out(predictor, []) == []
