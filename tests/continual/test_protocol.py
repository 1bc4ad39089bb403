"""The protocol: who is told what in which order, the result matrix by hand, budgets, unlearning, going on, and cancelling."""

import dataclasses

import numpy as np
import pytest

from parmesan_engine.continual.encoding import Encoding
from parmesan_engine.continual.protocol import run_stream
from parmesan_engine.continual.scoring import examine
from parmesan_engine.continual.steps import Stream, class_steps_of, one_step
from parmesan_engine.encoders import ENCODERS
from parmesan_engine.errors import FormatError, UnknownNameError
from parmesan_engine.methods import METHODS
from parmesan_engine.types import Sample, TaskSpec
from tests.continual.scripted import scripted  # noqa: F401 (a fixture)
from tests.helpers import TASK, VALUES, sample, truth

LEARNED = [(sample(2, seed), truth(2, seed)) for seed in range(3)]
HELD = [(sample(2, seed), truth(2, seed)) for seed in (100, 101)]


def classes():
    return Stream("tiny", "class", class_steps_of(TASK, LEARNED, HELD, 1, 5, 0))


def domains():
    return Stream("tiny", "domain", tuple(one_step(name, TASK, LEARNED[i : i + 1], HELD[i : i + 1], 5, 0) for i, name in enumerate("ab")))


def tasks():
    depth = [[(s, 1000 + 500 * labels.astype(np.float32)) for s, labels in pairs] for pairs in (LEARNED, HELD)]
    return Stream("tiny", "task", (one_step("which", TASK, LEARNED, HELD, 5, 0), one_step("far", VALUES, *depth, 5, 0)))


def test_a_method_is_told_the_steps_in_order_and_asked_once_for_each_sample_and_task(scripted):  # noqa: F811
    stream = classes()
    outcome = run_stream(stream, ["scripted"], seed=3)
    (method,) = scripted.made
    assert method.said == [word for step in stream.steps for word in (f"begin {step.experience.name}", "observe 15", "end")]
    assert method.seed == 3
    assert method.asked == [(s.name, "segmentation") for _ in range(3) for s, _ in HELD]  # samples are shared by all three steps
    assert [(r.step, r.name, r.note, r.bytes, r.encode_seconds) for r in outcome.records] == [
        (i, TASK.classes[i], f"{i + 1} steps", 100 * (i + 1), 0.0) for i in range(3)]


def test_class_steps_leave_out_what_was_not_taught_yet_and_punish_what_was_forgotten(scripted):  # noqa: F811
    outcome = run_stream(classes(), ["scripted"])
    n = [sum(int((labels == c).sum()) for _, labels in HELD) for c in range(3)]
    expected = [[1.0, None, None], [0.0, n[1] / (n[0] + n[1]), None], [0.0, 0.0, n[2] / sum(n)]]
    assert [r.scores for r in outcome.records] == [pytest.approx(row) if None not in row else row for row in expected[:1]] + [
        [s if s is None else pytest.approx(s) for s in row] for row in expected[1:]]
    assert outcome.records[1].raw[1] == {"miou": pytest.approx(n[1] / (n[0] + n[1])), "iou": {"blob": pytest.approx(n[1] / (n[0] + n[1]))}}
    assert outcome.records[0].raw[2] == {}


def test_a_class_is_scored_on_the_samples_that_contain_it(scripted):  # noqa: F811
    bare = (Sample(np.zeros((1, 24, 20), np.uint8), "bare"), np.zeros((24, 20), np.int16))
    with_bare = Stream("tiny", "class", class_steps_of(TASK, LEARNED, [*HELD, bare], 1, 5, 0))
    assert [len(step.tests) for step in with_bare.steps] == [3, 2, 2]
    with_, without = (run_stream(stream, ["scripted"]).matrix("scripted") for stream in (with_bare, classes()))
    assert np.array_equal(with_, without, equal_nan=True)  # the last answer, "line" everywhere, is not held against it on the bare one


def test_domain_steps_are_scored_before_they_are_learned_too(scripted):  # noqa: F811
    stream = domains()
    matrix = run_stream(stream, ["scripted"]).matrix("scripted")
    share = [float((labels == 0).mean()) / 3 for _, labels in HELD]  # of three classes one is right, by its share
    assert matrix == pytest.approx(np.array([share, share]))


