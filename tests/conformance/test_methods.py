"""What every registered method must do."""

import inspect
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from parmesan_engine.errors import FormatError, UnknownNameError
from parmesan_engine.jobs import StoppedError
from parmesan_engine.methods import METHODS, Experience, learn_at_once, training, unet_trunk
from parmesan_engine.methods.strategies import STRATEGIES
from parmesan_engine.registry import recipe_of
from tests.helpers import SIDES, TASK, VALUES, sample, truth
from tests.methods.lessons import ENCODER, learn, lesson, nodes, query, values

# Keywords; where there are several, each is a case.
QUICK = {"random_forest": ("trees=10",), "dkvb": ("codebooks=8,pairs=64,steps=100",), "mbpa": ("window=0", "window=4"),
         "linear": [f"strategy={name}" for name in STRATEGIES.names()], "unet": ("strategy=replay",)}
SHIPPED = [":".join((name, keywords)).strip(":") for name in METHODS.names() for keywords in QUICK.get(name, ("",))
           if METHODS.get(name).__module__.startswith("parmesan_engine.")]  # no test doubles
FORGETS = {how: [text for text in SHIPPED if METHODS.get(text.partition(":")[0]).forgets == how] for how in ("exactly", "about", "")}
FIRST, SECOND = (0, 1), (2, 3)  # the samples of two steps


@pytest.fixture(params=SHIPPED)
def name(request):
    return request.param


@pytest.fixture
def make(name):
    """A function that makes the method, new each time."""
    return lambda: build(name)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(training, "STEPS", 12)
    monkeypatch.setattr(training, "PATIENCE", 1)
    monkeypatch.setattr(unet_trunk, "LEVELS", {1: 3, 2: 2, 3: 2})


def build(text):
    return METHODS.build(METHODS.parse(text))


def same(one, two):
    return one.dtype == two.dtype and np.array_equal(one, two, equal_nan=one.dtype.kind == "f")


def test_it_says_what_it_is(make):
    method = make()
    assert isinstance(method.raw, bool) and method.forgets in FORGETS and isinstance(method.note, str)
    learn(method, "one", FIRST)
    assert isinstance(method.note, str)


def test_before_anything_is_learned_all_is_unknown(make):
    method = make()
    assert (method.predict(query(method)) == -1).all()
    method.begin_experience(Experience("one", "classes", TASK, (0, 1, 2)))
    answer = method.predict(query(method))
    assert answer.shape == SIDES[2] and answer.dtype == np.int16 and (answer == -1).all()
    method.begin_experience(Experience("two", "values", VALUES))
    answer = method.predict(query(method))
    assert answer.shape == SIDES[2] and answer.dtype == np.float32 and np.isnan(answer).all()
    with pytest.raises(UnknownNameError, match="a task that was begun"):
        method.predict(query(method), "depth")


@pytest.mark.parametrize("task", [TASK, VALUES], ids=["classes", "values"])
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_it_learns_signals_pictures_and_volumes(name, make, dims, task):
    method = learn(make(), "one", range(4), dims=dims, task=task)
    answer = method.predict(query(method, dims=dims))
    assert answer.shape == SIDES[dims] and answer.dtype == (np.int16 if task is TASK else np.float32)
    if task is TASK:
        found = np.mean([(answer[truth(dims, 7) == c] == c).mean() for c in range(3)])  # one answer for all would have a third
    else:
        found = 1 - np.square(answer - values(dims, 7)).mean() / values(dims, 7).var()  # and here nothing
    assert found > (0.4 if "strategy" in name else 0.9)  # networks train but a moment here


def test_a_class_without_labels_is_never_answered_and_keeps_its_number(make):
    method = learn(make(), "one", FIRST, classes=(0, 2))
    assert set(np.unique(method.predict(query(method)))) == {0, 2}
    learn(method, "two", SECOND, classes=(1,))
    assert 1 in np.unique(method.predict(query(method)))


