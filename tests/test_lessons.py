"""The lessons keep what their texts promise, and the notebook tells the same as the page."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from parmesan_engine.lessons import novelty, prepare, rounds, steps, strokes, voting

NOTEBOOK = Path(__file__).resolve().parents[1] / "assets" / "lessons.ipynb"


def test_a_memory_answers_what_it_was_taught_or_nothing():
    given, rows = strokes.scene(), []
    for count in range(strokes.COUNT + 1):
        answer = strokes.after(count)
        assert set(np.unique(answer.labels)) <= {-1, *(stroke.label for stroke in given.strokes[:count])}
        assert set(answer.said) == {stroke.label for stroke in given.strokes[:count]}
        rows.append(len(answer.rows))
    assert (strokes.after(0).labels == -1).all() and rows == sorted(rows) and rows[0] == 0


def test_strokes_on_one_beat_carry_over_to_the_others_and_one_corrects_them_all():
    given = strokes.scene()
    others = np.ones(len(given.truth), bool)
    others[given.strokes[4].start : given.strokes[2].stop] = False  # from the line before the labelled beat to the end of its T wave
    right = [(strokes.after(n).labels == given.truth)[others] for n in range(strokes.COUNT + 1)]
    flat = given.truth[others] == 0
    assert right[6].mean() > 0.9 and right[4][flat].mean() < 0.4 < 0.6 < right[5][flat].mean()
    assert given.truth[given.asked] == 1 and [int(strokes.after(n).labels[given.asked]) for n in (3, 4)] == [0, 1]


def test_one_voter_does_not_feel_the_temperature_and_cold_makes_all_memories_one():
    cold, hot = voting.TAUS[0], voting.TAUS[-1]
    first = voting.vote(1, cold)
    assert all(np.array_equal(voting.vote(1, tau).labels, first.labels) for tau in voting.TAUS)
    assert all((voting.vote(k, cold).labels == first.labels).mean() > 0.99 for k in voting.KS)
    everybody = voting.vote(voting.KS[-1], hot)
    assert set(np.unique(everybody.labels)) == {np.bincount(voting.scene().labels).argmax()}  # an opinion poll
    assert max(voting.vote(voting.KS[-1], tau).right for tau in voting.TAUS) > 0.95 > first.right + 0.1


@pytest.mark.parametrize("k", voting.KS)
def test_votes_at_the_ring_are_those_of_the_formula(k):
    distances, ids = voting.voters(k)
    loud = np.exp(-distances / 0.1)
    np.testing.assert_allclose(voting.vote(k, 0.1).shares, loud / loud.sum(), rtol=1e-4, atol=1e-7)
    assert voting.scene().lied[ids[0]] and voting.scene().labels[ids[0]] != voting.scene().truth[voting.scene().asked]


def test_voices_heard_grow_with_the_temperature_from_one_to_all():
    heard = [voting.vote(8, tau).heard for tau in voting.TAUS]
    assert heard == sorted(heard) and heard[0] < 1.2 and heard[-1] > 7.9


def test_a_blur_is_ahead_first_and_loses_the_vessels_in_the_end():
    near, alike = ([rounds.after(n, to) for n in rounds.ROUNDS] for to in (rounds.NEAR, rounds.ALIKE))
    assert np.array_equal(near[0].labels, alike[0].labels) and near[1].miou > alike[1].miou > alike[0].miou
    scores = [one.miou for one in alike]
    assert scores == sorted(scores) and near[-1].iou[2] < 0.05 < 0.5 < alike[0].iou[2] + 0.05 < alike[-1].iou[2]


def test_a_blur_hears_all_that_are_near_alike():
    weights = rounds.listening(rounds.NEAR).weights
    inner = np.ravel_multi_index((10, 15, 15), rounds.scene().truth.shape)
    np.testing.assert_allclose(weights[inner], 1 / 52, rtol=1e-4)


@pytest.mark.parametrize("delta", novelty.NOVELTIES[::3])
def test_what_was_forgotten_was_never_there(delta):
    together, forgotten, never = novelty.story(delta)
    assert forgotten.version == never.version != together.version
    assert np.array_equal(forgotten.labels, never.labels) and np.array_equal(forgotten.used, never.used)
    assert bool(forgotten.back.any()) == bool(delta) and not never.back.any() and (forgotten.used | ~forgotten.back).all()


def test_few_examples_are_enough():
    used = [int(novelty.story(delta)[1].used.sum()) for delta in (0.0, 0.03, 0.12, 0.3)]
    assert used == sorted(used, reverse=True) and used[-1] < 0.2 * used[0]
    assert novelty.story(0.3)[1].right > novelty.story(0.0)[1].right - 0.03


def test_the_network_forgets_and_the_memory_does_not():
    network, memory = steps.network_steps(), steps.memory_steps()
    for step in range(steps.STEPS):
        assert network[step].right[step] > 0.95 and min(memory[step].right[: step + 1]) > 0.95
    assert max(network[3].right[:2]) < 0.5 and (memory[0].labels < 0).any()
    last, gone = memory[-1], steps.FORGOTTEN - 1
    assert last.right[gone] == 0 and min(right for n, right in enumerate(last.right) if n != gone) > 0.95
    assert not np.isin(last.labels, steps.scene().labels[steps.scene().step == steps.FORGOTTEN]).any()


def test_lessons_follow_from_their_seeds():
    then = steps.network_steps()[-1].labels, strokes.after(3).labels
    for function in (steps.network_steps, steps.scene, strokes.after, strokes.scene):
        function.cache_clear()
    torch.manual_seed(1)
    assert np.array_equal(steps.network_steps()[-1].labels, then[0]) and np.array_equal(strokes.after(3).labels, then[1])


def test_prepared_lessons_leave_nothing_to_be_worked_out():
    seen = []
    prepare(seen.append)
    assert seen == sorted(seen) and seen[0] == 0 and seen[-1] < 1
    assert novelty.story.cache_info().currsize == len(novelty.NOVELTIES)
    assert voting.vote.cache_info().currsize >= len(voting.TAUS) * len(voting.KS)


def test_the_notebook_runs_and_tells_the_same(capsys):
    notebook, space = json.loads(NOTEBOOK.read_text(encoding="utf-8")), {}
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert notebook["nbformat"] == 4 and len(cells) == 6 and not any(cell.get("outputs") for cell in notebook["cells"])
    for number, cell in enumerate(cells):
        exec(compile(cell, f"cell {number}", "exec"), space)
    assert np.array_equal(space["heartbeat"], strokes.after(4).labels)
    assert np.array_equal(space["tissue"], voting.vote(80, 0.1).labels)
    assert np.array_equal(space["scan"], rounds.after(13, rounds.NEAR).labels)
    assert space["memory"].version == novelty.story(0.2)[2].version and len(space["change"].added) == novelty.story(0.2)[1].back.sum()
    said = capsys.readouterr().out
    assert " = " in said and "network  step 1:   0%" in said and "is not" not in said
