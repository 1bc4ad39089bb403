"""What a run leaves: measures over seeds, JSON there and back, and files that are not what they claim to be."""

import json

import numpy as np
import pytest

from parmesan_engine.continual.outcome import Outcome, Picture, StepRecord
from parmesan_engine.errors import FormatError

STREAM = {"name": "two", "kind": "domain", "notes": [], "tasks": {"segmentation": {"kind": "segmentation"}},
          "steps": [{"name": "a", "task": "segmentation"}, {"name": "b", "task": "segmentation"}]}
RUN = {"encoder": "tiny", "methods": ["knn"], "budget": {"bytes": {}}}


def record(step, scores, *, method="knn", seed=0, name="", answers=(), peak=None):
    return StepRecord(method, seed, step, name or "ab"[step], scores, [{} for _ in scores], 1.0 + step, 0.5, 100 * (step + 1), 2.0, peak,
                      "as told", list(answers))


def outcome(*records, **more):
    return Outcome(STREAM, RUN | {"seeds": sorted({r.seed for r in records})}, tuple(records), **more)


def test_summary_is_the_mean_over_seeds_of_measures_of_each_seed():
    run = outcome(record(0, [0.8, None]), record(1, [0.6, 0.9]), record(0, [0.6, None], seed=1), record(1, [0.6, 0.5], seed=1, peak=7))
    found = run.summary()["knn"]
    assert found["matrix"] == [[pytest.approx(0.7), None], [pytest.approx(0.6), pytest.approx(0.7)]]
    assert [found[n] for n in ("average", "forgetting", "backward_transfer")] == pytest.approx([0.65, 0.05, -0.1])
    assert (found["average_std"], found["forward_transfer"], found["seeds"]) == (pytest.approx(0.1), None, 2)
    assert (found["absorb_seconds"], found["absorb_seconds_with_encoding"], found["bytes"], found["peak_bytes"]) == (1.5, 2.0, 200, 7)


def test_a_method_that_is_not_through_has_a_matrix_and_no_summary():
    run = outcome(record(0, [0.8, 0.1]))
    assert run.summary() == {}
    assert np.isnan(run.matrix("knn")[1]).all() and run.matrix("knn")[0].tolist() == [0.8, 0.1]


def test_what_was_unlearned_stands_beside_the_matrix_not_in_it():
    steps = record(0, [0.8, 0.1]), record(1, [0.6, 0.9])
    found = outcome(*steps, record(2, [0.2, 0.9], name="without a")).summary()["knn"]
    assert found.pop("unlearned") == {"name": "without a", "scores": [0.2, 0.9], "seconds": 3.0}
    assert found == outcome(*steps).summary()["knn"]


def test_json_there_and_back_is_the_same_to_the_bit():
    answers = [np.array([[0, -1]], np.int16), np.array([[0.5, np.nan]], np.float16)]
    picture = Picture("one", "a", "segmentation", np.arange(12, dtype=np.uint8).reshape(2, 2, 3), np.array([[1, -1]], np.int16))
    run = outcome(record(0, [0.25, None], answers=answers), strip=(picture,))
    text = json.dumps(run.to_json(), allow_nan=False)
    back = Outcome.from_json(json.loads(text))
    assert json.dumps(back.to_json()) == text
    for was, now in zip(answers, back.records[0].answers, strict=True):
        assert now.dtype == was.dtype and np.array_equal(now, was, equal_nan=True)
    assert np.array_equal(back.strip[0].picture, picture.picture)


@pytest.mark.parametrize("change", [
    {"dtype": "object"}, {"shape": [1 << 20, 1 << 20]}, {"shape": [3, 2]}, {"shape": [-2, -1]}, {"packed": "bm90IHppcA=="}, {"packed": 7}])
def test_a_damaged_picture_is_refused(change):
    value = outcome(record(0, [0.5, None], answers=[np.zeros((1, 2), np.int16)])).to_json()
    value["records"][0]["answers"][0] |= change
    with pytest.raises(FormatError):
        Outcome.from_json(value)


@pytest.mark.parametrize("part", ["stream", "run", "records", "strip"])
def test_what_is_no_outcome_is_refused(part):
    value = outcome(record(0, [0.5, None])).to_json()
    with pytest.raises(FormatError):
        Outcome.from_json({name: other for name, other in value.items() if name != part})


def test_joined_runs_have_both_seeds_and_the_answers_of_the_first():
    first = outcome(record(0, [0.5, None], answers=[np.zeros((1, 2), np.int16)]))
    second = outcome(record(0, [0.7, None], seed=1, answers=[np.ones((1, 2), np.int16)]))
    both = first.joined(second)
    assert both.run["seeds"] == [0, 1] and [len(r.answers) for r in both.records] == [1, 0]
    assert both.matrix("knn")[0, 0] == pytest.approx(0.6)