def test_a_domain_with_classes_to_come_is_scored_with_all_of_its_classes(scripted):  # noqa: F811
    half = [(s, np.where(labels == 2, -1, labels)) for s, labels in LEARNED]
    seen = [(s, np.where(labels == 2, -1, labels)) for s, labels in HELD]
    stream = Stream("tiny", "domain", (one_step("a", TASK, half, seen, 5, 0), one_step("b", TASK, LEARNED, HELD, 5, 0)))
    assert stream.steps[0].experience.classes == (0, 1)
    first = run_stream(stream, ["scripted"]).records[0]
    assert first.raw[1]["iou"]["line"] == 0.0 and first.scores[1] == pytest.approx(np.mean([labels == 0 for _, labels in HELD]) / 3)


def test_task_steps_ask_for_the_task_of_each_experience(scripted):  # noqa: F811
    stream = tasks()
    outcome = run_stream(stream, ["scripted"])
    assert outcome.records[0].scores[1] is None and {t for _, t in scripted.made[0].asked[:2]} == {"segmentation"}
    assert {t for _, t in scripted.made[0].asked[2:]} == {"segmentation", "regression"}
    values = np.concatenate([labels.ravel() for _, labels in stream.steps[1].tests])
    rmse = float(np.sqrt(np.mean((values - 2.0) ** 2)))
    assert outcome.records[1].raw[1] == {"rmse": pytest.approx(rmse / 1000), "unknown": 0.0}
    assert outcome.records[1].scores[1] == 0.0 and outcome.stream["steps"][1]["classes"] == []


def test_skill_of_values_is_relative_to_their_own_spread(scripted, monkeypatch):  # noqa: F811
    stream = tasks()
    held = {s.name: labels for s, labels in stream.steps[1].tests}
    middle = np.mean(np.concatenate([v.ravel() for v in held.values()]))
    monkeypatch.setattr(scripted, "predict", lambda self, query, task="": (
        truth(2, 100) if task == "segmentation" else (held[query.name] + middle) / 2))
    record = run_stream(stream, ["scripted"]).records[1]
    assert record.scores[1] == pytest.approx(0.5, abs=1e-4)


def test_the_strip_has_a_picture_of_each_step_and_every_record_an_answer_for_each(scripted):  # noqa: F811
    outcome = run_stream(tasks(), ["scripted"])
    shown = [(p.experience, p.task, p.truth.dtype.kind) for p in outcome.strip]
    assert shown == [("which", "segmentation", "i"), ("far", "regression", "f")]
    for record in outcome.records:
        for picture, answer in zip(outcome.strip, record.answers, strict=True):
            assert answer.shape == picture.truth.shape == picture.picture.shape[:2] and answer.dtype == picture.truth.dtype
    assert np.isnan(outcome.records[0].answers[1]).all() and (outcome.records[1].answers[1] == 2).all()


def test_unlearning_is_one_more_record_of_those_that_can(scripted, monkeypatch):  # noqa: F811
    told = []
    outcome = run_stream(classes(), ["scripted"], unlearn="line", watch=told.append)
    assert [r.name for r in told] == ["ground", "blob", "line", "without line"] and told == list(outcome.records)
    assert told[-1].step == 3 and told[-1].encode_seconds == 0.0 and (told[-1].answers[0] == 1).all()
    monkeypatch.setattr(scripted, "forgets", "")
    assert len(run_stream(classes(), ["scripted"], unlearn="line").records) == 3
    with pytest.raises(FormatError, match="ground, blob, line"):
        run_stream(classes(), ["scripted"], unlearn="circle")


def test_what_is_known_is_not_taught_again(scripted):  # noqa: F811
    methods = ["scripted", "scripted:gain=2"]
    whole = run_stream(classes(), methods, unlearn="blob")
    told = []
    again = run_stream(classes(), methods, unlearn="blob", known=whole.records[:-1], watch=told.append)
    assert [m.gain for m in scripted.made] == [1.0, 2.0, 2.0]  # the second was not through
    assert [(r.method, r.step) for r in told] == [("scripted:gain=2", i) for i in range(4)]
    assert [(r.method, r.name, r.scores) for r in again.records] == [(r.method, r.name, r.scores) for r in whole.records]
    run_stream(classes(), methods[:1], unlearn="line", known=whole.records)  # another step was unlearned then
    run_stream(classes(), methods[:1], known=whole.records, seed=1)
    assert len(scripted.made) == 5
    shorter = run_stream(classes(), methods[:1], known=whole.records)
    assert len(scripted.made) == 5 and len(shorter.records) == 3


