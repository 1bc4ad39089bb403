"""What two papers promise, on points of a plane."""

import numpy as np
import pytest

from parmesan_engine.methods.toys import GRADIENT_STEPS, MEANS, NEIGHBOURS, SIDE, adaptation_toy, bottleneck_toy


@pytest.fixture(scope="module")
def bottleneck():
    return bottleneck_toy(0)


@pytest.fixture(scope="module")
def adaptation():
    return adaptation_toy(0)


def test_a_bottleneck_keeps_four_steps_where_a_linear_probe_forgets(bottleneck):
    kept, probe = bottleneck["dkvb"]["accuracy"], bottleneck["linear probe"]["accuracy"]
    assert (kept[np.tril_indices(4)] > 0.95).all()
    assert (np.diag(probe) > 0.95).all() and probe[3, 0] < 0.05 and probe[3, :3].mean() < 0.4
    assert (kept[np.triu_indices(4, 1)] == 0).all()  # of what comes, nothing is known


def test_the_map_has_the_classes_where_they_are_and_its_keys_are_used_only_there(bottleneck):
    final = bottleneck["dkvb"]["maps"][3]
    assert final.shape == (SIDE, SIDE)
    assert [final[int(y * SIDE), int(x * SIDE)] for x, y in MEANS] == list(range(8))
    assert set(np.unique(bottleneck["dkvb"]["maps"][0])) == {0, 4}  # an unused key would answer the first class there is
    used = bottleneck["keys"][bottleneck["used"]]
    assert np.linalg.norm(used[:, None] - np.array(MEANS), axis=2).min(1).max() < 0.2 and 0.05 < bottleneck["used"].mean() < 0.5


def test_a_forgotten_step_is_answered_again_within_few_neighbours(adaptation):
    first, last = adaptation["first"], adaptation["last"]
    assert first.shape == last.shape == (len(NEIGHBOURS), len(GRADIENT_STEPS))
    assert adaptation["learned"] > 0.95 and (first[:, 0] < 0.05).all()  # no gradient step: the head as it is
    assert (first[:4, GRADIENT_STEPS.index(10)] > 0.95).all()  # up to 8 neighbours, 10 steps
    assert (last > 0.95).all()


def test_the_adapted_map_has_all_classes_and_that_of_the_head_the_last_alone(adaptation):
    adapted, head = adaptation["maps"]["adapted"], adaptation["maps"]["head"]
    assert [adapted[int(y * SIDE), int(x * SIDE)] for x, y in MEANS] == list(range(8))
    assert {3, 7} <= set(np.unique(head)) and not {0, 4} & set(np.unique(head))


def test_toys_follow_their_seed(bottleneck, adaptation):
    assert np.array_equal(bottleneck_toy(0)["dkvb"]["maps"], bottleneck["dkvb"]["maps"])
    assert np.array_equal(adaptation_toy(0)["first"], adaptation["first"])
    assert not np.array_equal(bottleneck_toy(1, points=10)["points"], bottleneck_toy(2, points=10)["points"])
