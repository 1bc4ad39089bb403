"""What keeps a network from forgetting: where strategies agree, what each keeps, and that classes and tasks stay apart."""

import numpy as np
import pytest
import torch

from parmesan_engine.errors import FormatError, LimitError, ShapeError, UnknownNameError
from parmesan_engine.jobs import StoppedError
from parmesan_engine.methods import METHODS, Experience
from parmesan_engine.methods.examples import Example, drawn
from parmesan_engine.methods.labelled import LabelledSamples, encode_samples
from parmesan_engine.methods.network import Grid, Network
from parmesan_engine.methods.strategies import STRATEGIES, _fisher
from tests.helpers import TASK, VALUES, TinyEncoder, sample, truth

ENCODER = TinyEncoder(gain=1 / 64)
NAMES = ["linear", "unet"]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("parmesan_engine.methods.training.PATIENCE", 1)
    monkeypatch.setattr("parmesan_engine.methods.training.STEPS", 4)
    monkeypatch.setattr("parmesan_engine.methods.unet_trunk.LEVELS", {2: 2})
    monkeypatch.setattr("parmesan_engine.methods.unet_trunk.WIDTH", 8)


def samples(seeds, classes=(0, 1, 2), task=TASK, keep=1.0):
    maps = [np.where(np.isin(truth(2, seed), classes), truth(2, seed), -1).astype(np.int16) for seed in seeds]
    if task is VALUES:
        maps = [np.where(labels < 0, np.nan, 1000 + 500.0 * labels).astype(np.float32) for labels in maps]
    unknown, random = np.nan if task is VALUES else -1, np.random.default_rng(0)
    maps = [np.where(random.random(m.shape) < keep, m, unknown).astype(m.dtype) for m in maps]
    return LabelledSamples([sample(2, seed) for seed in seeds], maps, task, False)


def teach(method, name, given, task_name="classes", progress=None):
    method.begin_experience(Experience(name, task_name, given.task))
    method.observe(given if method.raw else encode_samples(ENCODER, given, name)[0])
    method.end_experience(progress)
    return method


def taught(name, steps, **keywords):
    method = METHODS.build({"name": name, "keywords": keywords})
    for number, given in enumerate(steps):
        teach(method, f"step {number}", given)
    return method


def ask(method, seed=7, task_name=""):
    return method.predict(sample(2, seed) if method.raw else ENCODER.encode(sample(2, seed)), task_name)


def weights(method):
    return torch.cat([weight.detach().flatten() for weight in method.net.parameters()])


STEPS = [samples((0, 1, 2)), samples((3, 4, 5), (0, 2), keep=0.5)]


@pytest.mark.parametrize("name", NAMES)
def test_without_strength_a_penalty_is_none_and_with_it_weights_move_less(name):
    first, plain = taught(name, STEPS[:1]), taught(name, STEPS)
    for strategy in ("ewc", "lwf"):
        assert torch.equal(weights(taught(name, STEPS[:1], strategy=strategy)), weights(first))
        assert torch.equal(weights(taught(name, STEPS, strategy=strategy, strength=0.0)), weights(plain))
        assert not torch.equal(weights(taught(name, STEPS, strategy=strategy)), weights(plain))
    stiff = taught(name, STEPS, strategy="ewc", strength=1e4)
    fisher = torch.cat([one.flatten() for one in stiff.learning.fisher.values()])
    assert (fisher * (weights(stiff) - weights(first)) ** 2).sum() < 0.1 * (fisher * (weights(plain) - weights(first)) ** 2).sum()


@pytest.mark.parametrize("name", NAMES)
def test_joint_training_step_by_step_is_training_on_all_at_once(name):
    joint, at_once = taught(name, STEPS, strategy="joint"), METHODS.build({"name": name})
    at_once.begin_experience(Experience("all", "classes", TASK))
    for given in STEPS:
        at_once.observe(given if at_once.raw else encode_samples(ENCODER, given, "all")[0])
    at_once.end_experience()
    assert torch.equal(weights(joint), weights(at_once)) and np.array_equal(ask(joint), ask(at_once))


@pytest.mark.parametrize("name", NAMES)
def test_replay_without_limit_learns_from_what_joint_training_learns_from(name):
    joint, replay = (taught(name, STEPS, strategy=strategy).learning for strategy in ("joint", "replay"))
    seen, again = ([(e.values.tobytes(), e.map.tobytes(), copies) for e, copies in one.lessons([])] for one in (joint, replay))
    assert seen == again and len(seen) == 6 and replay.bytes == joint.bytes