def test_equal_bytes_are_those_of_parmesan_in_the_same_run(scripted):  # noqa: F811
    stream = domains()
    outcome = run_stream(stream, ["scripted", "scripted:budget=7", "parmesan"], encoder="tiny", budget="parmesan", seed=4)
    assert outcome.methods == ["parmesan", "scripted", "scripted:budget=7"]
    kept = outcome.of("parmesan")[-1].bytes
    assert [m.budget for m in scripted.made] == [kept, 7] and outcome.run["budget"]["bytes"] == {"4": kept}
    assert "PARMESAN" in outcome.run["budget"]["meaning"]
    run_stream(stream, ["scripted"], budget=12345)
    assert scripted.made[-1].budget == 12345


@pytest.mark.parametrize("budget", ["knn", 0, -3])
def test_a_budget_that_is_none_is_refused(scripted, budget):  # noqa: F811
    with pytest.raises(FormatError, match="budget"):
        run_stream(classes(), ["scripted"], budget=budget)


def test_a_run_without_methods_is_refused():
    with pytest.raises(FormatError, match="name one"):
        run_stream(classes(), [])


def test_equal_bytes_need_parmesan(scripted):  # noqa: F811
    with pytest.raises(FormatError, match="add it"):
        run_stream(classes(), ["scripted"], budget="parmesan")
    with pytest.raises(UnknownNameError):
        run_stream(classes(), ["nothing"])


def test_features_are_made_once_whatever_room_there_is(monkeypatch):
    stream, count = classes(), []
    encode = ENCODERS.get("tiny").encode
    monkeypatch.setattr(ENCODERS.get("tiny"), "encode", lambda self, *a, **k: count.append(1) or encode(self, *a, **k))
    run_stream(stream, ["knn", "random_forest:trees=2"], encoder="tiny")
    assert len(count) == 3 * len(LEARNED) + len(HELD)
    exams = []
    for room in (0, 1 << 30):
        encoding = Encoding(stream, ENCODERS.build({"name": "tiny"}), room=room)
        method = METHODS.build({"name": "knn"})
        method.begin_experience(stream.steps[0].experience)
        method.observe(encoding.lessons[0])
        method.end_experience()
        exams.append(examine(stream, 0, method, encoding, set()).raw)
    assert exams[0] == exams[1]


def test_a_run_is_the_same_again_but_for_its_times():
    def told():
        timed = {"absorb_seconds": 0.0, "encode_seconds": 0.0, "query_ms": 0.0, "query_encode_ms": 0.0, "peak_bytes": None, "answers": []}
        outcome = run_stream(tasks(), ["parmesan", "knn"], encoder="tiny", unlearn="which")
        return [dataclasses.replace(r, **timed) for r in outcome.records], [a.tobytes() for r in outcome.records for a in r.answers]
    assert told() == told()


class Stop(Exception):  # noqa: N818 (as `StoppedError`)
    pass


def test_progress_rises_to_one_and_may_stop_the_run_at_any_place(scripted):  # noqa: F811
    said = []
    run_stream(domains(), ["knn", "scripted"], encoder="tiny", progress=lambda share, text: said.append((share, text)))
    shares = [share for share, _ in said]
    assert shares == sorted(shares) and shares[0] > 0 and shares[-1] == pytest.approx(1.0)
    assert {text for _, text in said} == {"encoding", "knn: a", "knn: b", "scripted: a", "scripted: b"}
    for last in range(len(said)):
        left = iter(range(last))

        def stop(share, text, left=left):
            if next(left, None) is None:
                raise Stop

        with pytest.raises(Stop):
            run_stream(domains(), ["knn", "scripted"], encoder="tiny", progress=stop)


def test_classes_without_numbers_of_their_own_are_refused():
    for per_step in (0, 3):
        with pytest.raises(FormatError, match="classes"):
            class_steps_of(TASK, LEARNED, HELD, per_step, 5, 0)
    with pytest.raises(FormatError, match="values"):
        class_steps_of(TaskSpec("regression"), LEARNED, HELD, 1, 5, 0)
