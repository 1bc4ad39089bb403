"""PARMESAN as a method: what is remembered without a new fit, and what forgetting does to a metric that has seen the step."""


import numpy as np
import pytest

from parmesan_engine.methods import METHODS, Experience
from tests.helpers import TASK, sample
from tests.methods.lessons import ENCODER, nodes

QUERY = ENCODER.encode(sample(2, 7))
PARTS = [nodes([seed]) for seed in range(3)]


def taught(steps, **keywords):
    method = METHODS.build({"name": "parmesan", "keywords": keywords})
    for number in steps:
        method.begin_experience(Experience(f"step {number}", "classes", TASK))
        method.observe(PARTS[number])
        method.end_experience()
    return method


def metric(method):
    return method.memories["classes"].predictor.metric.id


def test_without_refit_the_metric_stays_and_the_new_examples_count():
    first, both = taught([0], refit=False), taught([0, 1], refit=False)
    assert metric(first) == metric(both) != metric(taught([0, 1]))
    assert len(both.memories["classes"].predictor.index) == sum(map(len, PARTS[:2])) > len(first.memories["classes"].predictor.index)
    assert metric(taught([0])) == metric(first)


@pytest.mark.parametrize("refit", [True, False])
def test_no_metric_stays_in_use_that_saw_what_was_forgotten(refit):
    method = taught([0, 1], refit=refit)
    method.forget("step 0")
    never = taught([1], refit=refit)
    assert metric(method) == metric(never) and np.array_equal(method.predict(QUERY), never.predict(QUERY))


def test_without_refit_forgetting_a_later_step_leaves_what_was_before():
    method, before = taught([0, 1], refit=False), taught([0], refit=False)
    method.forget("step 1")
    assert metric(method) == metric(before) and np.array_equal(method.predict(QUERY), before.predict(QUERY))


def test_a_cancelled_fit_leaves_the_last_answers():
    method = taught([0])
    before = method.predict(QUERY)
    method.begin_experience(Experience("step 1", "classes", TASK))
    method.observe(PARTS[1])

    def stop(fraction):
        raise RuntimeError("cancelled")

    with pytest.raises(RuntimeError):
        method.end_experience(stop)
    assert np.array_equal(method.predict(QUERY), before)
    method.end_experience()
    assert np.array_equal(method.predict(QUERY), taught([0, 1]).predict(QUERY))