@pytest.mark.parametrize("name", NAMES)
def test_a_buffer_never_exceeds_its_budget_and_what_it_keeps_stands_for_the_rest(name):
    one = taught(name, STEPS[:1], strategy="joint").learning.bytes // 3
    method = METHODS.build({"name": name, "keywords": {"strategy": "replay", "budget": 2 * one + 64}})
    for number in range(4):
        teach(method, f"step {number}", samples(range(3 * number, 3 * number + 3)))
        assert 0 < method.learning.bytes <= method.budget and method.bytes == method.net.bytes + method.learning.bytes
    assert [copies for _, copies in method.learning.lessons([])] == [6, 6] and "keeps 2 of 12 samples" in method.note
    assert taught(name, STEPS, strategy="replay", budget=1).learning.bytes == 0


def test_each_example_ever_seen_has_the_same_chance_to_be_kept():
    examples = [Example("", 0, np.full(8, i, np.uint8), np.zeros(1, np.float32), (1,)) for i in range(8)]
    found = np.zeros(8)
    for seed in range(600):
        buffer = STRATEGIES.get("replay")(budget=3 * examples[0].bytes, seed=seed)
        for start in (0, 2, 7):  # steps of 2, 5 and 1
            buffer.keep(examples[start : {0: 2, 2: 7, 7: 8}[start]], None, [])
        found[[example.values[0] for _, example in buffer.kept]] += 1
    assert found.sum() == 1800 and found.min() > 175 and found.max() < 275  # 225 each; the deviation is 12


def test_one_example_too_large_for_the_budget_is_passed_over():
    large, small = (Example("", 0, np.zeros(n, np.uint8), np.zeros(0), (0,)) for n in (100, 10))
    assert drawn([(0.1, large), (0.2, small)], 50) == [(0.2, small)] and len(drawn([(0.1, large), (0.2, small)], 0)) == 2


@pytest.mark.parametrize("task", [TASK, VALUES], ids=["classes", "values"])
def test_labels_come_back_as_they_were_and_few_take_few_bytes(task):
    sizes = []
    for keep in (1.0, 0.01):
        given = samples([0], task=task, keep=keep)
        packed = Example.of("", 0, given.samples[0].array, given.labels[0])
        assert np.array_equal(packed.map, given.labels[0], equal_nan=task is VALUES) and packed.values.dtype == np.uint8
        sizes.append(packed.bytes - packed.values.nbytes)
    pixels = given.labels[0].size
    assert sizes[0] == pixels * (1 if task is TASK else 4) and sizes[1] < 0.1 * sizes[0]
    assert np.array_equal(Example.of("", 0, np.zeros(1), np.asarray([200, -1, 0])).map, [200, -1, 0])


@pytest.mark.parametrize("strategy", STRATEGIES.names())
def test_classes_that_no_step_taught_are_never_answered_and_those_of_other_steps_can_be(strategy):
    first = taught("linear", [samples((0, 1), (0, 1))], strategy=strategy)
    assert set(np.unique(ask(first))) <= {0, 1}
    shares = first.net.answer(ENCODER.encode(sample(2, 7)).levels[0].keys.T, "classes")
    assert torch.equal(shares[2], torch.zeros_like(shares[2]))
    assert set(np.unique(ask(teach(first, "next", samples((2, 3), (2,)))))) <= {0, 1, 2}
    assert first.net.head("classes").taught.all()


def test_a_class_alone_drives_out_the_others_unless_examples_are_kept(monkeypatch):
    monkeypatch.setattr("parmesan_engine.methods.training.PATIENCE", 4)
    monkeypatch.setattr("parmesan_engine.methods.training.STEPS", 32)
    steps = [samples((0, 1, 2), (c,)) for c in (0, 1, 2)]
    expected, right = truth(2, 7), {}
    for strategy in ("finetune", "joint", "replay"):
        right[strategy] = (ask(taught("linear", steps, strategy=strategy)) == expected).mean()
    assert right["finetune"] < 0.6 < 0.85 < min(right["joint"], right["replay"])