def test_lessons_of_one_step_add_up(make):
    method = make()
    method.begin_experience(Experience("one", "task", TASK, (0, 1, 2)))
    for seeds, classes in ((FIRST, (0,)), (SECOND, (1, 2))):
        method.observe(lesson(method, seeds, classes=classes))
    method.end_experience()
    assert set(np.unique(method.predict(query(method)))) == {0, 1, 2}


def test_samples_without_a_label_teach_nothing(make):
    method = make()
    method.begin_experience(Experience("one", "task", TASK, (0, 1, 2)))
    method.observe(lesson(method, FIRST, per_class=0))
    method.end_experience()
    assert (method.predict(query(method)) == -1).all()
    learn(method, "two", SECOND)
    assert same(method.predict(query(method)), (other := learn(make(), "two", SECOND)).predict(query(other)))


def test_asking_changes_nothing(make):
    method = learn(make(), "one", FIRST)
    asked, size = query(method), method.bytes
    before = method.predict(asked)
    method.predict(query(method, seed=8))
    assert same(method.predict(asked), before) and method.bytes == size
    again = query(method)
    given = (asked.array, again.array) if method.raw else (asked.levels[0].keys, again.levels[0].keys)
    assert np.array_equal(*given)


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (33, 50)])
def test_samples_of_any_size_are_answered_also_between_nodes(make, shape):
    method = learn(make(), "one", FIRST)
    given = sample(shape=shape)
    answer = method.predict(given if method.raw else ENCODER.encode(given, stride=2))
    assert answer.shape == shape and answer.dtype == np.int16 and set(np.unique(answer)) <= {0, 1, 2}


def test_learning_leaves_the_lesson_as_it_was(make):
    method = make()
    given, again = lesson(method, FIRST), lesson(method, FIRST)
    learn_at_once(method, given)
    pairs = zip(given.labels, again.labels, strict=True) if method.raw else ((given.keys, again.keys), (given.labels, again.labels))
    assert all(np.array_equal(*pair) for pair in pairs)


def test_the_same_recipe_gives_the_same_answers(make):
    first = make()
    recipe = json.loads(json.dumps(recipe_of(first)))
    second = METHODS.build(METHODS.parse(METHODS.text(recipe)))
    assert recipe_of(second) == recipe_of(first)
    for number, seeds in enumerate((FIRST, SECOND)):
        for method in (first, second):
            learn(method, str(number), seeds)
    assert same(first.predict(query(first)), second.predict(query(second))) and first.bytes == second.bytes


def test_the_constructor_takes_keywords_with_defaults_alone(make):
    keywords = inspect.signature(type(make())).parameters.values()
    assert all(k.kind is k.KEYWORD_ONLY and k.default is not k.empty for k in keywords)


def test_bytes_are_those_of_what_was_learned(make):
    method = make()
    learn(method, "one", FIRST)
    size = method.bytes
    assert isinstance(size, int) and size > 0
    learn(method, "two", SECOND)
    assert method.bytes >= size


def test_two_tasks_are_kept_apart(make):
    method = learn(make(), "one", FIRST, task_name="classes")
    learn(method, "two", SECOND, task_name="values", task=VALUES)
    assert method.predict(query(method), "classes").dtype == np.int16
    assert same(method.predict(query(method)), method.predict(query(method), "values"))
    assert 900 < np.median(method.predict(query(method), "values")) < 2100
    learn(method, "three", FIRST, task_name="classes")
    assert same(method.predict(query(method)), method.predict(query(method), "classes"))


def test_it_can_be_stopped_and_answers_as_before_and_learns_when_asked_again(make):
    def stop(fraction):
        raise StoppedError

    method, other = (learn(make(), "one", FIRST, classes=(0, 1)) for _ in range(2))
    before = method.predict(query(method))
    with pytest.raises(StoppedError):
        learn(method, "two", SECOND, progress=stop)
    assert same(method.predict(query(method)), before)
    method.end_experience()
    learn(other, "two", SECOND)
    assert same(method.predict(query(method)), other.predict(query(other)))


def test_progress_rises_to_one_at_most(make):
    seen = []
    learn(make(), "one", FIRST, progress=seen.append)
    assert seen == sorted(seen) and all(0 <= fraction <= 1 for fraction in seen)


@pytest.mark.parametrize("name", ["knn", "linear"])
def test_a_feature_that_was_the_same_everywhere_does_not_decide_when_it_changes(name):
    """Two classes by their first feature; the second is 0 in the lesson and a little more in what is asked."""
    made = ENCODER.encode(sample())
    given = nodes([0], classes=(0, 1))
    flat = [replace(b, keys=np.where(np.arange(b.keys.shape[1]) == 0, b.labels[:, :1], 0).astype(np.float32)) for b in given.batches]
    method = build(name)
    learn_at_once(method, replace(given, batches=flat))
    keys = torch.zeros_like(made.levels[0].keys)
    keys[::2, 0], keys[1::2, 1:] = 1.0, 0.01
    answer = method.predict(replace(made, levels=(replace(made.levels[0], keys=keys), *made.levels[1:]))).ravel()
    assert (answer[::2] == 0).all() and (answer[1::2] == 1).all()


@pytest.mark.parametrize("name", FORGETS["exactly"])
def test_a_step_that_is_forgotten_exactly_was_never_learned(name):
    for task in (TASK, VALUES):
        method, other = build(name), build(name)
        learn(method, "one", FIRST, task=task, classes=(0, 1))
        for one in (method, other):
            learn(one, "two", SECOND, task=task, classes=(0, 2))
        learn(method, "three", FIRST, task=task)
        before = method.bytes
        method.forget("one")
        method.forget("three")
        assert same(method.predict(query(method)), other.predict(query(other))) and method.bytes <= before
        method.forget("two")
        answer = method.predict(query(method))
        assert (np.isnan(answer) if task is VALUES else answer == -1).all() and method.bytes == 0
        learn(method, "two", SECOND, task=task, classes=(0, 2))
        assert same(method.predict(query(method)), other.predict(query(other)))


@pytest.mark.parametrize("name", FORGETS["exactly"])
def test_the_order_of_steps_does_not_matter_to_what_forgets_exactly(name):
    for task in (TASK, VALUES):
        one, two = build(name), build(name)
        for method, order in ((one, ("a", "b", "c")), (two, ("c", "a", "b"))):
            for step in order:
                learn(method, step, [ord(step) - 97], task=task, classes={"a": (0,), "b": (1, 2), "c": (0, 1, 2)}[step])
        assert same(one.predict(query(one)), two.predict(query(two)))


@pytest.mark.parametrize("name", FORGETS["exactly"])
def test_only_the_task_of_a_forgotten_step_changes(name):
    method = learn(build(name), "one", FIRST, task_name="classes")
    learn(method, "two", SECOND, task_name="values", task=VALUES)
    before = method.predict(query(method), "values")
    method.forget("one")
    assert same(method.predict(query(method), "values"), before) and (method.predict(query(method), "classes") == -1).all()


@pytest.mark.parametrize("name", FORGETS["about"])
def test_a_step_that_is_forgotten_about_is_answered_less(name):
    method = learn(build(name), "one", FIRST, classes=(0, 1))
    learn(method, "two", SECOND, classes=(2,))
    before = (method.predict(query(method)) == 2).sum()
    method.forget("two")
    after = (method.predict(query(method)) == 2).sum()
    assert before > 0 and after < before / 4


CANNOT = [(name, "one", FormatError) for name in FORGETS[""]] + [(name, "two", UnknownNameError)
                                                               for name in FORGETS["exactly"] + FORGETS["about"]]


@pytest.mark.parametrize(("name", "step", "error"), CANNOT)
def test_what_cannot_be_forgotten_is_refused_and_all_stays_as_it_was(name, step, error):
    method = learn(build(name), "one", FIRST)
    before = method.predict(query(method))
    with pytest.raises(error):
        method.forget(step)
    assert same(method.predict(query(method)), before)