@pytest.mark.parametrize("strategy", STRATEGIES.names())
@pytest.mark.parametrize("name", NAMES)
def test_tasks_share_a_trunk_and_have_heads_of_their_own(name, strategy):
    method = taught(name, STEPS[:1], strategy=strategy)
    before = ask(method)
    teach(method, "values", samples((0, 1, 2), task=VALUES), "height")
    assert ask(method).dtype == np.float32 and 800 < np.nanmean(ask(method)) < 2200
    after = ask(method, task_name="classes")
    assert after.dtype == np.int16 and set(np.unique(after)) <= {0, 1, 2} and method.net.tasks == ["classes", "height"]
    if (name, strategy) == ("linear", "finetune"):  # the trunk has no parameters
        assert np.array_equal(before, after)


def test_a_teacher_is_asked_where_nothing_is_labelled_and_only_about_what_it_knows():
    method = taught("unet", [samples((0, 1), (0, 1))], strategy="lwf")
    student = taught("unet", [samples((0, 1), (0, 1))], strategy="lwf").net
    grid = Grid(method.seen(sample(2, 3))[0], torch.zeros(3, 24, 20), torch.zeros(24, 20, dtype=torch.bool), "classes")
    distance = method.learning.penalty(method.net)
    assert distance(student, grid, student.features(grid.values)) == 0
    with torch.no_grad():
        student.head("classes").linear.bias[2] += 5.0
        student.head("classes").taught[2] = True
    assert distance(student, grid, student.features(grid.values)) == 0
    with torch.no_grad():
        student.head("classes").linear.bias[1] += 5.0
    assert distance(student, grid, student.features(grid.values)) > 0.01


def test_information_about_a_linear_weight_is_that_of_its_bias_times_the_squared_input():
    class Same(torch.nn.Identity):
        channels = width = 2
        spatial_dims = 1

    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Network(Same())
        net.add("classes", TASK)
    grid = Grid(torch.tensor([[3.0], [0.5]]), torch.tensor([[1.0], [0.0], [0.0]]), torch.ones(1, dtype=torch.bool), "classes")
    net.teach([grid, Grid(grid.values, torch.tensor([[0.0], [1.0], [0.0]]), grid.known, "classes")])
    found = _fisher(net, [grid], 0)
    matrix, bias = found["heads.0.linear.weight"][:, :, 0], found["heads.0.linear.bias"]
    assert torch.allclose(matrix, bias[:, None] * torch.tensor([9.0, 0.25])) and bias[2] == 0 and (bias[:2] > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_bytes_are_those_of_the_network_and_of_what_the_strategy_keeps(name):
    sizes = {strategy: taught(name, STEPS, strategy=strategy).bytes for strategy in STRATEGIES.names()}
    plain = taught(name, STEPS)
    assert sizes["lwf"] == sizes["finetune"] == sum(t.numel() * t.element_size() for t in plain.net.state_dict().values())
    assert sizes["ewc"] - sizes["finetune"] == 4 * len(weights(plain)) and sizes["joint"] == sizes["replay"] > sizes["finetune"]


@pytest.mark.parametrize("strategy", STRATEGIES.names())
def test_a_step_that_is_stopped_changes_nothing_and_can_be_learned_again(strategy):
    def stop(fraction):
        raise StoppedError

    method = taught("linear", STEPS[:1], strategy=strategy)
    before, size, straight = ask(method), method.bytes, taught("linear", STEPS, strategy=strategy)
    with pytest.raises(StoppedError):
        teach(method, "step 1", STEPS[1], progress=stop)
    assert np.array_equal(ask(method), before) and method.bytes == size
    teach(method, "step 1", STEPS[1])
    assert torch.equal(weights(method), weights(straight))


def test_what_cannot_be_learned_is_refused_in_words():
    with pytest.raises(UnknownNameError, match="ewc, finetune, joint, lwf, replay"):
        taught("linear", STEPS[:1], strategy="prayer")
    with pytest.raises(FormatError, match="0 or more"):
        taught("linear", STEPS[:1], strategy="ewc", strength=-1.0)
    with pytest.raises(LimitError, match="CUDA"):
        taught("unet", STEPS[:1], device="cuda:99")
    method = taught("unet", STEPS[:1])
    with pytest.raises(ShapeError, match="channels"):
        method.predict(sample(2, channels=3))
    with pytest.raises(ShapeError, match="axes"):
        method.predict(sample(3))
    smaller = TASK.replace(classes=TASK.classes[:2], colors=TASK.colors[:2])
    with pytest.raises(ShapeError, match="3 classes"):
        teach(method, "next", samples((3, 4), (0, 1), smaller))
